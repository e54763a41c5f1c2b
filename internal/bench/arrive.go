package bench

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// atOnce is how many connect at the same time: enough to keep a node busy, and few enough that the time that one takes is
// the node's and not the queue's before it.
const atOnce = 64

// arrive connects everybody, those on the stages first, and measures what it costs.
func (r *run) arrive(ctx context.Context, report *Report, before sample) error {
	begin := time.Now()
	total := int64(len(r.stage) + len(r.viewers))
	settled := func() int64 { return r.tally.joined.Load() + r.tally.absent.Load() }
	err := r.during(Progress{Phase: "connect", Total: total}, settled, func() error {
		if err := r.connectAll(ctx, r.stage); err != nil {
			return err
		}
		return r.connectAll(ctx, r.viewers)
	})
	report.connected(&r.tally, time.Since(begin), before, takeSample(r.cfg.Pids))
	return err
}

// connectAll connects clients at the rate that was asked for, and returns when each has joined or given up. What makes
// one of them hopeless ends the others' attempts too.
func (r *run) connectAll(ctx context.Context, clients []*client) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	limit := rate.NewLimiter(rate.Inf, 1)
	if r.cfg.ConnectRate > 0 {
		limit.SetLimit(rate.Limit(r.cfg.ConnectRate))
		limit.SetBurst(max(int(r.cfg.ConnectRate/100), 1)) // timers are late by as much: the rate is to be kept nevertheless
	}
	places := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, c := range clients {
		if limit.Wait(ctx) != nil {
			break
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-places }()
			if err := c.connect(ctx, position{}); err != nil {
				fail(err) // the first one counts
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
