// Package migrations opens the SQL database and brings its schema up to date.
//
// The schema is numbered files, one folder for each dialect with the same names in both. Queries do not live here but
// with the data they serve; they are written once for both dialects ($1 placeholders work in either).
package migrations

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

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

// Step is one migration that was carried out.
type Step struct {
	Version int64
	Name    string
	Took    time.Duration
}

// Up brings the schema up to date: it is Apply for those to whom the steps do not matter.
func Up(ctx context.Context, db *sql.DB, d Dialect) error {
	_, err := Apply(ctx, db, d)
	return err
}

// Apply applies what the database lacks of the schema, each migration in a transaction of its own, and returns what it
// applied, also if it failed then. Any number of processes may call it at once on the same database: one does the work,
// the others wait for it and find nothing left to do. It blocks until then or until ctx ends, at most for some minutes.
//
// A database that a newer program has migrated is left alone, and gets ErrNewer.
func Apply(ctx context.Context, db *sql.DB, d Dialect) ([]Step, error) {
	steps, err := migrate(ctx, db, d, (*goose.Provider).Up)
	// It may be a newer program that was waited for, so this is looked at now. Older migrations are never applied to
	// what it left.
	if all, unknown := Status(ctx, db, d); unknown == nil {
		err = cmp.Or(newerThanWe(all), err)
	}
	if err != nil {
		return steps, fmt.Errorf("migrating the %s database: %w", d, err)
	}
	return steps, nil
}

// migrate does something while other processes are kept out. What was done before it failed is returned as well.
func migrate(ctx context.Context, db *sql.DB, d Dialect, do func(*goose.Provider, context.Context) ([]*goose.MigrationResult, error)) ([]Step, error) {
	provider, done, err := newProvider(ctx, db, d)
	if err != nil {
		return nil, err
	}
	defer done()
	results, err := do(provider, ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
		err = fmt.Errorf("version %d: %w", partial.Failed.Source.Version, partial.Err)
	}
	steps := make([]Step, len(results))
	for i, r := range results {
		steps[i] = Step{Version: r.Source.Version, Name: nameOf(r.Source.Path), Took: r.Duration}
	}
	return steps, err
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
