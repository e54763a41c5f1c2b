// Package usage tells what a process uses, and what this one may.
package usage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/<pid>/stat, whatever the kernel's own: USER_HZ is 100 wherever Go runs.
const clockTick = 10 * time.Millisecond

// Process is what a process uses at one moment.
type Process struct {
	Name     string
	Resident int64         // bytes of memory
	CPU      time.Duration // since it began, in steps of 10 ms
	Files    int           // open ones; -1: not ours to see
}

// Of looks at a process. Its error says what to do where there is no /proc, or no such process.
func Of(pid int) (Process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Process{}, explainProc(err)
	}
	u := Process{Files: -1}
	if u.Name, u.CPU, err = parseStat(stat); err != nil {
		return Process{}, err
	}
	if u.Resident, err = Resident(pid); err != nil {
		return Process{}, err
	}
	if files, err := os.ReadDir(dir + "/fd"); err == nil {
		u.Files = len(files)
	}
	return u, nil
}

// Resident returns how many bytes of memory a process has. It reads less than Of does.
func Resident(pid int) (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, explainProc(err)
	}
	return parseStatus(status)
}

func explainProc(err error) error {
	if _, noProc := os.Stat("/proc/self/stat"); noProc != nil {
		return errors.New("processes can be measured on Linux only, where /proc says what they use")
	}
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("there is no such process on this machine")
	}
	return err
}

// parseStat reads the name and the time used from proc_pid_stat(5). The name is in parentheses and may hold any
// characters, those included.
func parseStat(stat []byte) (name string, cpu time.Duration, err error) {
	begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if begin < 0 || end < begin {
		return "", 0, errors.New("/proc/…/stat can't be read: it has no name")
	}
	fields := strings.Fields(string(stat[end+1:])) // from field 3 on
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return "", 0, fmt.Errorf("/proc/…/stat can't be read: it has %d fields", len(fields)+2)
	}
	user, err1 := strconv.ParseInt(fields[utime], 10, 64)
	system, err2 := strconv.ParseInt(fields[stime], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return "", 0, fmt.Errorf("/proc/…/stat can't be read: %w", err)
	}
	return string(stat[begin+1 : end]), time.Duration(user+system) * clockTick, nil
}

// parseStatus reads VmRSS from proc_pid_status(5). Kernel threads, and what has ended but was not waited for, have none.
func parseStatus(status []byte) (resident int64, err error) {
	for line := range strings.Lines(string(status)) {
		rest, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/…/status can't be read: %w", err)
		}
		return kib << 10, nil
	}
	return 0, errors.New("the process has no memory: it has ended")
}
