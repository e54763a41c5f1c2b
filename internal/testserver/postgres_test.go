package testserver

import (
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPostgres(t *testing.T) {
	one, two := Postgres(t), Postgres(t)
	if one == two {
		t.Error("two tests share a database")
	}
	ctx := t.Context()
	for _, url := range []string{one, two} {
		if err := execute(ctx, url, "CREATE TABLE here (n integer)"); err != nil {
			t.Error(err)
		}
	}
}

// lamps returns how many rows the test's table has.
func lamps(t *testing.T, s *PostgresServer) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM lamps").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Whatever was committed is there again, and so is the address.
func TestNewPostgresStopsAndStarts(t *testing.T) {
	t.Setenv("TALLYLIGHT_TEST_POSTGRES", "postgres://postgres.example/none") // which a test may not stop
	s := NewPostgres(t)
	before, err := s.running.pid()
	if err != nil {
		t.Fatal(err)
	}
	address := s.URL()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := execute(t.Context(), s.URL(), "CREATE TABLE lamps (n integer)"); err != nil {
		t.Fatal(err)
	}
	open, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close(t.Context())
	for range 100 { // the last ones are of the moment at which it is stopped
		if _, err := open.Exec(t.Context(), "INSERT INTO lamps VALUES (1)"); err != nil {
			t.Fatal(err)
		}
	}
	s.Stop()
	s.Stop() // nothing left to do
	wantGone(t, before)
	if _, err := open.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a connection outlived Stop")
	}
	if conn, err := net.Dial("tcp", u.Host); err == nil {
		conn.Close()
		t.Error("somebody answers after Stop")
	}
	s.Start()
	if s.URL() != address {
		t.Errorf("the URL was %s and is %s", address, s.URL())
	}
	if got := lamps(t, s); got != 100 {
		t.Errorf("%d rows are left of 100", got)
	}
	pid, err := s.running.pid()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	s.Start() // after it ended by itself
	if got := lamps(t, s); got != 100 {
		t.Errorf("%d rows are left of 100", got)
	}
}

func TestNewPostgresIsGoneWithItsTest(t *testing.T) {
	if _, err := postgresPrograms(); err != nil {
		Skip(t, "PostgreSQL is %v", err)
	}
	var pid int
	var dir string
	t.Run("a test", func(t *testing.T) {
		s := NewPostgres(t)
		var err error
		if pid, err = s.running.pid(); err != nil {
			t.Fatal(err)
		}
		dir = s.dir
	})
	wantGone(t, pid)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its folder is there: %v", err)
	}
}
