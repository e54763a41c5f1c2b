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
		if server, err = ownPostgres(); errors.Is(err, errNotInstalled) {
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

// ownPostgres returns the URL of this test binary's server, which the first call starts.
var ownPostgres = sync.OnceValues(func() (string, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return "", err
	}
	as, err := postgresUser()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "tallylight-postgres-")
	if err != nil {
		return "", err
	}
	url, err := startPostgres(bin, dir, as)
	if err != nil {
		os.RemoveAll(dir)
	}
	return url, err
})

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

// startPostgres makes a cluster in dir and starts its server. It has a password, since others on this machine could
// otherwise run programs through it as us.
func startPostgres(bin, dir string, as *syscall.Credential) (string, error) {
	password, passwordFile := rand.Text(), filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		return "", err
	}
	if as != nil {
		for _, path := range []string{dir, passwordFile} {
			if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
				return "", err
			}
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "tallylight", "--pwfile", passwordFile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}

	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		server := fmt.Sprintf("postgres://tallylight:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port)
		command := []string{filepath.Join(bin, "postgres"), "-D", data}
		for _, setting := range []string{
			"listen_addresses=127.0.0.1", fmt.Sprintf("port=%d", port), "unix_socket_directories=",
			"fsync=off", "synchronous_commit=off", "full_page_writes=off", // it need not survive anything
			"shared_buffers=16MB", "max_connections=100", "autovacuum=off",
		} {
			command = append(command, "-c", setting)
		}
		running, err := start(dir, "QUIT", as, command...) // QUIT: at once, without a checkpoint
		if err != nil {
			return "", err
		}
		err = waitFor(dir, 30*time.Second, func(ctx context.Context) error { return execute(ctx, server, "SELECT 1") })
		if err == nil {
			return server, nil
		}
		if err := errors.Join(err, running.stop()); try == 3 { // somebody else may have taken the port
			return "", err
		}
	}
}
