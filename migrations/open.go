package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Open returns the database that a --database value names: sqlite:/path/file (or a relative path), or postgres://… as
// libpq takes it. Its errors name the value but never a password in it.
//
// A SQLite file is created if there is none. PostgreSQL is not contacted yet: a node starts without it and catches up,
// so the first query, usually Up's, is where its absence shows. The caller closes the database.
func Open(ctx context.Context, value string) (*sql.DB, Dialect, error) {
	scheme, rest, _ := strings.Cut(value, ":")
	switch scheme {
	case "sqlite":
		db, err := openSQLite(ctx, rest)
		if err != nil {
			return nil, "", fmt.Errorf("--database %s: %w", value, err)
		}
		return db, SQLite, nil
	case "postgres", "postgresql":
		db, err := openPostgres(value)
		if err != nil {
			return nil, "", fmt.Errorf("--database: %w", err)
		}
		return db, Postgres, nil
	}
	// The value is not repeated: it may be a connection string of another form, password and all.
	return nil, "", errors.New("--database: want sqlite:/path/to/file or postgres://user:password@host/database")
}

// idleInTransaction is how long a transaction may be open with nothing being done in it. A node that is frozen in the
// middle of one, or whose machine is gone without a word, would keep whoever goes on for it waiting for ever.
const idleInTransaction = 15 * time.Second

func openPostgres(value string) (*sql.DB, error) {
	parsed, err := url.Parse(value)
	if err != nil {
		// Where the password ends is just what is unclear, so nothing of the value is repeated.
		return nil, errors.New("postgres://… is not a URL (special characters in a password are written as %-codes)")
	}
	cfg, err := pgx.ParseConfig(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", redacted(parsed), withoutURL(err))
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second // a machine that is gone does not answer at all
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf("SET idle_in_transaction_session_timeout = %d", idleInTransaction.Milliseconds()))
		return err
	}))
	db.SetMaxOpenConns(10) // of the server's usual 100: room for several nodes
	db.SetMaxIdleConns(10)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(30 * time.Minute) // so that a failover or a new address is followed
	return db, nil
}

// redacted returns u without any password: libpq takes them as parameters, too.
func redacted(u *url.URL) string {
	clean := *u
	clean.RawQuery, clean.Fragment = "", ""
	return clean.Redacted()
}

// withoutURL returns what pgx says is wrong, without the connection string that it puts before.
func withoutURL(err error) string {
	if _, what, ok := strings.Cut(err.Error(), "`: "); ok {
		return what
	}
	return "cannot be parsed"
}
