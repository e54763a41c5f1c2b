package migrations_test

import (
	"database/sql"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/tallylight/tallylight/migrations"
)

const show = "01890a5d-ac96-774b-bcce-b302099a8057"

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Errorf("%s: %v", table, err)
	}
	return n
}

func wantSteps(t *testing.T, name string, steps []migrations.Step, err error, want ...int64) {
	t.Helper()
	var got []int64
	for _, s := range steps {
		got = append(got, s.Version)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: took back %v, %v, want %v", name, got, err, want)
	}
}

// Going back takes the tables of what is taken back, and nothing else.
func TestDown(t *testing.T) {
	eachDialect(t, func(t *testing.T, value string) {
		ctx := t.Context()
		db, d := open(t, value)
		steps, err := migrations.Down(ctx, db, d)
		wantSteps(t, "of an empty database", steps, err)
		if err := migrations.Up(ctx, db, d); err != nil {
			t.Fatal(err)
		}
		whole := tables(t, db, d)
		for _, insert := range []string{
			`INSERT INTO broadcasts (id, streamer, streamer_name, room, title, started_at, ended_at, version)
				VALUES ('` + show + `', 'alice', 'Alice', 'r', 'Chess', 1, 2, 5)`,
			`INSERT INTO webhooks (id, url, events, secret, created_at, created_by) VALUES ('w', 'https://e', '[]', 's', 1, 'a')`,
			`INSERT INTO revocations (target, actor, created_at) VALUES ('sub:mallory', 'admin', 1)`,
		} {
			if _, err := db.ExecContext(ctx, insert); err != nil {
				t.Fatal(err)
			}
		}

		steps, err = migrations.Down(ctx, db, d)
		wantSteps(t, "one step", steps, err, 4)
		wantStatus(t, db, d, "one step", 3)
		if b, w := count(t, db, "broadcasts"), count(t, db, "webhooks"); b != 1 || w != 1 {
			t.Errorf("one step leaves %d broadcasts and %d webhooks", b, w)
		}
		if steps, err = migrations.Apply(ctx, db, d); err != nil || len(steps) != 1 {
			t.Errorf("up again: %+v, %v", steps, err)
		}
		if got := count(t, db, "revocations"); got != 0 {
			t.Errorf("up again: %d revocations are there", got)
		}

		steps, err = migrations.DownTo(ctx, db, d, 1)
		wantSteps(t, "to the first", steps, err, 4, 3, 2)
		wantStatus(t, db, d, "to the first", 1)
		steps, err = migrations.DownTo(ctx, db, d, 2)
		wantSteps(t, "back to what is ahead", steps, err)
		if err := migrations.Up(ctx, db, d); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, db, d, "up again", newest)
		if got := tables(t, db, d); !slices.Equal(got, whole) {
			t.Errorf("up again: the tables are %q and were %q", got, whole)
		}
		var title, state string
		row := db.QueryRowContext(ctx, "SELECT title, state FROM broadcasts WHERE id = $1", show)
		if err := row.Scan(&title, &state); err != nil || title != "Chess" || state != "ended" {
			t.Errorf("what was recorded is %q, %q, %v", title, state, err)
		}

		steps, err = migrations.DownTo(ctx, db, d, 0)
		wantSteps(t, "everything", steps, err, 4, 3, 2, 1)
		if got := tables(t, db, d); !slices.Equal(got, []string{"goose_db_version"}) {
			t.Errorf("everything was taken back, and there is %q", got)
		}
		steps, err = migrations.Down(ctx, db, d)
		wantSteps(t, "of nothing", steps, err)
		if err := migrations.Up(ctx, db, d); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, db, d, "from nothing", newest)
	})
}

// Who goes back and who goes forward at the same time do so one after the other.
func TestConcurrentDown(t *testing.T) {
	back := func(value string) error {
		db, d, err := migrations.Open(t.Context(), value)
		if err != nil {
			return err
		}
		defer db.Close()
		for range 2 {
			if _, err := migrations.DownTo(t.Context(), db, d, 0); err != nil {
				return err
			}
			if err := migrations.Up(t.Context(), db, d); err != nil {
				return err
			}
		}
		return nil
	}
	if value := os.Getenv("MIGRATIONS_CHILD"); value != "" {
		if err := back(value); err != nil {
			t.Fatal(err)
		}
		return
	}
	eachDialect(t, func(t *testing.T, value string) {
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if err := back(value); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConcurrentDown$")
				child.Env = append(os.Environ(), "MIGRATIONS_CHILD="+value)
				if out, err := child.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		all.Wait()
		db, d := open(t, value)
		wantStatus(t, db, d, "in the end", newest)
	})
}

// What was done before a failure is told.
func TestDownThatFailsHalfway(t *testing.T) {
	eachDialect(t, func(t *testing.T, value string) {
		ctx := t.Context()
		db, d := open(t, value)
		if err := migrations.Up(ctx, db, d); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, "DROP TABLE note_cursors"); err != nil { // which the second takes back
			t.Fatal(err)
		}
		steps, err := migrations.DownTo(ctx, db, d, 0)
		if err == nil || len(steps) != 2 || steps[0].Version != 4 || steps[1].Version != 3 {
			t.Errorf("got %+v, %v, want the fourth and the third, and an error", steps, err)
		}
		wantStatus(t, db, d, "halfway", 2)
	})
}
