package chaos

import (
	"slices"
	"sync"
	"time"
	"unique"
)

// recorder takes notes, for any number of goroutines.
type recorder struct {
	began time.Time

	mu     sync.Mutex
	notes  Notes
	conns  int
	events int
	polls  map[string]*pollState
}

// pollState is what a node's next list is compared with.
type pollState struct {
	log *PollLog
	now map[Row]int // of what was listed last: where it stands in Listings
}

func newRecorder(nodes []*node) *recorder {
	r := &recorder{began: time.Now(), polls: make(map[string]*pollState)}
	for _, n := range nodes {
		log := &PollLog{Node: n.name}
		r.notes.Polls = append(r.notes.Polls, log)
		r.polls[n.name] = &pollState{log: log}
	}
	return r
}

func (r *recorder) now() Instant { return time.Since(r.began) }

// of turns the service's milliseconds into an instant of the run. All run on one machine, by one clock.
func (r *recorder) of(ms int64) Instant {
	if ms == 0 {
		return 0
	}
	return Instant(time.UnixMilli(ms).UnixNano() - r.began.UnixNano())
}

func (r *recorder) actor(name string, streamer bool) *Actor {
	a := &Actor{Name: name, Streamer: streamer}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes.Actors = append(r.notes.Actors, a)
	return a
}

func (r *recorder) open(a *Actor, via, node string) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	c := &Conn{N: r.conns, Actor: a.Name, Via: via, Node: node, Opened: r.now(), Closed: never}
	c.Spoke = c.Opened
	c.hear(c.Opened)
	a.Conns = append(a.Conns, c)
	return c
}

func (r *recorder) heard(c *Conn, at Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.hear(at)
}

func (r *recorder) spoke(c *Conn, at Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Spoke = at
}

func (r *recorder) closed(c *Conn, end End, code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Closed, c.End, c.Code = r.now(), end, code
}

// item notes what came. Its strings come anew with every message: of the many that are the same, one is kept.
func (r *recorder) item(c *Conn, i Item) {
	same := func(i *Item) {
		for _, s := range []*string{&i.Room, &i.Kind, &i.Epoch, &i.Broadcast, &i.Reason, &i.State, &i.Since.Epoch} {
			*s = unique.Make(*s).Value()
		}
	}
	same(&i)
	for k := range i.Events {
		same(&i.Events[k])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Items = append(c.Items, i)
	if r.events += len(i.Events); i.Kind != itemJoined {
		r.events++
	}
}

// act notes what a streamer does, and returns where it stands.
func (r *recorder) act(a *Actor, act Act) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Acts = append(a.Acts, act)
	return len(a.Acts) - 1
}

func (r *recorder) amend(a *Actor, k int, change func(*Act)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&a.Acts[k])
}

func (r *recorder) slow(a *Actor, s Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Slow = append(a.Slow, s)
}

func (r *recorder) fault(f Fault) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes.Faults = append(r.notes.Faults, f)
	return len(r.notes.Faults) - 1
}

func (r *recorder) latest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.notes.Faults) - 1
}

func (r *recorder) repaired(k int, at Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes.Faults[k].To = at
}

func (r *recorder) exited(k int, at Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes.Faults[k].Exited = at
}

// poll notes what a node answered.
func (r *recorder) poll(node string, p Poll, rows []Row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.polls[node]
	s.log.Polls = append(s.log.Polls, p)
	if !p.OK {
		return
	}
	now := make(map[Row]int, len(rows))
	for _, row := range rows {
		k, before := s.now[row]
		if !before {
			k = len(s.log.Listings)
			row = Row{unique.Make(row.Room).Value(), unique.Make(row.Broadcast).Value(), unique.Make(row.State).Value()}
			s.log.Listings = append(s.log.Listings, Listing{Room: row.Room, Broadcast: row.Broadcast, State: row.State, From: p.At})
		}
		s.log.Listings[k].To = p.At
		now[row] = k
	}
	s.now = now
}

// listed counts what a ready node lists.
func (r *recorder) listed() (live, reconnecting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.polls {
		if n := len(s.log.Polls); n == 0 || !s.log.Polls[n-1].counts() {
			continue
		}
		for row := range s.now {
			if row.State == "live" {
				live++
			} else {
				reconnecting++
			}
		}
		return live, reconnecting
	}
	return 0, 0
}

// snapshot returns the notes so far, to be looked at while more are taken.
func (r *recorder) snapshot() *Notes {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := Notes{Ended: r.now(), Faults: slices.Clone(r.notes.Faults), Final: r.notes.Final}
	for _, a := range r.notes.Actors {
		b := *a
		b.Acts, b.Slow, b.Conns = slices.Clone(a.Acts), slices.Clone(a.Slow), nil
		for _, c := range a.Conns {
			d := *c
			d.Heard = slices.Clone(c.Heard)
			b.Conns = append(b.Conns, &d)
		}
		n.Actors = append(n.Actors, &b)
	}
	for _, l := range r.notes.Polls {
		n.Polls = append(n.Polls, &PollLog{Node: l.Node, Polls: l.Polls[:len(l.Polls):len(l.Polls)], Listings: slices.Clone(l.Listings)})
	}
	return &n
}

// count returns how many events were noted.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}
