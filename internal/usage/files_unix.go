//go:build unix

package usage

import "syscall"

// OpenFiles returns how many files this process may have open; 0: it can't be known. Go raises the soft limit to the hard
// one when a process starts.
func OpenFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
