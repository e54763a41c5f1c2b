package chaos

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// warmUp is before the first fault: everybody connects and goes live, and what is quick is measured.
	warmUp = 20 * time.Second
	// quiet is after the last one is repaired: 25 s until clients notice a silence, 10 s until all has settled; and those
	// who leave for good at its beginning must be gone by its end (35 s until it is noticed, 25 s of window, and some).
	quiet = 75 * time.Second
)

// Plan returns the faults of a run, which depend on the seed, the time and the kinds alone. Times are as planned: the
// end of a restart is when it is begun.
func Plan(seed uint64, during time.Duration, kinds []Kind, nodes []string) []Fault {
	p := planner{rnd: rand.New(rand.NewPCG(seed, 1)), kinds: kinds, nodes: nodes, busy: make(map[string]Instant)}
	at, end := warmUp, warmUp+during
	for {
		f := p.next(at)
		if f.To > end {
			if f.Kind == Apps && len(kinds) > 1 {
				continue // it lasts so long that others may have time yet
			} else if len(p.plan) > 0 {
				break
			}
		}
		p.add(f)
		if f.Kind == Apps || p.rnd.IntN(4) == 0 { // the next one begins before this one ends
			at = f.From + p.between(time.Second, min(max(2*time.Second, f.To-f.From), 20*time.Second))
		} else {
			at = max(f.To, at) + p.between(3*time.Second, 10*time.Second)
		}
	}
	slices.SortStableFunc(p.plan, func(a, b Fault) int { return cmp.Compare(a.From, b.From) })
	return p.plan
}

type planner struct {
	rnd   *rand.Rand
	kinds []Kind
	nodes []string
	deck  []Kind
	plan  []Fault
	busy  map[string]Instant // until when a node, or Redis (""), is broken
}

func (p *planner) between(from, to time.Duration) time.Duration {
	return from + time.Duration(p.rnd.Int64N(int64(to-from)+1)).Truncate(10*time.Millisecond)
}

// draw returns each kind once before any comes again: a short run shall see as many as it can.
func (p *planner) draw() Kind {
	if len(p.deck) == 0 {
		p.deck = slices.Clone(p.kinds)
		p.rnd.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	k := p.deck[0]
	p.deck = p.deck[1:]
	return k
}

// next returns a fault that begins at a time, or as soon after as what it breaks is whole.
func (p *planner) next(at Instant) Fault {
	f := Fault{Kind: p.draw()}
	var lasts, lead, after time.Duration
	switch f.Kind {
	case Kill:
		lasts = p.between(2*second, 12*second)
	case Freeze:
		lasts = p.between(second, 20*second)
	case Rolling:
		lasts, after = 8*second, 4*second // the drain is 5 s
	case Isolate:
		lasts, f.Silent = p.between(3*second, 20*second), p.rnd.IntN(2) == 0
	case Clients:
		lasts = p.between(second, 8*second)
	case Silence:
		// A third is over before anybody has noticed, for a third it is the clients who notice, and for a third the node.
		lasts = p.between(5*second, 50*second)
	case RedisCut:
		lasts, f.Silent = p.between(2*second, 30*second), p.rnd.IntN(3) == 0
	case RedisEmpty:
		lasts = p.between(0, 5*second)
	case RedisOld:
		lead, lasts = p.between(5*second, 20*second), p.between(0, 2*second)
	case Flush:
	case Sleep:
		lasts = p.between(second, 6*second)
	case Slow:
		lasts = p.between(5*second, 30*second)
	case Apps:
		lasts = p.between(130*second, 150*second)
	}
	if f.Kind.ofNode() {
		f.Node = p.nodes[p.rnd.IntN(len(p.nodes))]
	}
	at = max(at, p.free(f))
	f.From = at + lead
	f.To = f.From + lasts
	if f.Kind == RedisOld {
		f.Saved = at
	}
	if !f.Kind.ofClients() {
		p.busy[f.Node] = f.To + after + 3*second
	}
	return f
}

// free returns when a fault may begin: when what it breaks is whole, and so that one node always is.
func (p *planner) free(f Fault) Instant {
	if f.Kind.ofClients() {
		return 0
	}
	free := p.busy[f.Node]
	if f.Kind.ofNode() {
		var others []Instant
		for _, n := range p.nodes {
			if n != f.Node {
				others = append(others, p.busy[n])
			}
		}
		if len(others) > 0 {
			free = max(free, slices.Min(others))
		}
	}
	return free
}

func (p *planner) add(f Fault) { p.plan = append(p.plan, f) }
