package bench

import (
	"context"
	"sync"
	"time"
)

// reconnect drops all viewers at once, says something in each room, and has them come back as the protocol asks: each
// after a short random time, all at the same time. It measures how long each was away, and that everybody got what was
// said meanwhile.
func (r *run) reconnect(ctx context.Context, report *Report) error {
	left := r.tally.joined.Load()
	sinces := make([]position, len(r.viewers))
	before, begin := takeSample(r.cfg.Pids), time.Now()
	for i, c := range r.viewers {
		sinces[i] = c.cut()
	}
	for _, at := range r.rooms {
		at.publishers[0].publish(nil)
	}
	done := func() int64 { return r.tally.joined.Load() - left }
	err := r.during(Progress{Phase: "reconnect", Total: int64(len(r.viewers))}, done, func() error { return r.comeBack(ctx, sinces) })
	took := time.Since(begin)
	r.drain(ctx)
	report.returned(&r.tally, len(r.viewers), took, before, takeSample(r.cfg.Pids))
	return err
}

func (r *run) comeBack(ctx context.Context, sinces []position) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var all sync.WaitGroup
	dropped := time.Now()
	for i, c := range r.viewers {
		all.Go(func() {
			back, err := c.comeBack(ctx, backoff(0), sinces[i])
			if err != nil {
				fail(err)
			} else if back {
				r.tally.back.add(time.Since(dropped))
				r.tally.returned.Add(1)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
