package bench

import (
	"cmp"
	"context"
	"sync"
	"time"
)

const (
	// defaultPatience is how long the last messages may take to arrive before they count as lost.
	defaultPatience = 10 * time.Second
	// drainLook is how often it is seen whether they have.
	drainLook = 20 * time.Millisecond
)

// publish publishes in all rooms, waits until everybody has everything, and measures what that costs.
func (r *run) publish(ctx context.Context, report *Report) error {
	before, begin := takeSample(r.cfg.Pids), time.Now()
	delivered := r.tally.deliveries()
	r.stall.begin()
	churned := r.churn(ctx)
	err := r.duringTime("publish", r.cfg.For, func() error { return r.publishAll(ctx) })
	if failed := r.awaitChurned(churned, report); err == nil {
		err = failed
	}
	r.drain(ctx)
	report.published(&r.tally, r.tally.deliveries()-delivered, time.Since(begin), before, takeSample(r.cfg.Pids))
	r.endStall(report)
	return err
}

// publishAll has all publishers speak, evenly spread over time, until the time is over.
func (r *run) publishAll(ctx context.Context) error {
	begin := time.Now()
	var all sync.WaitGroup
	for i, at := range r.rooms {
		for j, c := range at.publishers {
			// In a room one speaks after the other, and rooms do not speak in step.
			turn := float64(j) + float64(i)/float64(len(r.rooms))
			s := schedule{first: inSeconds(turn / r.cfg.Rate), every: inSeconds(float64(len(at.publishers)) / r.cfg.Rate), until: r.cfg.For}
			all.Go(func() { s.keep(ctx, begin, c) })
		}
	}
	all.Wait()
	return ctx.Err()
}

// schedule says when one client publishes, from a common beginning.
type schedule struct{ first, every, until time.Duration }

// keep publishes until the schedule or the context ends. A message that is late does not put off those after it.
func (s schedule) keep(ctx context.Context, begin time.Time, c *client) {
	var buf []byte
	for due := s.first; due < s.until; due += s.every {
		if sleep(ctx, time.Until(begin.Add(due))) != nil {
			return
		}
		buf = c.publish(buf)
	}
	_ = sleep(ctx, time.Until(begin.Add(s.until))) // what is measured lasts as long as was said
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// drain waits until all publications are answered and everybody has what the answers speak of, also when the run is
// interrupted: what is missing when it has waited for long enough is lost.
func (r *run) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(r.cfg.patience, defaultPatience))
	defer cancel()
	for r.unanswered() > 0 || r.missing() > 0 {
		if sleep(ctx, drainLook) != nil {
			return
		}
	}
}

func (r *run) unanswered() (n int64) {
	for _, c := range r.stage {
		n += max(c.pending.Load(), 0)
	}
	return n
}

// missing is how many deliveries have not come.
func (r *run) missing() (n int64) {
	for _, c := range r.everybody() {
		n += c.missing()
	}
	return n
}
