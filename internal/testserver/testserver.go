// Package testserver starts the real servers that tests need: throwaway ones, on free ports, in temporary folders. Only
// tests import it.
//
// A server is started once for each test binary and is gone with it, however that ends. On a machine that lacks the
// server's programs the test skips and says why; where TALLYLIGHT_TEST_ALL=1 it fails instead, so that what is meant to
// test everything cannot quietly test less.
package testserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Skip ends a test that lacks something of the machine it runs on: as skipped, or as failed where nothing may skip.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("TALLYLIGHT_TEST_ALL") == "1" {
		t.Fatalf("TALLYLIGHT_TEST_ALL=1 and yet: "+format, args...)
		return
	}
	t.Skipf(format, args...)
}

// guard runs "$@" until it ends or until descriptor 3, which this process holds the other end of, is closed. That
// happens when we die, even by kill -9 or a test's timeout, where no cleanup of ours would run. It has a
// process group of its own, as a Ctrl-C in the terminal goes to the whole group of ours. A server that ends by itself
// leaves the file "ended", and its log, to be looked at.
const guard = `
dir=$1; signal=$2; shift 2
rm -f "$dir/ended"
"$@" </dev/null &
server=$!
{ while read -r _; do :; done <&3; [ -e "$dir/ended" ] || kill -s "$signal" "$server"; } &
watch=$!
wait "$server"
: >"$dir/ended"
wait "$watch"
rm -rf "$dir"
`

// start runs the command of a server in the background, as the user that as asks for (nil: ours), with all it prints
// in dir/log. When this process ends, the server gets signal and dir is removed.
func start(dir, signal string, as *syscall.Credential, command ...string) error {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	alive, hold, err := os.Pipe() // hold is never closed: its end is ours
	if err != nil {
		return err
	}
	defer alive.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", guard, "guard", dir, signal}, command...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{alive} // descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	held = append(held, hold)
	return cmd.Process.Release()
}

// held keeps the ends of the guards' pipes from being closed by the garbage collector.
var held []*os.File

// waitFor tries until the server in dir answers.
func waitFor(dir string, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if _, ended := os.Stat(filepath.Join(dir, "ended")); ended == nil {
			return fmt.Errorf("it ended by itself; %s", tail(dir))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer after %s: %w; %s", limit, err, tail(dir))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePort returns a port that nobody listens on at the moment. Somebody may by the time it is used: try again then.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail returns the end of what a server printed, for an error.
func tail(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return fmt.Sprintf("it said:\n%s", strings.Join(lines[max(0, len(lines)-10):], "\n"))
}
