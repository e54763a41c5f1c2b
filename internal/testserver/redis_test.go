package testserver

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask sends a command to a Redis and returns the answer as it is on the wire, its lines in one.
func ask(t *testing.T, addr, command string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, command+"\r\nQUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(answer), "\r\n+OK\r\n"), "\r\n", " ")
}

func wantAnswer(t *testing.T, s *RedisServer, command, want string) {
	t.Helper()
	if got := ask(t, s.Addr(), command); got != want {
		t.Errorf("%s: got %s, want %s", command, got, want)
	}
}

func wantGone(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d is there: %v", pid, err)
	}
}

func TestRedis(t *testing.T) {
	t.Setenv("TALLYLIGHT_TEST_REDIS", "")
	url := Redis(t)
	if again := Redis(t); again != url {
		t.Errorf("two tests got %s and %s", url, again)
	}
	if got := ask(t, strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0"), "PING"); got != "+PONG" {
		t.Errorf("PING: %s", got)
	}

	const named = "redis://redis.example:6379/3"
	t.Setenv("TALLYLIGHT_TEST_REDIS", named)
	if got := Redis(t); got != named {
		t.Errorf("got %s, want what the environment names, %s", got, named)
	}
}

func TestOwnRedis(t *testing.T) {
	s := OwnRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	if s.URL != "redis://"+s.Addr()+"/0" {
		t.Errorf("URL %s, address %s", s.URL, s.Addr())
	}
	if s.Addr() == OwnRedis(t).Addr() {
		t.Error("two tests share it")
	}
	wantAnswer(t, s, "CONFIG GET maxmemory-policy", "*2 $16 maxmemory-policy $11 allkeys-lru")
	wantAnswer(t, s, "CONFIG GET save", "*2 $4 save $0 ")
	wantAnswer(t, s, "CONFIG GET appendonly", "*2 $10 appendonly $2 no")
	wantAnswer(t, s, "DEBUG SLEEP 0", "+OK")
}

func TestOwnRedisStopsAndStarts(t *testing.T) {
	s := OwnRedis(t)
	url, first := s.URL, s.Pid()
	wantAnswer(t, s, "SET lamp on", "+OK")
	s.Stop()
	s.Stop() // nothing left to do
	wantGone(t, first)
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		conn.Close()
		t.Error("somebody answers after Stop")
	}
	s.Start()
	if s.URL != url || s.Pid() == first {
		t.Errorf("URL %s, then %s; process %d, then %d", url, s.URL, first, s.Pid())
	}
	wantAnswer(t, s, "EXISTS lamp", ":0")
}

// A test's own arguments may make Redis keep its data; then it must find them again.
func TestOwnRedisKeepsItsFolder(t *testing.T) {
	s := OwnRedis(t, "--appendonly", "yes")
	wantAnswer(t, s, "SET lamp on", "+OK")
	s.Stop()
	s.Start()
	wantAnswer(t, s, "EXISTS lamp", ":1")
}

func TestOwnRedisThatWasKilledOrHalted(t *testing.T) {
	s := OwnRedis(t)
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		pid := s.Pid()
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
		s.Start()
		wantGone(t, pid)
		wantAnswer(t, s, "PING", "+PONG")
	}
}

func TestOwnRedisIsGoneWithItsTest(t *testing.T) {
	if _, err := redisProgram(); err != nil {
		Skip(t, "%v", err)
	}
	var pid int
	var dir string
	t.Run("a test", func(t *testing.T) {
		s := OwnRedis(t)
		pid, dir = s.Pid(), s.dir
	})
	wantGone(t, pid)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its folder is there: %v", err)
	}
}

// Two servers that were given the same port must not both pass for the one that got it.
func TestRedisOfSomebodyElse(t *testing.T) {
	theirs := OwnRedis(t)
	dir := t.TempDir()
	ours, err := start(dir, "KILL", nil, "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.stop() })
	if err := waitFor(dir, 10*time.Second, func(context.Context) error { _, err := ours.pid(); return err }); err != nil {
		t.Fatal(err)
	}
	if err := answers(t.Context(), theirs.Addr(), ours); err == nil || !strings.Contains(err.Error(), "another Redis") {
		t.Errorf("got %v, want that another Redis listens", err)
	}
}

func TestRedisThatIsTooOld(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for version, want := range map[string]bool{"6.2.16": false, "7.0.15": true, "10.0.0": true} {
		script := "#!/bin/sh\necho 'Redis server v=" + version + " sha=00000000:0 malloc=jemalloc-5.3.0 bits=64'\n"
		if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := redisProgram(); (err == nil) != want || err != nil && !errors.Is(err, errNotInstalled) {
			t.Errorf("Redis %s: %v", version, err)
		}
	}
}
