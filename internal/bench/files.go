package bench

import "fmt"

// spareFiles is what a process has open beside its connections, and what it opens for a moment.
const spareFiles = 64

// checkFiles says what to do if so many connections can't be open with a limit of open files; 0: there is none.
func checkFiles(connections int, limit uint64) error {
	if need := uint64(connections) + spareFiles; limit > 0 && need > limit {
		return fmt.Errorf("--viewers: %d connections need %d open files, and this process may have %d at most; lower --viewers, or raise the limit with \"ulimit -Hn %d\" as root, "+
			"or run several at a time", connections, need, limit, need)
	}
	return nil
}
