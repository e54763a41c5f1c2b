// Package testserver starts the real servers that tests need: throwaway ones, on free ports, in temporary folders. Only
// tests import it.
//
// A server is started once for each test binary, or for a test of its own, and is gone with it, however that ends. On a
// machine that lacks the server's programs the test skips and says why; where TALLYLIGHT_TEST_ALL=1 it fails instead, so
// that what is meant to test everything cannot quietly test less.
package testserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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

var errNotInstalled = errors.New("not installed")

// findProgram looks for a program in PATH and, since servers may be where an ordinary user's PATH does not lead, beyond.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is %w", name, errNotInstalled)
}

// guard runs "$@" until it ends or until descriptor 3, which this process holds the other end of, is closed. That
// happens when we die, even by kill -9 or a test's timeout, where no cleanup of ours would run. It has a
// process group of its own, as a Ctrl-C in the terminal goes to the whole group of ours. A server that ends by itself
// leaves the file "ended", and its log, to be looked at. After the order "keep" the server goes and its folder stays.
const guard = `
dir=$1; signal=$2; shift 2
"$@" </dev/null &
server=$!
echo "$server" >"$dir/pid"
{ read -r order <&3; [ -e "$dir/ended" ] || kill -s "$signal" "$server"; [ "$order" != keep ]; } &
watch=$!
wait "$server"
: >"$dir/ended"
wait "$watch" && rm -rf "$dir"
`

// server is one that runs in the background.
type server struct {
	dir   string
	guard *exec.Cmd
	hold  *os.File // our end of the guard's pipe
}

// held keeps our ends of pipes from being closed by the garbage collector.
var held sync.Map // *server → nil, *exec.Cmd → *os.File

// start runs the command of a server in the background, as the user that as asks for (nil: ours), with all it prints
// in dir/log. When this process ends, the server gets signal and dir is removed.
func start(dir, signal string, as *syscall.Credential, command ...string) (*server, error) {
	for _, old := range []string{"ended", "pid"} { // of one that ran here before
		if err := os.Remove(filepath.Join(dir, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	// Some servers open /dev/stderr anew; appending, nobody writes over what another wrote.
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	alive, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer alive.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", guard, "guard", dir, signal}, command...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{alive} // descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if err := cmd.Start(); err != nil {
		hold.Close()
		return nil, err
	}
	s := &server{dir: dir, guard: cmd, hold: hold}
	held.Store(s, nil)
	return s, nil
}

// stopLimit is how long a server may take to end. What takes longer, as one that a test has halted, is killed.
const stopLimit = 10 * time.Second

// stop ends the server before this process ends, if it has not ended by itself, and returns when it is gone. Its folder
// stays. It is called once.
func (s *server) stop() error {
	held.Delete(s)
	_, err := s.hold.WriteString("keep\n")
	s.hold.Close()
	kill := time.AfterFunc(stopLimit, func() { _ = syscall.Kill(-s.guard.Process.Pid, syscall.SIGKILL) })
	_ = s.guard.Wait() // it says how the server took the signal
	if !kill.Stop() {
		err = fmt.Errorf("it had to be killed after %s; %s", stopLimit, tail(s.dir))
	}
	return err
}

// owned is a server that belongs to one test.
type owned struct {
	t       testing.TB
	name    string // as a person calls it
	dir     string
	as      *syscall.Credential // who runs it; nil: us
	running *server             // nil while it is stopped
}

// giveTo makes the server the test's, at whose end it and its folder go.
func (o *owned) giveTo(t testing.TB) {
	o.t = t
	t.Cleanup(func() {
		o.Stop()
		_ = os.RemoveAll(o.dir)
	})
}

// Stop ends it at once, with all connections, even where it hangs, and returns when it is gone. What it kept in memory
// is lost. It is for the test's goroutine; stopping what is stopped does nothing.
func (o *owned) Stop() {
	o.t.Helper()
	if o.running == nil {
		return
	}
	running := o.running
	o.running = nil
	if err := running.stop(); err != nil {
		o.t.Errorf("stopping %s: %v", o.name, err)
	}
}

// begin runs it, and waits until it answers.
func (o *owned) begin(signal string, command []string, answers func(context.Context, *server) error) error {
	running, err := start(o.dir, signal, o.as, command...)
	if err != nil {
		return err
	}
	err = waitFor(o.dir, 30*time.Second, func(ctx context.Context) error { return answers(ctx, running) })
	if err != nil {
		return errors.Join(err, running.stop())
	}
	o.running = running
	return nil
}

// pid returns the process id of the server itself. It may not be known yet while the server starts.
func (s *server) pid() (int, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return 0, err
	}
	line, whole := strings.CutSuffix(string(data), "\n")
	if !whole {
		return 0, fmt.Errorf("a part of a process id: %q", data)
	}
	return strconv.Atoi(line)
}

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
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// FreePort returns a port of 127.0.0.1 that nobody listens on at the moment, for what must know its port beforehand. No
// two calls of a process return the same.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Free ports are taken from below those that systems hand out by themselves, to sockets that ask for none (Linux from
// 32768 on, macOS from 49152): until the port is used, somebody else gets it only by choosing it at random too.
const firstPort, lastPort = 10_000, 32_767

var handedOut sync.Map // port → nil

// freePort returns a port that nobody listens on at the moment. Somebody may by the time it is used: try again then.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if _, taken := handedOut.LoadOrStore(port, nil); taken {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port found: %w", err)
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
