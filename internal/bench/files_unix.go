//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// checkFiles sees that so many connections can be open, and raises the soft limit as far as that needs.
func checkFiles(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("asking for the limit of open files: %w", err)
	}
	if filesFor(connections, uint64(limit.Cur)) == nil {
		return nil
	}
	if err := filesFor(connections, uint64(limit.Max)); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the limit of open files to %d: %w; \"ulimit -n\" does it beforehand", limit.Max, err)
	}
	return nil
}
