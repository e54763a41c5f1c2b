package migrations_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
)

// The numbers must agree: a node may be moved from one dialect to the other, and bug reports name them.
func TestDialectsHaveTheSameFiles(t *testing.T) {
	sqlite, err := fs.Glob(os.DirFS("sqlite"), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := fs.Glob(os.DirFS("postgres"), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sqlite, postgres) || len(sqlite) == 0 {
		t.Errorf("sqlite has %v, postgres has %v", sqlite, postgres)
	}
}

// eachDialect runs a test on an empty database of either kind.
func eachDialect(t *testing.T, test func(t *testing.T, value string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "tallylight.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, testserver.Postgres(t)) })
}

func open(t *testing.T, value string) (*sql.DB, migrations.Dialect) {
	t.Helper()
	db, dialect, err := migrations.Open(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, dialect
}

func TestBroadcasts(t *testing.T) {
	eachDialect(t, func(t *testing.T, value string) {
		ctx := t.Context()
		db, dialect := open(t, value)
		for range 2 { // the second finds nothing to do
			if err := migrations.Up(ctx, db, dialect); err != nil {
				t.Fatal(err)
			}
		}

		const insert = `INSERT INTO broadcasts (id, streamer, streamer_name, room, title, tags, started_at, version)
			VALUES ($1, $2, $2, $3, $4, $5, $6, $7)`
		const first, second = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
		for _, id := range []string{first, second} {
			if _, err := db.ExecContext(ctx, insert, id, "alice", "r", "Zoë's show", `["a"]`, 1790000000123, 1); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.ExecContext(ctx, insert, first, "bob", "r", "", "[]", 1, 1); err == nil {
			t.Error("the same id went in twice")
		}

		rows, err := db.QueryContext(ctx, `SELECT id, title, tags, started_at, ended_at, reason, peak_viewers FROM broadcasts
			WHERE streamer = $1 AND (started_at, id) < ($2, $3) ORDER BY started_at DESC, id DESC`, "alice", 1790000000123, second)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var id, title, tags, reason string
			var started int64
			var ended, peak *int64
			if err := rows.Scan(&id, &title, &tags, &started, &ended, &reason, &peak); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(id, title, tags, started, ended, reason, peak))
		}
		want := []string{fmt.Sprint(first, "Zoë's show", `["a"]`, 1790000000123, (*int64)(nil), "", (*int64)(nil))}
		if !slices.Equal(got, want) || rows.Err() != nil {
			t.Errorf("got %q, %v, want %q", got, rows.Err(), want)
		}
	})
}

// Nodes that start together on one database, in one process and in several, all succeed.
func TestConcurrentUp(t *testing.T) {
	if value := os.Getenv("MIGRATIONS_CHILD"); value != "" {
		db, dialect := open(t, value)
		if err := migrations.Up(t.Context(), db, dialect); err != nil {
			t.Fatal(err)
		}
		return
	}
	eachDialect(t, func(t *testing.T, value string) {
		var nodes sync.WaitGroup
		for range 4 {
			nodes.Go(func() {
				db, dialect, err := migrations.Open(t.Context(), value)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := migrations.Up(t.Context(), db, dialect); err != nil {
					t.Error(err)
				}
			})
			nodes.Go(func() {
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConcurrentUp$")
				child.Env = append(os.Environ(), "MIGRATIONS_CHILD="+value)
				if out, err := child.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		nodes.Wait()

		db, _ := open(t, value)
		var runs, versions int
		err := db.QueryRow("SELECT count(*), count(DISTINCT version_id) FROM goose_db_version").Scan(&runs, &versions)
		if err != nil {
			t.Fatal(err)
		}
		if runs != versions || versions < 2 { // goose notes a version 0 as well
			t.Errorf("%d migrations ran for %d versions", runs, versions)
		}
	})
}

func TestUpEndsWithItsContext(t *testing.T) {
	eachDialect(t, func(t *testing.T, value string) {
		db, dialect := open(t, value)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := migrations.Up(ctx, db, dialect); err == nil {
			t.Error("it went on")
		}
	})
}
