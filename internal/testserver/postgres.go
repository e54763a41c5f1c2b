package testserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of an empty PostgreSQL database of the test's own, which is dropped when the test ends. It is
// made in the server that TALLYLIGHT_TEST_POSTGRES names (as a user who may create databases), else in one that is
// started from the programs installed on this machine.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TALLYLIGHT_TEST_POSTGRES")
	if server == "" {
		var err error
		if server, err = sharedPostgres(); errors.Is(err, errNotInstalled) {
			Skip(t, "PostgreSQL is %v and TALLYLIGHT_TEST_POSTGRES names no server", err)
		} else if err != nil {
			t.Fatalf("starting PostgreSQL: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(ctx, server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("making a database for the test: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := execute(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("TALLYLIGHT_TEST_POSTGRES is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}

func execute(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// sharedPostgres returns the URL of this test binary's server, which the first call starts.
var sharedPostgres = sync.OnceValues(func() (string, error) {
	s, err := newPostgres("synchronous_commit=off") // it is started once, and need not survive anything
	if err != nil {
		return "", err
	}
	return s.url, nil
})

// PostgresServer is a PostgreSQL that belongs to one test, which may stop it and start it again. Its methods are for the
// test's goroutine.
type PostgresServer struct {
	owned
	url     string
	command []string
}

// NewPostgres starts a PostgreSQL for this test alone and waits until it answers. That takes a second or two: a test that
// only needs a database asks Postgres for one. It is stopped when the test ends.
func NewPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	s, err := newPostgres()
	if errors.Is(err, errNotInstalled) {
		Skip(t, "PostgreSQL is %v", err)
	} else if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	s.giveTo(t)
	return s
}

// URL names an empty database of the server, and a user who may do everything. It stays the same.
func (s *PostgresServer) URL() string { return s.url }

// Start runs it again after Stop, or after it ended by itself, on the same port and with all that was committed, and
// waits until it answers.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		s.t.Fatalf("starting PostgreSQL again: %v", err)
	}
}

func (s *PostgresServer) start() error {
	// QUIT: at once, without a checkpoint. That it is this server which answers, and not another that took the port, is
	// seen by its password.
	return s.begin("QUIT", s.command, func(ctx context.Context, _ *server) error { return execute(ctx, s.url, "SELECT 1") })
}

// postgresPrograms returns the folder with initdb and postgres, of the newest version there is. Debian keeps them out
// of PATH.
func postgresPrograms() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(found), nil
	}
	var all []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb",         // Debian
		"/opt/homebrew/opt/postgresql*/bin/initdb", // Homebrew, Apple silicon
		"/usr/local/opt/postgresql*/bin/initdb",    // Homebrew, Intel
		"/usr/pgsql-*/bin/initdb",                  // Red Hat
	} {
		found, _ := filepath.Glob(pattern)
		all = append(all, found...)
	}
	if len(all) == 0 {
		return "", errNotInstalled
	}
	return filepath.Dir(slices.Max(all)), nil
}

// postgresUser returns who shall run the server: PostgreSQL refuses to be run by root.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("it does not run as root, and there is no user postgres: %w", errNotInstalled)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// newPostgres makes a cluster in a folder of its own and starts its server on a free port. More settings, as name=value,
// win over our own.
func newPostgres(settings ...string) (*PostgresServer, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tallylight-postgres-")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{owned: owned{name: "PostgreSQL", dir: dir, as: as}}
	if err := s.startFirst(bin, settings); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// startFirst fills the folder and finds a port that the server can have.
func (s *PostgresServer) startFirst(bin string, settings []string) error {
	password, err := s.initialise(bin)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.url = fmt.Sprintf("postgres://tallylight:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port)
		s.command = []string{filepath.Join(bin, "postgres"), "-D", s.data()}
		for _, setting := range append([]string{
			"listen_addresses=127.0.0.1", fmt.Sprintf("port=%d", port), "unix_socket_directories=",
			"fsync=off", "full_page_writes=off", // what it must survive is its own end, not the machine's
			"shared_buffers=16MB", "max_connections=100", "autovacuum=off",
		}, settings...) {
			s.command = append(s.command, "-c", setting)
		}
		if err = s.start(); err == nil || try == 3 { // somebody else may have taken the port
			return err
		}
	}
}

func (s *PostgresServer) data() string { return filepath.Join(s.dir, "data") }

// initialise makes the cluster. It has a password, since others on this machine could otherwise run programs through it
// as us.
func (s *PostgresServer) initialise(bin string) (password string, err error) {
	password, passwordFile := rand.Text(), filepath.Join(s.dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		return "", err
	}
	if s.as != nil {
		for _, path := range []string{s.dir, passwordFile} {
			if err := os.Chown(path, int(s.as.Uid), int(s.as.Gid)); err != nil {
				return "", err
			}
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", s.data(), "--username", "tallylight", "--pwfile", passwordFile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return password, nil
}
