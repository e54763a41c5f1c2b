package chaos

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// step is one thing that is done to the cluster at a time.
type step struct {
	at   Instant
	name string
	do   func() error
}

// inflict carries out the plan, in the test's goroutine: only there may Redis be stopped and started. It returns when
// the last repair has been done or is under way; the run waits for the latter.
func (r *run) inflict(plan []Fault) {
	var steps []step
	for _, f := range plan {
		steps = append(steps, r.steps(f)...)
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	for _, s := range steps {
		if !r.wait(s.at - r.now()) {
			return
		}
		if err := s.do(); err != nil {
			r.t.Errorf("%s: %s: %v", clock(r.now()), s.name, err)
		}
	}
}

// begin notes a fault, and returns what notes its end.
func (r *run) begin(f Fault) func() {
	f.From, f.To = r.now(), forever
	k := r.rec.fault(f)
	r.say("fault: %s", f)
	return func() {
		at := r.now()
		r.rec.repaired(k, at)
		r.say("fault: %s is repaired, after %.1f s", f, (at - f.From).Seconds())
	}
}

// steps turns a planned fault into what is to be done.
func (r *run) steps(f Fault) []step {
	var end func()
	over := func() error { end(); return nil }
	two := func(first, second func() error) []step {
		return []step{
			{f.From, f.String(), func() error { end = r.begin(f); return first() }},
			{f.To, "end of " + f.String(), second},
		}
	}
	c := r.cluster
	switch f.Kind {
	case Kill:
		n := c.node(f.Node)
		return two(
			func() error { n.signal(syscall.SIGKILL); n.awaitExit(); return nil },
			func() error {
				r.later(f, func() error { return n.startReady(2 * time.Minute) }, func() { end() })
				return nil
			})
	case Freeze:
		n := c.node(f.Node)
		return two(
			func() error { n.signal(syscall.SIGSTOP); return nil },
			func() error { n.signal(syscall.SIGCONT); return over() })
	case Rolling:
		return []step{{f.From, f.String(), func() error { end = r.begin(f); r.roll(f, func() { end() }); return nil }}}
	case Isolate:
		n := c.node(f.Node)
		return two(
			func() error { return n.cutRedis(f.Silent) },
			func() error { defer end(); return n.healRedis(f.Silent) })
	case RedisCut:
		return two(
			func() error { return c.each(func(n *node) error { return n.cutRedis(f.Silent) }) },
			func() error { defer end(); return c.each(func(n *node) error { return n.healRedis(f.Silent) }) })
	case Clients:
		relay := c.node(f.Node).relay
		return two(
			func() error { relay.cut(); return nil },
			func() error { defer end(); return relay.heal() })
	case Silence:
		relay := c.node(f.Node).relay
		return two(
			func() error { relay.silence(); return nil },
			func() error { defer end(); return relay.heal() })
	case RedisEmpty:
		return two(
			func() error { c.redis.Stop(); return c.forgetDump() },
			func() error { c.redis.Start(); return over() })
	case RedisOld:
		steps := two(
			func() error { c.redis.Stop(); return os.WriteFile(c.dump, c.saved, 0o600) },
			func() error { c.redis.Start(); defer end(); return c.forgetDump() })
		return append(steps, step{f.Saved, "dump", func() error { f.Saved = r.now(); return c.save(r.t.Context()) }})
	case Flush:
		return []step{{f.From, f.String(), func() error {
			defer r.begin(f)()
			return c.admin.FlushAll(r.t.Context()).Err()
		}}}
	case Sleep:
		return []step{{f.From, f.String(), func() error {
			end := r.begin(f)
			r.later(f, func() error {
				return c.admin.Do(context.Background(), "DEBUG", "SLEEP", (f.To - f.From).Seconds()).Err()
			}, end)
			return nil
		}}}
	case Slow:
		return two(
			func() error { r.slowDown(f.To - r.now()); return nil },
			over)
	case Apps:
		return two(
			func() error { r.freezeApps(f); return nil },
			over)
	}
	return nil
}

// later does what takes long beside the other steps, and notes the end of the fault after it.
func (r *run) later(f Fault, do func() error, end func()) {
	r.repairs.Go(func() {
		if err := do(); err != nil {
			r.fail("%s: %s: %v", clock(r.now()), f, err)
		}
		end()
	})
}

// roll restarts a node in order.
func (r *run) roll(f Fault, end func()) {
	n := r.cluster.node(f.Node)
	k := r.rec.latest()
	n.signal(syscall.SIGTERM)
	r.later(f, func() error {
		n.awaitExit()
		r.rec.exited(k, r.now())
		return n.startReady(2 * time.Minute)
	}, end)
}

// cuts counts what keeps a node from Redis at a time: faults of one node and of all overlap, and the first that is
// repaired must not repair the other.
type cuts struct{ open, silent int }

// cutRedis cuts the node off from Redis.
func (n *node) cutRedis(silently bool) error {
	if !silently {
		if n.cuts.open++; n.cuts.open == 1 {
			n.wire.Stop()
		}
		return nil
	}
	if n.cuts.silent++; n.cuts.silent > 1 {
		return nil
	}
	for _, direction := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"name":%q,"type":"timeout","stream":%q,"attributes":{"timeout":0}}`, direction, direction)
		if _, err := n.wire.Toxics.AddToxicJson(bytes.NewReader([]byte(toxic))); err != nil {
			return err
		}
	}
	return nil
}

// healRedis undoes one cutRedis. Connections on which bytes were lost meanwhile are closed by that.
func (n *node) healRedis(silently bool) error {
	if silently {
		if n.cuts.silent--; n.cuts.silent == 0 {
			n.wire.Toxics.ResetToxics(context.Background())
		}
		return nil
	}
	if n.cuts.open--; n.cuts.open == 0 {
		return n.wire.Start()
	}
	return nil
}

func (c *cluster) each(do func(*node) error) error {
	var all []error
	for _, n := range c.nodes {
		all = append(all, do(n))
	}
	return errors.Join(all...)
}

// save keeps what Redis has at this moment.
func (c *cluster) save(ctx context.Context) error {
	if err := c.admin.Save(ctx).Err(); err != nil {
		return err
	}
	var err error
	if c.saved, err = os.ReadFile(c.dump); err != nil {
		return err
	}
	return c.forgetDump()
}

// forgetDump makes Redis begin with nothing the next time.
func (c *cluster) forgetDump() error {
	if err := os.Remove(c.dump); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
