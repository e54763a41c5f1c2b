// Package chaos is the fault checker: it runs the service as it is shipped, with streamers and viewers over real
// sockets, breaks what can break, and then looks in its notes for a promise that was not kept.
//
// A run is made of parts that know little of each other. Plan draws the faults from a seed. The actors (keeper,
// streamer, socket, pulse) behave as signalling/PROTOCOL.md tells a good client to, read messages with eyes of their
// own, and note what they were told before they act on it. The checks are functions of the notes alone: each is tested
// on notes written by hand, and says what it takes for an excuse.
//
// Two kinds of mistakes are possible, and the second is worse: to cry wolf, and to be blind. So what is only slow is
// measured (the table of delays) and what is wrong is a violation; a fault excuses only what it can explain, on the
// nodes that it concerns, and until 10 s after its repair.
package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// Config says what to run.
type Config struct {
	Root      string        // of the source tree
	Binary    string        // a program that is built already; else it is built from Root
	Overlay   string        // of the build, see go help build
	Logs      string        // folder for what the nodes print
	For       time.Duration // how long faults are inflicted: all in all it takes a minute and a half more
	Seed      uint64
	Kinds     []Kind
	Streamers int
	Viewers   int
	Out       io.Writer // for progress
	// Enough ends the run early, once it is true of the violations so far. Those are of notes that still grow: not all
	// would still be found in the end. nil: it never ends early.
	Enough func([]Violation) bool
}

// nodeNames are those of the cluster.
var nodeNames = []string{"n1", "n2", "n3"}

// run is one run.
type run struct {
	t         testing.TB
	cfg       Config
	cluster   *cluster
	rec       *recorder
	pulse     *pulse
	streamers []*streamer
	viewers   []*keeper
	repairs   sync.WaitGroup // repairs under way
	enough    chan struct{}  // closed by status once cfg.Enough says so

	mu   sync.Mutex // for Out, and t from other goroutines
	load []load
}

// Result is what a run has found.
type Result struct {
	Notes      *Notes
	Violations []Violation
	Load       []load
}

// Run runs. It is for the test's goroutine, and takes as long as it takes.
func Run(t testing.TB, cfg Config) Result {
	binary := cfg.Binary
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "tallylight")
		if err := Build(t.Context(), cfg.Root, cfg.Overlay, binary); err != nil {
			t.Fatal(err)
		}
	}
	plan := Plan(cfg.Seed, cfg.For, cfg.Kinds, nodeNames)
	fmt.Fprintf(cfg.Out, "seed %d; the plan:\n", cfg.Seed)
	for _, f := range plan {
		fmt.Fprintf(cfg.Out, "  %8s – %8s  %s\n", clock(f.From), clock(f.To), f)
	}
	r := &run{t: t, cfg: cfg, cluster: newCluster(t, binary, cfg.Root, cfg.Logs, len(nodeNames)), enough: make(chan struct{})}
	r.rec = newRecorder(r.cluster.nodes)
	r.pulse = &pulse{rec: r.rec, open: make(map[*socket]bool)}
	return r.all(plan)
}

func (r *run) now() Instant { return r.rec.now() }

// all brings everybody in, breaks things, and lets all settle.
func (r *run) all(plan []Fault) Result {
	ctx, cancel := context.WithCancel(context.Background())
	rest := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { r.pulse.run(ctx) })
	running.Go(func() { r.status(ctx) })
	for _, n := range r.cluster.nodes {
		running.Go(func() { r.poll(ctx, n) })
	}
	r.cast(ctx, &running, rest)
	r.measureLoad("while everybody came in")
	r.wait(warmUp - r.now())
	r.measureLoad("before the first fault")
	r.inflict(plan)
	r.repairs.Wait()
	r.measureLoad("with faults")
	r.say("all is repaired; %s of quiet follow", quiet)
	close(rest)
	var final []Final
	if r.wait(quiet) {
		r.measureLoad("in the quiet at the end")
		final = r.final(ctx)
	}
	notes := r.rec.snapshot()
	notes.Final = final
	return Result{Notes: notes, Violations: Check(notes), Load: r.load}
}

// wait waits, and reports whether there is reason to go on.
func (r *run) wait(d time.Duration) bool {
	select {
	case <-r.enough:
		return false
	case <-time.After(d):
		return true
	}
}

// coldStart is how long nodes that say they are ready are left alone at the very beginning.
const coldStart = 2 * time.Second

// cast brings in the actors, over three quarters of the warm-up.
func (r *run) cast(ctx context.Context, running *sync.WaitGroup, rest <-chan struct{}) {
	total := r.cfg.Streamers + r.cfg.Viewers
	for k := range total {
		time.Sleep(coldStart + time.Duration(k)*(warmUp*3/4)/time.Duration(total) - r.now())
		if k < r.cfg.Streamers {
			r.streamer(ctx, running, rest, k)
		} else {
			r.viewer(ctx, running, k-r.cfg.Streamers)
		}
	}
}

func room(k int) string { return fmt.Sprintf("room%03d", k) }

