package presence

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// SweepEvery is how often each partition is swept: a broadcast whose window
// passed ends at most this much later.
const SweepEvery = 500 * time.Millisecond

// unsweptFor is when the next in rank steps in: three sweeps that did not come.
const unsweptFor = 3 * SweepEvery

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
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweepAll(ctx, round%3 == 0)
		}
	}
}

// sweepAll sweeps this node's partitions, and if asked those that it is second
// for. While the store is away there is no use in asking it 64 times.
func (s *Sweeper) sweepAll(ctx context.Context, seconds bool) {
	for p := range Partitions {
		rank := 0
		if s.Rank != nil {
			rank = s.Rank(p)
		}
		var err error
		switch {
		case rank == 0:
			_, err = s.Store.Sweep(ctx, p, 0)
		case rank == 1 && seconds:
			_, err = s.Store.Sweep(ctx, p, unsweptFor)
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("presence: sweep failed; the next one tries again", "partition", p, "error", err)
		}
		if errors.Is(err, ErrUnavailable) {
			return
		}
	}
}
