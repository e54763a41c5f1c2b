package presence

import (
	"context"
	"log/slog"
	"time"
)

// SweepEvery is how often each partition is swept: a broadcast whose window
// passed ends at most this much later.
const SweepEvery = 500 * time.Millisecond

// unsweptFor is when the next in rank steps in. It looks every SweepEvery, so
// that no partition is unswept for longer than the two together, which is less
// than the second that a window may last too long: also where the first in
// rank has just died.
const unsweptFor = SweepEvery * 4 / 5

// Sweeper ends the broadcasts whose window has passed. The windows run on a
// clock that the sweeps themselves move on, so a sweeper that was away, or a
// process that was frozen, ends nothing early.
type Sweeper struct {
	Store  Store
	Logger *slog.Logger
	// Rank says which place this node has, from 0, among those that could look
	// after a partition; nil: it runs alone. The first sweeps. The second does
	// if that did not happen for unsweptFor. The others do nothing.
	Rank func(partition int) int
}

// Run sweeps until the context ends.
func (s *Sweeper) Run(ctx context.Context) {
	tick := time.NewTicker(SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweepAll(ctx)
		}
	}
}

// sweepAll sweeps this node's partitions, and those that it is second for if
// need be.
func (s *Sweeper) sweepAll(ctx context.Context) {
	due := make([]Due, 0, Partitions)
	for p := range Partitions {
		rank := 0
		if s.Rank != nil {
			rank = s.Rank(p)
		}
		switch rank {
		case 0:
			due = append(due, Due{Partition: p})
		case 1:
			due = append(due, Due{Partition: p, Lag: unsweptFor})
		}
	}
	if _, err := s.Store.Sweep(ctx, due...); err != nil && ctx.Err() == nil {
		s.Logger.Warn("presence: sweep failed; the next one tries again", "error", err)
	}
}
