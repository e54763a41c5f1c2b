package migrations_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"":                                           "want sqlite:",
		"tallylight.db":                              "want sqlite:",
		"mysql://u:hunter2@h/d":                      "want sqlite:",
		"host=h password=hunter2":                    "want sqlite:",
		"sqlite:":                                    "path is missing",
		"sqlite://data/file":                         "sqlite:/path/to/file",
		"sqlite::memory:":                            "memory",
		"sqlite:" + dir + "/f?mode=ro":               "parameters",
		"sqlite:" + dir + "/none/f":                  "no such file",
		"sqlite:" + file + "/f":                      "not a folder",
		"sqlite:" + file:                             "not a database",
		"sqlite:" + dir:                              dir,
		"postgres://u:hunter2@h:x/d":                 "not a URL",
		"postgres://u:hunter2/@h:5432/d":             "not a URL",
		"postgres://u:hunter2@h/d?sslmode=hunter":    "sslmode",
		"postgres://h/d?password=hunter2&sslmode=no": "sslmode",
	} {
		db, _, err := migrations.Open(t.Context(), value)
		if err == nil {
			db.Close()
			t.Errorf("%s: opened, want an error with %q", value, want)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--database") {
			t.Errorf("%s: got %v, want --database and %q", value, err, want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells the password: %v", value, err)
		}
	}
}

func TestOpenSQLite(t *testing.T) {
	t.Chdir(t.TempDir())
	odd := filepath.Join(t.TempDir(), "a b%20#ü.db")
	for _, value := range []string{"sqlite:relative.db", "sqlite:" + odd, "sqlite://" + odd} {
		db, dialect := open(t, value)
		if dialect != migrations.SQLite {
			t.Errorf("%s: got dialect %q", value, dialect)
		}
		for pragma, want := range map[string]string{"journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "10000"} {
			var got string
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s: got %q, %v, want %q", value, pragma, got, err, want)
			}
		}
	}
	for _, path := range []string{"relative.db", odd} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// Two processes that share a file read and then write in one transaction: each waits for the other.
func TestSQLiteWritersWait(t *testing.T) {
	value := "sqlite:" + filepath.Join(t.TempDir(), "shared.db")
	one, _ := open(t, value)
	two, _ := open(t, value)
	if _, err := one.Exec("CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0)"); err != nil {
		t.Fatal(err)
	}
	const each = 50
	var writers sync.WaitGroup
	for i := range 2 * each {
		db := one
		if i%2 == 1 {
			db = two
		}
		writers.Go(func() {
			tx, err := db.Begin()
			if err != nil {
				t.Error(err)
				return
			}
			defer tx.Rollback()
			var n int
			if err := tx.QueryRow("SELECT n FROM counter").Scan(&n); err != nil {
				t.Error(err)
			}
			if _, err := tx.Exec("UPDATE counter SET n = $1", n+1); err != nil {
				t.Error(err)
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	var n int
	if err := one.QueryRow("SELECT n FROM counter").Scan(&n); err != nil || n != 2*each {
		t.Errorf("got %d, %v, want %d", n, err, 2*each)
	}
}

// A node that is frozen in a transaction must not keep the others from what it has locked.
func TestPostgresEndsIdleTransactions(t *testing.T) {
	db, _ := open(t, testserver.Postgres(t))
	var timeout string
	if err := db.QueryRow("SHOW idle_in_transaction_session_timeout").Scan(&timeout); err != nil || timeout != "15s" {
		t.Errorf("it ends them after %q, %v", timeout, err)
	}
}
