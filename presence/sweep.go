package presence

import (
	"context"
	"log/slog"
	"time"
)

// SweepEvery is how often each partition is swept: a broadcast whose window
// passed ends at most this much later.
const SweepEvery = 500 * time.Millisecond

// Sweeper ends the broadcasts whose window has passed. The windows run on a
// clock that the sweeps themselves move on, so a sweeper that was away, or a
// process that was frozen, ends nothing early.
type Sweeper struct {
	Store  Store
	Logger *slog.Logger
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

func (s *Sweeper) sweepAll(ctx context.Context) {
	for p := range Partitions {
		if _, err := s.Store.Sweep(ctx, p); err != nil && ctx.Err() == nil {
			s.Logger.Warn("presence: sweep failed; the next one tries again", "partition", p, "error", err)
		}
	}
}
