package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/signalling"
)

// says wants what a command prints, where TIME stands for what differs.
func says(t *testing.T, want string, args ...string) {
	t.Helper()
	code, out, errOut := run(args...)
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "TIME", `[0-9][^ ]*`)
	if code != exitOK || errOut != "" || !regexp.MustCompile("^"+pattern+"$").MatchString(out) {
		t.Errorf("%q: exit code %d, %q\n%s\nwant\n%s", args, code, errOut, out, want)
	}
}

// eachDatabase runs a test on an empty database of either kind.
func eachDatabase(t *testing.T, test func(t *testing.T, value string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "tallylight.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, testserver.Postgres(t)) })
}

func TestMigrate(t *testing.T) {
	eachDatabase(t, func(t *testing.T, value string) {
		t.Setenv("TALLYLIGHT_DATABASE", value)
		t.Setenv("TALLYLIGHT_YES", "true") // which must not count
		const none = "version  name         applied\n1        broadcasts   pending\n2        webhooks     pending\n3        moderation   pending\n4        revocations  pending\n"
		says(t, none, "migrate", "status")
		says(t, "applied  1  broadcasts   in TIME\napplied  2  webhooks     in TIME\napplied  3  moderation   in TIME\napplied  4  revocations  in TIME\n", "migrate", "up")
		says(t, "nothing to do\n", "migrate", "up")
		says(t, "version  name         applied\n1        broadcasts   TIME\n2        webhooks     TIME\n3        moderation   TIME\n4        revocations  TIME\n", "migrate", "status")
		for _, bad := range []struct{ args, mentions string }{
			{"migrate down", "--yes"},
			{"migrate down --to 0", "--yes"},
			{"migrate down --yes --to=-1", "--to"},
			{"migrate down --yes --to 5", "--to"},
		} {
			code, out, errOut := run(strings.Fields(bad.args)...)
			if code != exitUsage || !strings.Contains(errOut, bad.mentions) || out != "" {
				t.Errorf("%s: exit code %d, %q, %q, want %d and a word on %s", bad.args, code, out, errOut, exitUsage, bad.mentions)
			}
		}
		says(t, "taken back  4  revocations  in TIME\n", "migrate", "down", "--yes")
		says(t, "nothing to do\n", "migrate", "down", "--yes", "--to", "3")
		says(t, "taken back  3  moderation  in TIME\ntaken back  2  webhooks    in TIME\ntaken back  1  broadcasts  in TIME\n", "migrate", "down", "--yes", "--to", "0")
		says(t, "nothing to do\n", "migrate", "down", "--yes")
		says(t, none, "migrate", "status", "--database", value)
	})
}

// wantRefused runs a command that must fail, and say something in one line.
func wantRefused(t *testing.T, args string, mentions ...string) {
	t.Helper()
	var code int
	var out, errOut string
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, out, errOut = run(strings.Fields(args)...)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s: it goes on, want it refused", args)
	}
	if code != exitFailure || out != "" || strings.Count(errOut, "\n") != 1 || strings.Contains(errOut, "hunter2") {
		t.Errorf("%s: exit code %d, %q, %q, want %d and one line", args, code, out, errOut, exitFailure)
	}
	for _, what := range mentions {
		if !strings.Contains(errOut, what) {
			t.Errorf("%s: it says %q, want a word on %s", args, errOut, what)
		}
	}
}

