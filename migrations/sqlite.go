package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const (
	// busyTimeout is how long a writer waits for another, who may be another process: far longer than any of our
	// transactions takes, short enough for a request.
	busyTimeout = 10 * time.Second
	// sqliteConns lets readers go on beside the one writer that WAL allows, and a transaction be open while another
	// query is made. More would only queue up inside SQLite.
	sqliteConns = 4
)

// openSQLite opens path, the part of the value after "sqlite:". Every transaction takes the write lock as it begins:
// one that read first and then wants to write cannot wait for another writer, it fails at once.
func openSQLite(ctx context.Context, path string) (*sql.DB, error) {
	path, err := sqlitePath(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", sqliteURI(path, "_txlock=immediate", "_journal_mode=WAL", "_foreign_keys=on",
		// In WAL mode NORMAL loses no consistency; after a loss of power the last moments may be missing.
		"_synchronous=NORMAL"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(sqliteConns)
	db.SetMaxIdleConns(sqliteConns)

	// Switching a new file to WAL is the one thing that does not wait for its turn, so it is given one.
	unlock, err := lockFile(ctx, path)
	if err != nil {
		db.Close()
		return nil, err
	}
	defer unlock()
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// sqlitePath takes what may follow "sqlite:" to a file's path.
func sqlitePath(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		if !strings.HasPrefix(rest, "/") {
			return "", errors.New("want sqlite:/path/to/file, or sqlite:file for a relative path")
		}
		path = rest
	}
	switch {
	case path == "":
		return "", errors.New("the path is missing, want sqlite:/path/to/file")
	case strings.HasPrefix(path, ":memory:"):
		return "", errors.New("a database in memory would be another one for each connection, want sqlite:/path/to/file")
	case strings.Contains(path, "?"):
		return "", errors.New("there are no parameters for sqlite")
	}
	switch info, err := os.Stat(filepath.Dir(path)); {
	case err != nil:
		return "", fmt.Errorf("the file's folder: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a folder", filepath.Dir(path))
	}
	return path, nil
}

func sqliteURI(path string, params ...string) string {
	params = append(params, fmt.Sprintf("_busy_timeout=%d", busyTimeout.Milliseconds()), "_error_rc=1")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(params, "&")
}

// lockSQLite keeps other processes from migrating the database behind db.
func lockSQLite(ctx context.Context, db *sql.DB) (unlock func(), err error) {
	var seq, name, path string
	if err := db.QueryRowContext(ctx, "PRAGMA database_list").Scan(&seq, &name, &path); err != nil {
		return nil, err
	}
	if path == "" {
		return func() {}, nil // in memory: nobody else has it
	}
	return lockFile(ctx, path)
}

// lockFile takes a lock that belongs to the database at path, and waits for it if it must. goose has none for SQLite,
// and without one two nodes that start together both run the same migration. A transaction on the database itself would
// shut goose out as well; so it is a transaction on an empty database beside it, which the system ends with the process
// however that dies. The file stays: removing it would take it from under somebody who already waits for it.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	db, err := sql.Open("sqlite", sqliteURI(path+".lock", "_txlock=exclusive"))
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(5 * time.Minute); ; {
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			return func() { tx.Rollback(); db.Close() }, nil
		}
		var busy interface{ Code() int }
		if !errors.As(err, &busy) || busy.Code()&0xff != sqliteBusy || time.Now().After(deadline) || ctx.Err() != nil {
			db.Close()
			return nil, fmt.Errorf("waiting for %s.lock: %w", path, err)
		}
	}
}

const sqliteBusy = 5 // SQLITE_BUSY: busyTimeout is over
