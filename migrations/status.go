package migrations

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

var (
	// ErrNewer: a newer program has migrated the database, and this one does not know what it did.
	ErrNewer = errors.New("a newer version of this program has migrated the database")
	// ErrBehind: the schema lacks migrations.
	ErrBehind = errors.New("the schema is not up to date")
)

// Migration is one that this program has, or that the database says it got from another.
type Migration struct {
	Version   int64
	Name      string    // as in its file's name; empty if this program does not know it
	AppliedAt time.Time // in UTC, to the second; zero: it is pending
}

// Pending reports whether it is still to be applied.
func (m Migration) Pending() bool { return m.AppliedAt.IsZero() }

// Known reports whether this program has it.
func (m Migration) Known() bool { return m.Name != "" }

// Status returns all migrations in the order of their versions. It changes nothing and waits for nobody who migrates.
func Status(ctx context.Context, db *sql.DB, d Dialect) ([]Migration, error) {
	all, err := embedded(d)
	if err != nil {
		return nil, err
	}
	applied, err := applied(ctx, db, d)
	if err != nil {
		return nil, fmt.Errorf("reading which migrations the %s database has: %w", d, err)
	}
	for i, m := range all {
		all[i].AppliedAt = applied[m.Version]
		delete(applied, m.Version)
	}
	for version, at := range applied {
		all = append(all, Migration{Version: version, AppliedAt: at})
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return all, nil
}

// Check returns nil if the schema is what this program works with, else ErrBehind or ErrNewer, or that the database can't
// be asked. It changes nothing.
func Check(ctx context.Context, db *sql.DB, d Dialect) error {
	all, err := Status(ctx, db, d)
	if err != nil {
		return err
	}
	pending := 0
	for _, m := range all {
		if m.Pending() {
			pending++
		}
	}
	if err := newerThanWe(all); err != nil || pending == 0 {
		return err
	}
	return fmt.Errorf("%w: %d of %d migrations are pending", ErrBehind, pending, len(all))
}

// newerThanWe returns an ErrNewer if there is a migration that this program does not know.
func newerThanWe(all []Migration) error {
	if i := slices.IndexFunc(all, func(m Migration) bool { return !m.Known() }); i >= 0 {
		return fmt.Errorf("%w: it has version %d, which is unknown here", ErrNewer, all[i].Version)
	}
	return nil
}

// embedded returns the migrations that this program has, as pending.
func embedded(d Dialect) ([]Migration, error) {
	names, err := fs.Glob(files, string(d)+"/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]Migration, len(names))
	for i, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		all[i] = Migration{Version: version, Name: nameOf(name)}
	}
	return all, nil
}

// nameOf takes the number and the ending from a file's name.
func nameOf(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
	return name
}

// Whether goose's table is there, and what it holds but for the version 0 that it begins with. Its times are without a
// zone: SQLite's are in UTC, those of PostgreSQL in the zone of the session, which is a setting of the database.
var (
	appliedTable = map[Dialect]string{
		SQLite:   `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`,
		Postgres: `SELECT count(to_regclass('goose_db_version'))`,
	}
	appliedVersions = map[Dialect]string{
		SQLite:   `SELECT version_id, CAST(strftime('%s', tstamp) AS INTEGER) FROM goose_db_version WHERE is_applied AND version_id > 0`,
		Postgres: `SELECT version_id, floor(extract(epoch FROM tstamp AT TIME ZONE current_setting('TimeZone')))::bigint FROM goose_db_version WHERE is_applied AND version_id > 0`,
	}
)

// applied returns when each version was applied.
func applied(ctx context.Context, db *sql.DB, d Dialect) (map[int64]time.Time, error) {
	var tables int
	if err := db.QueryRowContext(ctx, appliedTable[d]).Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, appliedVersions[d])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	at := make(map[int64]time.Time)
	for rows.Next() {
		var version, seconds int64
		if err := rows.Scan(&version, &seconds); err != nil {
			return nil, err
		}
		at[version] = time.Unix(seconds, 0).UTC()
	}
	return at, rows.Err()
}
