package migrations_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/migrations"
)

// newest is the version of the last migration there is.
const newest = 4

// wantStatus wants the versions up to one applied just now, and those after it pending.
func wantStatus(t *testing.T, db *sql.DB, d migrations.Dialect, name string, upTo int) []migrations.Migration {
	t.Helper()
	all, err := migrations.Status(t.Context(), db, d)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(all) != newest {
		t.Fatalf("%s: got %+v, want %d", name, all, newest)
	}
	for i, m := range all {
		if m.Version != int64(i+1) || !m.Known() || m.Pending() != (i >= upTo) {
			t.Errorf("%s: got %+v, want %d applied", name, m, upTo)
		}
		if age := time.Since(m.AppliedAt); !m.Pending() && (age < -time.Second || age > 5*time.Minute) {
			t.Errorf("%s: version %d was applied at %s, which is %s ago", name, m.Version, m.AppliedAt, age)
		}
	}
	return all
}

func tables(t *testing.T, db *sql.DB, d migrations.Dialect) (names []string) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1`
	if d == migrations.Postgres {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestStatus(t *testing.T) {
	eachDialect(t, func(t *testing.T, value string) {
		db, d := open(t, value)
		if d == migrations.Postgres { // whose times have no zone
			var name string
			if err := db.QueryRow("SELECT current_database()").Scan(&name); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec("ALTER DATABASE " + name + " SET TimeZone = 'Asia/Shanghai'"); err != nil {
				t.Fatal(err)
			}
			db, d = open(t, value)
		}
		wantStatus(t, db, d, "an empty database", 0)
		if got := tables(t, db, d); len(got) > 0 {
			t.Errorf("to ask has made the tables %q", got)
		}
		if err := migrations.Check(t.Context(), db, d); !errors.Is(err, migrations.ErrBehind) {
			t.Errorf("an empty database: %v, want ErrBehind", err)
		}
		steps, err := migrations.Apply(t.Context(), db, d)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range wantStatus(t, db, d, "migrated", newest) {
			if i >= len(steps) || steps[i].Version != m.Version || steps[i].Name != m.Name || steps[i].Took <= 0 {
				t.Errorf("the steps are %+v", steps)
			}
		}
		if err := migrations.Check(t.Context(), db, d); err != nil {
			t.Errorf("migrated: %v", err)
		}
		if steps, err := migrations.Apply(t.Context(), db, d); len(steps) > 0 || err != nil {
			t.Errorf("migrated again: %+v, %v", steps, err)
		}
	})
}

// Whom a newer program has been before leaves the database alone, whether or not it would have something to do.
func TestNewerDatabase(t *testing.T) {
	eachDialect(t, func(t *testing.T, value string) {
		db, d := open(t, value)
		if err := migrations.Up(t.Context(), db, d); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)"); err != nil {
			t.Fatal(err)
		}
		before := tables(t, db, d)
		refused := func(name string, err error) {
			t.Helper()
			if !errors.Is(err, migrations.ErrNewer) || !strings.Contains(err.Error(), "version 99") {
				t.Errorf("%s: %v, want ErrNewer", name, err)
			}
			if after := tables(t, db, d); !slices.Equal(before, after) {
				t.Errorf("%s: the tables were %q and are %q", name, before, after)
			}
		}
		all := func(name string) {
			t.Helper()
			refused("up "+name, migrations.Up(t.Context(), db, d))
			refused("check "+name, migrations.Check(t.Context(), db, d))
			_, err := migrations.Down(t.Context(), db, d)
			refused("down "+name, err)
			_, err = migrations.DownTo(t.Context(), db, d, 0)
			refused("down to 0 "+name, err)
		}
		all("with nothing pending")
		status, err := migrations.Status(t.Context(), db, d)
		if last := status[len(status)-1]; err != nil || last.Version != 99 || last.Known() || last.Pending() {
			t.Errorf("status: %+v, %v", status, err)
		}
		if _, err := db.Exec(fmt.Sprint("DELETE FROM goose_db_version WHERE version_id = ", newest)); err != nil {
			t.Fatal(err)
		}
		all("with one missing")
	})
}
