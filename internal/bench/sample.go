package bench

import (
	"context"
	"os"
	"time"

	"github.com/tallylight/tallylight/internal/usage"
)

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
			if now, err := usage.Resident(pid); err == nil {
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
type sample map[int]usage.Process

func takeSample(pids []int) sample {
	s := sample{}
	for _, pid := range append([]int{os.Getpid()}, pids...) {
		if u, err := usage.Of(pid); err == nil {
			s[pid] = u
		}
	}
	return s
}

// cpuSince is what a process used since an earlier sample; ok is false if one of them lacks it.
func (s sample) cpuSince(earlier sample, pid int) (used time.Duration, ok bool) {
	now, ok1 := s[pid]
	then, ok2 := earlier[pid]
	return now.CPU - then.CPU, ok1 && ok2
}