// execSQL does something to a database that exists, as somebody else may.
func execSQL(t *testing.T, value, statement string) {
	t.Helper()
	db, _, err := migrations.Open(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// A node does not begin on a schema that is not its own, whether it may migrate or not.
func TestServeRefusesASchema(t *testing.T) {
	eachDatabase(t, func(t *testing.T, value string) {
		serve := "serve --dev --listen 127.0.0.1:0 --database " + value
		wantRefused(t, serve+" --no-migrate", "--database", "4 of 4", `"tallylight migrate up"`)
		says(t, "version  name         applied\n1        broadcasts   pending\n2        webhooks     pending\n3        moderation   pending\n4        revocations  pending\n",
			"migrate", "status", "--database", value)
		if code, _, errOut := run("migrate", "up", "--database", value); code != exitOK {
			t.Fatal(errOut)
		}
		start(t, "--dev", "--no-migrate", "--database", value)
		execSQL(t, value, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
		for _, args := range []string{serve, serve + " --no-migrate", "migrate up --database " + value, "migrate down --yes --database " + value} {
			wantRefused(t, args, "a newer version of this program", "version 99")
		}
		code, out, _ := run("migrate", "status", "--database", value)
		if code != exitOK || !strings.Contains(out, "\n99       (unknown: of a newer version of this program)  20") {
			t.Errorf("status: exit code %d,\n%s", code, out)
		}
	})
	wantRefused(t, "migrate status --database postgres://u:hunter2@127.0.0.1:1/d", "127.0.0.1:1")
	wantRefused(t, "migrate up --database postgres://u:hunter2@127.0.0.1:1/d", "127.0.0.1:1")
	wantRefused(t, "migrate down --yes --to 1 --database postgres://u:hunter2@127.0.0.1:1/d", "127.0.0.1:1")
	wantRefused(t, "migrate up --database mysql://x", "--database")
}

// A database that answers and refuses is a mistake of whoever starts the node.
func TestServeRefusedByItsDatabase(t *testing.T) {
	u, err := url.Parse(testserver.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(change func(*url.URL)) string {
		with := *u
		change(&with)
		return "serve --dev --listen 127.0.0.1:0 --database " + with.String()
	}
	wantRefused(t, serve(func(u *url.URL) { u.User = url.UserPassword("tallylight", "hunter2") }), "password authentication failed")
	wantRefused(t, serve(func(u *url.URL) { u.Path = "/none" }), `"none" does not exist`)
	wantRefused(t, serve(func(u *url.URL) { u.RawQuery += "&search_path=none" }), "no schema")
	execSQL(t, u.String(), "CREATE TABLE broadcasts (n integer)")
	wantRefused(t, serve(func(*url.URL) {}), `"broadcasts" already exists`)
}

// ended returns the reasons of the user's broadcasts that are on record.
func (p *process) ended(user string) (reasons []string) {
	p.t.Helper()
	r, body := p.get("/v1/broadcasts?streamer="+user, token(p.t, "admin", admin))
	var list struct {
		Data []struct{ State, Reason string }
	}
	if r.StatusCode != http.StatusOK {
		return nil
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		p.t.Fatalf("%s: %v", body, err)
	}
	for _, rec := range list.Data {
		if rec.State == "ended" {
			reasons = append(reasons, rec.Reason)
		}
	}
	return reasons
}

// TestDatabaseComesAfterTheNode starts a node whose PostgreSQL is not there yet. Presence does not wait for it; what
// happens meanwhile is on record once it has come, in tables that the node has made or that somebody else has.
func TestDatabaseComesAfterTheNode(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"which migrates": nil, "which does not": {"--no-migrate"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testserver.NewPostgres(t)
			server.Stop()
			p := start(t, append([]string{"--public-directory", "--database", server.URL()}, flags...)...)
			p.wantLogged("level=WARN msg=\"the database can't be reached")
			if strings.Contains(p.err.String(), mustPassword(t, server.URL())) {
				t.Error("the log shows the password")
			}
			p.eventually("it is ready without a database, if not at once: it would like to know who is banned", 20*time.Second, func() bool {
				r, body := p.get("/readyz", "")
				return r.StatusCode == http.StatusOK && strings.Contains(body, `"database":"no answer"`)
			})
			alice, bob := p.golive("alice"), p.watch("bob", "alice")
			ctx := within(t, time.Minute)
			if err := alice.End(ctx, "alice"); err != nil {
				t.Fatal(err)
			}
			bob.await("live.ended", 1)
			if _, err := alice.Start(ctx, signalling.LiveStart{Room: "alice"}); err != nil {
				t.Fatal(err)
			}
			p.wantLogged("level=WARN msg=\"presence: following the transition log failed; it is tried again\" follower=record")

			server.Start()
			if flags != nil {
				p.wantLogged(`level=ERROR msg="the database answers, but can't be used`)
				p.wantLogged(`does not exist`) // of the recorder, who goes on trying
				if r, _ := p.get("/v1/live", ""); r.StatusCode != http.StatusOK {
					t.Errorf("/v1/live: %d", r.StatusCode)
				}
				if code, _, errOut := run("migrate", "up", "--database", server.URL()); code != exitOK {
					t.Fatal(errOut)
				}
			}
			p.wantLogged(`level=INFO msg="the database answers, and its schema is up to date"`)
			p.eventually("the first broadcast is on record", 20*time.Second, func() bool { return fmt.Sprint(p.ended("alice")) == "[ended_by_streamer]" })
			if r, body := p.get("/readyz", ""); r.StatusCode != http.StatusOK || !strings.Contains(body, `"database":"ok"`) {
				t.Errorf("/readyz: %d %s", r.StatusCode, body)
			}

			server.Stop() // and away once more
			if err := alice.End(ctx, "alice"); err != nil {
				t.Fatal(err)
			}
			bob.await("live.ended", 2)
			server.Start()
			p.eventually("the second broadcast is on record", 20*time.Second, func() bool { return len(p.ended("alice")) == 2 })
			if err := alice.Err(); err != nil {
				t.Errorf("alice's socket ended: %v", err)
			}
		})
	}
}

func mustPassword(t *testing.T, value string) string {
	t.Helper()
	u, err := url.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if password == "" {
		t.Fatal("there is no password")
	}
	return password
}

// Several nodes wait for the same database, and find it empty at the same time.
func TestDatabaseComesAfterTheNodes(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	server.Stop()
	var nodes []*process
	for range 3 {
		nodes = append(nodes, start(t, "--database", server.URL()))
	}
	server.Start()
	for _, p := range nodes {
		p.wantLogged(`level=INFO msg="the database answers, and its schema is up to date"`)
		if strings.Contains(p.err.String(), "can't be used") {
			t.Errorf("one of them failed on the way:\n%s", p.err.String())
		}
	}
	db, err := sql.Open("pgx", server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var runs, versions int
	err = db.QueryRow("SELECT count(*), count(DISTINCT version_id) FROM goose_db_version").Scan(&runs, &versions)
	if err != nil || runs != versions || versions != 5 { // goose notes a version 0 as well
		t.Errorf("%d migrations ran for %d versions, %v", runs, versions, err)
	}
}

// A node that still waits for its database stops as soon as any other.
func TestStopWithoutDatabase(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	server.Stop()
	cfg := devConfig(0)
	cfg.Database = server.URL()
	_, stop, halt, ended := serveHere(t, cfg)
	defer halt()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	case <-time.After(closeWithin + 10*time.Second):
		t.Fatal("it still waits for the database")
	}
}
