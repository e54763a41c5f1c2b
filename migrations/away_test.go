package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
)

// mute returns the address of one who takes connections and hangs up, or says nothing.
func mute(t *testing.T, hangUp bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if hangUp {
				conn.Close()
			}
		}
	}()
	return l.Addr().String()
}

// A server that is away may come back; one that refuses will go on to.
func TestAway(t *testing.T) {
	server := testserver.NewPostgres(t)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	parameter := func(name, value string) func(*url.URL) {
		return func(u *url.URL) {
			q := u.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
		}
	}
	up := func(value string) error {
		db, d, err := migrations.Open(t.Context(), value)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		return migrations.Up(t.Context(), db, d)
	}
	want := func(name string, err error, away bool) {
		t.Helper()
		if err == nil || migrations.Away(err) != away {
			t.Errorf("%s: %v, away %t, want %t", name, err, migrations.Away(err), away)
		}
	}
	db, d := open(t, server.URL())
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	want("a wrong password", up(with(func(u *url.URL) { u.User = url.UserPassword("tallylight", "wrong") })), false)
	want("a database that is not there", up(with(func(u *url.URL) { u.Path = "/none" })), false)
	want("TLS that the server has not", up(with(parameter("sslmode", "require"))), false)
	want("no schema to make tables in", up(with(parameter("search_path", "none"))), false)
	want("one who hangs up", up(with(func(u *url.URL) { u.Host = mute(t, true) })), true)
	want("one who says nothing", up(with(func(u *url.URL) {
		parameter("connect_timeout", "1")(u)
		u.Host = mute(t, false)
	})), true)
	want("a name that nobody has", up(with(func(u *url.URL) { u.Host = "postgres.invalid" })), true)
	server.Stop()
	want("stopped", up(server.URL()), true)
	want("stopped, over a connection from before", migrations.Up(t.Context(), db, d), true)
	ended, end := context.WithCancel(t.Context())
	end()
	want("whoever asks has gone", migrations.Up(ended, db, d), false)
	server.Start()
	if err := migrations.Up(t.Context(), db, d); err != nil {
		t.Errorf("started again: %v", err)
	}
	file := "sqlite:" + filepath.Join(t.TempDir(), "f.db")
	lite, d := open(t, file)
	if _, err := lite.Exec("CREATE TABLE goose_db_version (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	want("a SQLite file of somebody else", migrations.Up(t.Context(), lite, d), false)
}

// What a server says while it starts or stops, or is full, is over by itself.
func TestAwayByCode(t *testing.T) {
	for code, want := range map[string]bool{
		"57P01": true, "57P02": true, "57P03": true, "53300": true, "53100": true, "08006": true,
		"28P01": false, "28000": false, "3D000": false, "42501": false, "42P01": false, "57014": false,
	} {
		err := fmt.Errorf("asking: %w", errors.Join(&net.OpError{Op: "dial", Err: errors.New("refused")}, &pgconn.PgError{Code: code}))
		if got := migrations.Away(err); got != want {
			t.Errorf("%s: away %t, want %t", code, got, want)
		}
	}
	if migrations.Away(nil) || migrations.Away(migrations.ErrBehind) || migrations.Away(&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}) {
		t.Error("what is not about the way there is away")
	}
}