func (r *run) streamer(ctx context.Context, running *sync.WaitGroup, rest <-chan struct{}, k int) {
	s := &streamer{room: room(k), window: never, rnd: rand.New(rand.NewPCG(r.cfg.Seed, uint64(1_000_000+k))), news: make(chan struct{}, 1)}
	if k%2 == 0 {
		s.window = time.Duration(3000+s.rnd.IntN(17_000)) * time.Millisecond
	}
	s.keeper = r.keeper(room(k), true, k, []string{room(k)})
	s.onItem = s.watch
	last := ActStart
	if k%20 == 3 {
		last = ActEnd
	} else if k%5 == 4 && s.window != never && s.window < 9*time.Second {
		last = ActDrop // so short that the end must have come before the last look
	}
	r.streamers = append(r.streamers, s)
	running.Go(func() { s.keeper.run(ctx) })
	running.Go(func() { s.perform(ctx, rest, last) })
}

func (r *run) viewer(ctx context.Context, running *sync.WaitGroup, k int) {
	rnd := rand.New(rand.NewPCG(r.cfg.Seed, uint64(2_000_000+k)))
	rooms := []string{room(k % r.cfg.Streamers)}
	if second := rnd.IntN(r.cfg.Streamers * 3); second < r.cfg.Streamers && room(second) != rooms[0] {
		rooms = append(rooms, room(second))
	}
	v := r.keeper(fmt.Sprintf("viewer%04d", k), false, r.cfg.Streamers+k, rooms)
	r.viewers = append(r.viewers, v)
	running.Go(func() { v.run(ctx) })
}

// keeper makes the client of an actor. Four of five come through nginx.
func (r *run) keeper(name string, streamer bool, k int, rooms []string) *keeper {
	rnd := rand.New(rand.NewPCG(r.cfg.Seed, uint64(3_000_000+k)))
	home := -1
	if rnd.IntN(5) == 0 {
		home = rnd.IntN(len(nodeNames))
	}
	claims := auth.Claims{User: name, Expires: time.Now().Add(r.cfg.For + time.Hour), Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}}
	if streamer {
		claims.Grants = append(claims.Grants, auth.Grant{Room: name, Role: auth.RoleStreamer})
	}
	token, err := auth.Mint(secret, claims)
	if err != nil {
		r.t.Fatal(err)
	}
	return &keeper{
		rec: r.rec, pulse: r.pulse, cluster: r.cluster, actor: r.rec.actor(name, streamer), rooms: rooms, token: token,
		ip: fmt.Sprintf("10.%d.%d.%d", 1+k>>16, k>>8&255, k&255), home: home, rnd: rnd, seen: make(map[string]Position),
		drops: make(chan time.Duration, 1), renews: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// slowDown makes some viewers stop reading for a while.
func (r *run) slowDown(during time.Duration) {
	now := r.now()
	for k, v := range r.viewers {
		if k%(1+len(r.viewers)/5) != 0 {
			continue
		}
		v.mu.Lock()
		if v.current != nil {
			v.current.halted.Store(int64(now + during))
			r.rec.slow(v.actor, Span{now, now + during})
		}
		v.mu.Unlock()
	}
}

// freezeApps lets the apps of one in 25 streamers freeze for a while, others each time.
func (r *run) freezeApps(f Fault) {
	now := r.now()
	for k, s := range r.streamers {
		if until := now + f.To - f.From; k%25 == int(f.From/(10*time.Millisecond))%25 && Instant(s.frozen.Load()) < now {
			r.rec.act(s.actor, Act{Kind: ActFreeze, Sent: now, Acked: until})
			s.frozen.Store(int64(until))
		}
	}
}

// final asks all nodes for their lists: again, if they differ, since people come back in this moment too.
func (r *run) final(ctx context.Context) (final []Final) {
	for range 3 {
		final = nil
		for _, n := range r.cluster.nodes {
			f := Final{Node: n.name}
			rows, stale, err := n.live(ctx)
			switch {
			case err != nil:
				f.Error = err.Error()
			case stale:
				f.Error = "it says that its list is stale"
			case n.status("/readyz") != 200:
				f.Error = "it is not ready"
			}
			f.Rows = rows
			final = append(final, f)
		}
		if len(finalDiffers(&Notes{Final: final})) == 0 {
			break
		}
		time.Sleep(time.Second)
	}
	return final
}

// say prints a line of progress.
func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.cfg.Out, "%7.1fs  %s\n", r.now().Seconds(), fmt.Sprintf(format, args...))
}

// fail notes that something could not be done.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.t.Errorf(format, args...)
}

// status prints a line every 10 s. To look for violations takes longer the more was noted; no more than a twentieth of
// the time goes into that.
func (r *run) status(ctx context.Context) {
	found := ""
	for next := r.now(); sleep(ctx, 10*time.Second); {
		if begun := r.now(); begun >= next {
			all := Check(r.rec.snapshot())
			if r.cfg.Enough != nil && r.cfg.Enough(all) {
				close(r.enough)
				return
			}
			if found = fmt.Sprintf("%d violations", len(all)); len(all) > 0 {
				found += ": " + countsOf(all, func(v Violation) string { return v.Kind })
			}
			if next = r.now() + 20*(r.now()-begun); next > begun+10*second {
				found += " by " + clock(begun)
			}
		}
		live, reconnecting := r.rec.listed()
		r.say("live %d, reconnecting %d; %d events noted, %s", live, reconnecting, r.rec.count(), found)
	}
}
