package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// churned are viewers who were cut off, one after the other, and come back.
type churned struct {
	resumed int64 // how many were before
	done    chan struct{}
	failed  error // read once done
}

// churn cuts viewers off at random while something is published, each for a time of its own; they go on from where they
// were. It does not block: awaitChurned waits until all are back.
func (r *run) churn(ctx context.Context) *churned {
	if r.cfg.Churn == 0 {
		return nil
	}
	c := &churned{resumed: r.tally.resumed.Load(), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.failed = r.cutAll(ctx)
	}()
	return c
}

func (r *run) cutAll(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var away sync.WaitGroup
	begin, every := time.Now(), inSeconds(1/r.cfg.Churn)
	for due := every; due < r.cfg.For; due += every {
		if sleep(ctx, time.Until(begin.Add(due))) != nil {
			break
		}
		c := r.viewers[r.cfg.Stall+rand.IntN(len(r.viewers)-r.cfg.Stall)]
		if c.joined() == nil {
			continue // it is away already
		}
		since := c.cut()
		r.tally.cut.Add(1)
		away.Go(func() {
			back, err := c.comeBack(ctx, rand.N(r.cfg.Away), since)
			if err != nil {
				fail(err)
			} else if back {
				r.tally.uncut.Add(1)
			}
		})
	}
	away.Wait()
	return context.Cause(ctx)
}

// awaitChurned waits until everybody is back, and notes how they came.
func (r *run) awaitChurned(c *churned, report *Report) error {
	if c == nil {
		return nil
	}
	<-c.done
	report.Churned = &Churned{Cut: r.tally.cut.Load(), Back: r.tally.uncut.Load(), Recovered: r.tally.resumed.Load() - c.resumed}
	return c.failed
}
