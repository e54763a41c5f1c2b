package testserver

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Redis returns the URL of a Redis that all tests of this binary share: they keep apart by a key prefix, and empty
// nothing but their own. It is the server that TALLYLIGHT_TEST_REDIS names, else one that is started from the program
// installed on this machine.
func Redis(t testing.TB) string {
	t.Helper()
	if named := os.Getenv("TALLYLIGHT_TEST_REDIS"); named != "" {
		return named
	}
	url, err := sharedRedis()
	if errors.Is(err, errNotInstalled) {
		Skip(t, "%v, and TALLYLIGHT_TEST_REDIS names no server", err)
	} else if err != nil {
		t.Fatalf("starting Redis: %v", err)
	}
	return url
}

// RedisPrefix returns a prefix for keys that no other test has.
func RedisPrefix() string { return "test-" + strings.ToLower(rand.Text()[:10]) }

// sharedRedis returns the URL of this test binary's server, which the first call starts.
var sharedRedis = sync.OnceValues(func() (string, error) {
	s, err := newRedis(nil)
	if err != nil {
		return "", err
	}
	return s.URL, nil
})

// RedisServer is a Redis that belongs to one test, which may stop, kill and fill it. It is in memory only and takes
// DEBUG commands. Its methods are for the test's goroutine.
type RedisServer struct {
	URL string

	owned
	port    int
	command []string
}

// OwnRedis starts a Redis for this test alone and waits until it answers. More arguments are passed on, such as
// "--maxmemory", "100mb"; they win over our own. It is stopped when the test ends.
func OwnRedis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	s, err := newRedis(args)
	if errors.Is(err, errNotInstalled) {
		Skip(t, "%v", err)
	} else if err != nil {
		t.Fatalf("starting Redis: %v", err)
	}
	s.giveTo(t)
	return s
}

// Addr returns the host and port it listens on.
func (s *RedisServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Pid returns the process id of the redis-server itself, for signals. It changes with every start.
func (s *RedisServer) Pid() int {
	s.t.Helper()
	if s.running == nil {
		s.t.Fatal("this Redis is stopped and has no process id")
	}
	pid, err := s.running.pid()
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// Start runs it again after Stop, or after it ended by itself, on the same port and in the same folder, and waits until
// it answers.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		s.t.Fatalf("starting Redis again: %v", err)
	}
}

// newRedis starts a server on a free port in a folder of its own.
func newRedis(args []string) (*RedisServer, error) {
	program, err := redisProgram()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tallylight-redis-")
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &RedisServer{URL: fmt.Sprintf("redis://127.0.0.1:%d/0", port), owned: owned{name: "Redis", dir: dir}, port: port}
		s.command = append([]string{
			program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no",
			"--save", "", "--appendonly", "no", // it need not survive anything
			"--protected-mode", "no", // nobody but this machine reaches it
			"--enable-debug-command", "local",
		}, args...)
		if err = s.start(); err == nil {
			return s, nil
		}
		if try == 3 { // somebody else may have taken the port
			_ = os.RemoveAll(dir)
			return nil, err
		}
	}
}

func (s *RedisServer) start() error {
	// KILL: TERM would wait for a server that was halted.
	return s.begin("KILL", s.command, func(ctx context.Context, running *server) error { return answers(ctx, s.Addr(), running) })
}

// answers sees that a Redis at addr answers, and that it is this one: had another taken the port, ours would only be
// about to notice. It speaks the few words itself, for a client leaves goroutines behind that tests would find.
func answers(ctx context.Context, addr string, s *server) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "PING\r\nINFO server\r\n"); err != nil {
		return err
	}
	pid, err := s.pid()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	if lines.Scan(); lines.Text() != "+PONG" {
		return fmt.Errorf("the answer to PING is %q", lines.Text())
	}
	for lines.Scan() {
		if theirs, found := strings.CutPrefix(lines.Text(), "process_id:"); !found {
			continue
		} else if theirs != strconv.Itoa(pid) {
			return fmt.Errorf("another Redis, process %s, listens on %s", theirs, addr)
		}
		return nil
	}
	return fmt.Errorf("INFO has no process_id: %w", cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

// redisProgram returns the path of a redis-server that is new enough: before 7.0 there is no enable-debug-command, nor
// what Tallylight needs.
func redisProgram() (string, error) {
	program, err := findProgram("redis-server")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	_, version, _ := strings.Cut(string(out), " v=")
	version, _, _ = strings.Cut(version, " ")
	first, _, _ := strings.Cut(version, ".")
	if major, err := strconv.Atoi(first); err != nil || major < 7 {
		return "", fmt.Errorf("redis-server 7.0 or newer is %w (%s is %q)", errNotInstalled, program, version)
	}
	return program, nil
}
