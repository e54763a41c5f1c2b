package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/presence/webhook"
)

// defaultDatabase is where records go when no flag says otherwise.
const defaultDatabase = "sqlite:tallylight.db"

// database is the SQL database. Its schema is up to date, or will be, see schema.
type database struct {
	db      *sql.DB
	records *record.Store
	hooks   *webhook.Store
	schema  *schema
	cleanUp func() error
}

// openDatabase opens what --database names; with --dev and no such flag, a
// file in a temporary folder that close removes. A PostgreSQL that is away is
// no error: the schema then catches up.
func openDatabase(ctx context.Context, cfg serveCmd) (*database, error) {
	url, cleanUp := cfg.Database, func() error { return nil }
	switch {
	case url == "" && cfg.Dev:
		dir, err := os.MkdirTemp("", "tallylight-")
		if err != nil {
			return nil, fmt.Errorf("--dev: %w", err)
		}
		url = "sqlite:" + filepath.Join(dir, "tallylight.db")
		cleanUp = func() error { return os.RemoveAll(dir) }
	case url == "":
		url = defaultDatabase
	}
	db, dialect, err := migrations.Open(ctx, url)
	if err != nil {
		return nil, errors.Join(err, cleanUp())
	}
	d := &database{db: db, records: &record.Store{DB: db}, hooks: &webhook.Store{DB: db}, cleanUp: cleanUp}
	d.schema = &schema{db: db, dialect: dialect, migrate: cfg.Migrate}
	if err := d.schema.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("--database: %w", err), d.close())
	}
	return d, nil
}

func (d *database) close() error { return errors.Join(d.db.Close(), d.cleanUp()) }
