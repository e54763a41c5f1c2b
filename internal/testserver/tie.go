package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watcher kills a process once the pipe at descriptor 3 is closed without a word.
const watcher = `read -r order <&3 || kill -s KILL "$1"`

// Tie lets a process that was started be killed when this one ends, however it ends: Ctrl-C leaves nothing behind. untie
// is called once the process has ended and was waited for; later, its number may be another's.
func Tie(process *os.Process) (untie func(), err error) {
	alive, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer alive.Close()
	watch := exec.Command("/bin/sh", "-c", watcher, "watcher", strconv.Itoa(process.Pid))
	watch.ExtraFiles = []*os.File{alive}                    // descriptor 3
	watch.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what a terminal sends to us is not for it
	if err := watch.Start(); err != nil {
		hold.Close()
		return nil, fmt.Errorf("watching over process %d: %w", process.Pid, err)
	}
	held.Store(watch, hold)
	return func() {
		_, _ = hold.WriteString("ended\n")
		_ = watch.Wait()
		held.Delete(watch)
		hold.Close()
	}, nil
}
