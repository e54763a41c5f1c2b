// Package bench puts a node under load and measures what that costs and whether all that was promised arrives. It knows
// the service by its protocol alone, and checks it: every delivery, on every connection, is held against its position.
//
// # What happens in a run
//
// Run connects the streamers, then the viewers, each as a user of its own with a token of its own; lets them be idle;
// publishes in each room and waits until everybody has everything; drops the viewers at once and sees them back. What
// was not asked for is left out. Processes are measured before, between and after.
//
// # What it costs
//
// Load and service often share a machine, so the load must be light: one goroutine and 1 KiB of buffer for a connection
// (socket.go), heartbeats from one goroutine (pulse.go), events scanned and not decoded (message.go), counters that are
// atomic and sharded (tally.go). Nothing is allocated for a delivery. What this process used is reported as well.
package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// run is one measurement.
type run struct {
	cfg     Config
	dialer  *dialer
	tally   tally
	pulse   pulse
	reading sync.WaitGroup // all readers
	stall   stall
	peaks   peaks

	// Fixed once cast has returned.
	rooms   []*room
	stage   []*client // streamers and moderators
	viewers []*client
}

// closingLimit is how long the end may take.
const closingLimit = 5 * time.Second

// Run measures. It returns what was measured until then with an error too, and when the context ends, which is no error
// but noted in the report. Config must have passed Check.
func Run(ctx context.Context, cfg Config) (Report, error) {
	dialer, err := cfg.dialer()
	if err != nil {
		return Report{}, err
	}
	r := &run{cfg: cfg, dialer: dialer}
	r.cast()
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	var pulse sync.WaitGroup
	pulse.Go(func() { r.pulse.run(beating) })
	report := r.newReport()
	err = r.phases(ctx, &report)
	if report.Interrupted = ctx.Err() != nil; report.Interrupted {
		err = nil
	}
	r.lookAround()
	r.finish(&report)
	r.close()
	stop()
	pulse.Wait()
	return report, err
}

// phases goes through all that was asked for. What it has measured is in the report even if it fails.
func (r *run) phases(ctx context.Context, report *Report) error {
	before := takeSample(r.cfg.Pids)
	err := r.arrive(ctx, report, before)
	if err == nil && r.cfg.Settle > 0 {
		err = r.pass(ctx, "settle", r.cfg.Settle)
	}
	if err == nil && r.cfg.Idle > 0 {
		err = r.idle(ctx, report)
	}
	report.hold(before, takeSample(r.cfg.Pids), r.tally.joined.Load())
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() { r.peaks.watch(watching, r.cfg.Pids) })
	if err == nil && r.cfg.publishes() {
		err = r.publish(ctx, report)
	}
	if err == nil && r.cfg.Reconnect {
		err = r.reconnect(ctx, report)
	}
	unwatch()
	watch.Wait()
	report.peaked(&r.peaks)
	return err
}

// idle measures what it costs that people are just there.
func (r *run) idle(ctx context.Context, report *Report) error {
	before, begin := takeSample(r.cfg.Pids), time.Now()
	err := r.pass(ctx, "idle", r.cfg.Idle)
	report.idle(before, takeSample(r.cfg.Pids), time.Since(begin), r.present())
	return err
}

// present is how many connections have joined and are open.
func (r *run) present() (n int64) {
	for _, c := range r.everybody() {
		if c.joined() != nil {
			n++
		}
	}
	return n
}

func (r *run) everybody() []*client {
	all := make([]*client, 0, len(r.stage)+len(r.viewers))
	return append(append(all, r.stage...), r.viewers...)
}

// lookLimit is how long looking around may take.
const lookLimit = time.Second

// lookAround sees to it that connections that have ended are known to have.
func (r *run) lookAround() {
	var all []*conn
	for _, c := range r.everybody() {
		if k := c.joined(); k != nil {
			k.look()
			all = append(all, k)
		}
	}
	looking := func(k *conn) bool { return k.looking.Load() }
	for begin := time.Now(); slices.ContainsFunc(all, looking) && time.Since(begin) < lookLimit; {
		time.Sleep(time.Millisecond)
	}
}

// close ends all connections in order, or at once when that takes too long, and waits for the readers.
func (r *run) close() {
	for _, c := range r.viewers {
		c.quit()
	}
	for _, c := range r.stage {
		c.quit()
	}
	late := time.AfterFunc(closingLimit, func() {
		for _, c := range r.everybody() {
			c.cut()
		}
	})
	defer late.Stop()
	r.reading.Wait()
}

// progressEvery is how often progress is told.
const progressEvery = 200 * time.Millisecond

// during tells how far a phase is while do runs.
func (r *run) during(now Progress, done func() int64, do func() error) error {
	if r.cfg.Progress == nil {
		return do()
	}
	begin := time.Now()
	tell := func() {
		now.Done, now.Elapsed = min(done(), now.Total), time.Since(begin)
		r.cfg.Progress(now)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			tell()
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	err := do()
	close(stop)
	<-stopped
	now.Over = true
	tell()
	return err
}

// duringTime does so for a phase that takes a fixed time.
func (r *run) duringTime(phase string, d time.Duration, do func() error) error {
	begin := time.Now()
	return r.during(Progress{Phase: phase, Total: d.Milliseconds(), Timed: true}, func() int64 { return time.Since(begin).Milliseconds() }, do)
}

// pass lets time pass.
func (r *run) pass(ctx context.Context, phase string, d time.Duration) error {
	return r.duringTime(phase, d, func() error { return sleep(ctx, d) })
}
