package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/<pid>/stat, whatever the kernel's own: USER_HZ is 100 wherever Go runs.
const clockTick = 10 * time.Millisecond

// usage is what a process uses at one moment.
type usage struct {
	name     string
	resident int64 // bytes
	cpu      time.Duration
	files    int // open ones; -1: not ours to see
}

// readProcess looks at a process in /proc.
func readProcess(pid int) (usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, explainProc(err)
	}
	u := usage{files: -1}
	if u.name, u.cpu, err = parseStat(stat); err != nil {
		return usage{}, err
	}
	if u.resident, err = residentOf(pid); err != nil {
		return usage{}, err
	}
	if files, err := os.ReadDir(dir + "/fd"); err == nil {
		u.files = len(files)
	}
	return u, nil
}

// residentOf returns how many bytes of memory a process has.
func residentOf(pid int) (int64, error) {
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

// peaksEvery is how often it is looked how much memory processes have.
const peaksEvery = 100 * time.Millisecond

// peaks is the most memory that processes had.
type peaks map[int]int64

// watch looks until the context ends.
func (p *peaks) watch(ctx context.Context, pids []int) {
	*p = peaks{}
	tick := time.NewTicker(peaksEvery)
	defer tick.Stop()
	for {
		for _, pid := range append([]int{os.Getpid()}, pids...) {
			if now, err := residentOf(pid); err == nil {
				(*p)[pid] = max((*p)[pid], now)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample is what the processes use at one moment: those that were asked for, and this one as the last. What can't be
// read any more is missing.
type sample map[int]usage

func takeSample(pids []int) sample {
	s := sample{}
	for _, pid := range append([]int{os.Getpid()}, pids...) {
		if u, err := readProcess(pid); err == nil {
			s[pid] = u
		}
	}
	return s
}

// cpuSince is what a process used since an earlier sample; ok is false if one of them lacks it.
func (s sample) cpuSince(earlier sample, pid int) (used time.Duration, ok bool) {
	now, ok1 := s[pid]
	then, ok2 := earlier[pid]
	return now.cpu - then.cpu, ok1 && ok2
}
