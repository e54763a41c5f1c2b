package testserver

import (
	"bufio"
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

// A process that is killed cannot clean up after itself; its servers must be gone all the same.
func TestServersDieWithTheirProcess(t *testing.T) {
	if dir := os.Getenv("TESTSERVER_CHILD"); dir != "" {
		server, err := start(dir, "TERM", nil, "sleep", "600")
		if err != nil {
			t.Fatal(err)
		}
		if err := waitFor(dir, 10*time.Second, func(context.Context) error { _, err := server.pid(); return err }); err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready")
		select {}
	}

	dir := filepath.Join(t.TempDir(), "server")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestServersDieWithTheirProcess$")
	child.Env = append(os.Environ(), "TESTSERVER_CHILD="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		child.Process.Kill()
		child.Wait()
		t.Fatalf("the child said %q, %v", line, err)
	}
	pid, err := (&server{dir: dir}).pid()
	if err != nil {
		t.Fatal(err)
	}
	child.Process.Kill()
	child.Wait()

	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, folder := os.Stat(dir)
		alive := syscall.Kill(pid, 0) == nil
		if os.IsNotExist(folder) && !alive {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("server alive: %v, its folder: %v", alive, folder)
		}
	}
}

func TestServerIsStopped(t *testing.T) {
	dir := t.TempDir()
	server, err := start(dir, "TERM", nil, "/bin/sh", "-c", `trap 'echo orderly >>mark; exit' TERM; echo $PPID >mark; while :; do sleep 0.01; done`)
	if err != nil {
		t.Fatal(err)
	}
	mark := func() string { data, _ := os.ReadFile(filepath.Join(dir, "mark")); return string(data) }
	err = waitFor(dir, 10*time.Second, func(context.Context) error {
		if !strings.HasSuffix(mark(), "\n") {
			return fmt.Errorf("it said %q", mark())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := server.pid()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.stop(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the server is there: %v", err)
	}
	if !strings.HasSuffix(mark(), "orderly\n") {
		t.Errorf("its folder says %q, want that it got the signal asked for", mark())
	}
}

func TestServerThatEndedIsStopped(t *testing.T) {
	dir := t.TempDir()
	server, err := start(dir, "TERM", nil, "/bin/sh", "-c", "echo bye; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	_ = waitFor(dir, time.Minute, func(context.Context) error { return fmt.Errorf("it never answers") })
	if err := server.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(tail(dir), "bye") {
		t.Errorf("its log: %s", tail(dir))
	}
}

func TestServerThatEndsIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if _, err := start(dir, "TERM", nil, "/bin/sh", "-c", "echo the port is taken; exit 1"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	err := waitFor(dir, time.Minute, func(context.Context) error { return fmt.Errorf("connection refused") })
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v, want what the server said", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestFreePort(t *testing.T) {
	before := map[int]bool{}
	for range 500 { // by chance alone, some would come twice
		port := FreePort(t)
		if before[port] {
			t.Fatalf("%d was handed out twice", port)
		}
		before[port] = true
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}

// outcome is a testing.TB that notes how a test would have ended.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper()                      {}
func (o *outcome) Skipf(f string, args ...any)  { o.skipped = fmt.Sprintf(f, args...) }
func (o *outcome) Fatalf(f string, args ...any) { o.failed = fmt.Sprintf(f, args...) }

func TestSkip(t *testing.T) {
	t.Setenv("TALLYLIGHT_TEST_ALL", "")
	var bare outcome
	if Skip(&bare, "there is no %s", "browser"); bare.skipped != "there is no browser" || bare.failed != "" {
		t.Errorf("on a bare machine: got %+v, want it skipped", bare)
	}
	t.Setenv("TALLYLIGHT_TEST_ALL", "1")
	var all outcome
	if Skip(&all, "there is no %s", "browser"); all.skipped != "" || !strings.Contains(all.failed, "there is no browser") {
		t.Errorf("where all is tested: got %+v, want it failed", all)
	}
}
