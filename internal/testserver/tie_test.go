package testserver

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTiedProcessDiesWithItsParent(t *testing.T) {
	if os.Getenv("TESTSERVER_TIE") != "" {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := Tie(cmd.Process); err != nil {
			t.Fatal(err)
		}
		fmt.Println(cmd.Process.Pid)
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestTiedProcessDiesWithItsParent$")
	child.Env = append(os.Environ(), "TESTSERVER_TIE=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = child.Process.Kill()
	_ = child.Wait()
	pid, bad := strconv.Atoi(strings.TrimSpace(line))
	if bad != nil {
		t.Fatalf("the child said %q, %v", line, err)
	}
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the process has outlived its parent by 10 s")
		}
	}
}

func TestUntiedWatcherIsGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	untie, err := Tie(cmd.Process)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	other := exec.Command("sleep", "600") // which untying must not harm
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	untie()
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another process: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
}
