// Package migrations opens the SQL database and brings its schema up to date.
//
// The schema is numbered files, one folder for each dialect with the same names in both. Queries do not live here but
// with the data they serve; they are written once for both dialects ($1 placeholders work in either).
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Dialect is a kind of SQL database, and the name of the folder with its migrations.
type Dialect string

const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Up applies what the database lacks of the schema, each migration in a transaction of its own. Any number of processes
// may call it at once on the same database: one does the work, the others wait for it and find nothing left to do. It
// blocks until then or until ctx ends, at most for some minutes.
func Up(ctx context.Context, db *sql.DB, d Dialect) error {
	provider, done, err := newProvider(ctx, db, d)
	if err != nil {
		return fmt.Errorf("migrating the %s database: %w", d, err)
	}
	defer done()
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the %s database: %w", d, err)
	}
	return nil
}

// newProvider returns goose with whatever keeps other processes out; done ends that. The provider is not closed, for
// that would close db.
func newProvider(ctx context.Context, db *sql.DB, d Dialect) (provider *goose.Provider, done func(), err error) {
	folder, err := fs.Sub(files, string(d))
	if err != nil {
		return nil, nil, err
	}
	switch d {
	case Postgres:
		// 300 tries a second apart: goose's own five minutes, but no other node waits 5 s at start for its turn.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, nil, err
		}
		provider, err = goose.NewProvider(goose.DialectPostgres, db, folder, goose.WithSessionLocker(locker))
		return provider, func() {}, err
	case SQLite:
		unlock, err := lockSQLite(ctx, db)
		if err != nil {
			return nil, nil, err
		}
		if provider, err = goose.NewProvider(goose.DialectSQLite3, db, folder); err != nil {
			unlock()
			return nil, nil, err
		}
		return provider, unlock, nil
	}
	return nil, nil, fmt.Errorf("there are no migrations for %q", d)
}
