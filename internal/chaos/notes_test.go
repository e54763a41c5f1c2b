package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// story is a run written by hand. It has one room, "alice", whose streamer is alice, and everybody is on time unless the
// story says otherwise.
type story struct {
	*Notes
	conns int
}

// begin is a run of ten minutes on three nodes.
func begin() *story {
	return &story{Notes: &Notes{
		Ended: 10 * time.Minute,
		Polls: []*PollLog{{Node: "n1"}, {Node: "n2"}, {Node: "n3"}},
	}}
}

func at(seconds float64) Instant { return Instant(seconds * float64(time.Second)) }

// fault adds one.
func (s *story) fault(kind Kind, node string, from, to float64) {
	s.Faults = append(s.Faults, Fault{Kind: kind, Node: node, From: at(from), To: at(to)})
}

func (s *story) actor(name string) *Actor {
	for _, a := range s.Actors {
		if a.Name == name {
			return a
		}
	}
	a := &Actor{Name: name, Streamer: name == "alice"}
	s.Actors = append(s.Actors, a)
	return a
}

// conn is a connection of the story.
type conn struct {
	*Conn
	actor *Actor
}

// connect opens a connection that hears from its node all the time, and speaks, and does not end before the run does.
func (s *story) connect(name, node string, from float64) *conn {
	s.conns++
	c := &Conn{N: s.conns, Actor: name, Via: "nginx", Node: node, Opened: at(from), Closed: never, Spoke: s.Ended, Heard: []Span{{at(from), s.Ended}}}
	a := s.actor(name)
	a.Conns = append(a.Conns, c)
	return &conn{c, a}
}

// close ends it.
func (c *conn) close(when float64, how End, code ...int) *conn {
	c.Closed, c.End = at(when), how
	c.Heard[len(c.Heard)-1].To, c.Spoke = at(when), min(c.Spoke, at(when))
	if len(code) > 0 {
		c.Code = code[0]
	}
	return c
}

// silentFrom says that nothing was heard any more.
func (c *conn) silentFrom(when float64) *conn {
	c.Heard[len(c.Heard)-1].To = at(when)
	return c
}

// speechlessFrom says that its client sent nothing any more.
func (c *conn) speechlessFrom(when float64) *conn {
	c.Spoke = at(when)
	return c
}

// snapshot tells it the state of the room: "live b1 3" is live with version 3 of broadcast b1. The join was sent half a
// second before.
func (c *conn) snapshot(when float64, epoch string, offset int64, state string, change ...func(*Item)) *conn {
	i := Item{
		At: at(when), Room: "alice", Kind: itemJoined, Position: Position{epoch, offset}, Asked: true, Sent: at(when - 0.5),
		Streamer: c.actor.Streamer,
	}
	_, _ = fmt.Sscanf(state, "%s %s %d", &i.State, &i.Broadcast, &i.Version)
	for _, f := range change {
		f(&i)
	}
	c.Items = append(c.Items, i)
	return c
}

// unasked, stale and recovered are what a snapshot may be.
func unasked(i *Item) { i.Asked, i.Sent = false, i.At }
func stale(i *Item)   { i.Stale = true }

func recovered(epoch string, since int64, events ...Item) func(*Item) {
	return func(i *Item) {
		i.Recovered, i.Since = true, Position{epoch, since}
		for k, e := range events {
			e.At, e.Room, e.Position = i.At, i.Room, Position{epoch, since + int64(k) + 1}
			i.Events = append(i.Events, e)
		}
	}
}

// event is "live.started b1 1", or with a reason "live.ended b1 4 connection_lost", or "streamer.online".
func event(when float64, text string) Item {
	i := Item{At: at(when), Room: "alice", Made: at(when - 0.01)}
	_, _ = fmt.Sscanf(text, "%s %s %d %s", &i.Kind, &i.Broadcast, &i.Version, &i.Reason)
	return i
}

// told tells it an event.
func (c *conn) told(when float64, epoch string, offset int64, text string, change ...func(*Item)) *conn {
	i := event(when, text)
	i.Position = Position{epoch, offset}
	for _, f := range change {
		f(&i)
	}
	c.Items = append(c.Items, i)
	return c
}

func until(when float64) func(*Item) { return func(i *Item) { i.Until = at(when) } }

// did notes an act of alice's that was answered at once.
func (c *conn) did(when float64, kind ActKind, broadcast string, change ...func(*Act)) *conn {
	act := Act{Kind: kind, Sent: at(when), Acked: at(when + 0.01), Conn: c.N, Broadcast: broadcast, Tries: 1, Tried: at(when)}
	if kind == ActStart {
		act.Window = never
	}
	for _, f := range change {
		f(&act)
	}
	c.actor.Acts = append(c.actor.Acts, act)
	return c
}

func window(d time.Duration) func(*Act) { return func(a *Act) { a.Window = d } }

// listed says that nodes (all, if none are named) listed the broadcast from one time to another. They are asked once a
// second, all the time.
func (s *story) listed(broadcast, state string, from, to float64, nodes ...string) {
	for _, log := range s.Polls {
		if len(nodes) == 0 || slices.Contains(nodes, log.Node) {
			log.Listings = append(log.Listings, Listing{"alice", broadcast, state, at(from), at(to)})
		}
	}
}

// polled says what the nodes said of themselves.
func (s *story) polled(from, to float64, ready, stale bool, nodes ...string) {
	for _, log := range s.Polls {
		if len(nodes) > 0 && !slices.Contains(nodes, log.Node) {
			continue
		}
		for t := from; t <= to; t++ {
			log.Polls = append(log.Polls, Poll{At: at(t), OK: true, Ready: ready, Stale: stale})
		}
	}
}

// kindsOf lists what was found, each kind once.
func kindsOf(found []Violation) string {
	var kinds []string
	for _, v := range found {
		if !slices.Contains(kinds, v.Kind) {
			kinds = append(kinds, v.Kind)
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}

// want checks what is found by all checks.
func (s *story) want(t *testing.T, kinds ...string) {
	t.Helper()
	slices.Sort(kinds)
	found := Check(s.Notes)
	if got, want := kindsOf(found), strings.Join(kinds, ", "); got != want {
		t.Errorf("found %q, want %q", got, want)
		for _, v := range found {
			t.Logf("  %s", v)
		}
	}
}

// tell is one story and what must be found in it.
type tell struct {
	name string
	tell func(s *story)
	want []string
}

func testStories(t *testing.T, stories []tell) {
	t.Helper()
	for _, test := range stories {
		t.Run(test.name, func(t *testing.T) {
			s := begin()
			test.tell(s)
			s.want(t, test.want...)
		})
	}
}

func TestConnected(t *testing.T) {
	c := &Conn{Opened: at(1), Closed: at(100), Heard: []Span{{at(1), at(20)}, {at(50), at(60)}}}
	for _, test := range []struct {
		from, to float64
		want     bool
	}{
		{0, 5, false}, {1, 20, true}, {2, 45, true}, {2, 46, false}, {46, 46, false}, {50, 85, true}, {50, 86, false}, {30, 60, false},
	} {
		if got := c.connected(at(test.from), at(test.to)); got != test.want {
			t.Errorf("from %v to %v: %t, want %t", test.from, test.to, got, test.want)
		}
	}
	c.Closed = at(60)
	if c.connected(at(50), at(60)) {
		t.Error("connected at the time of its end")
	}
	if got := c.lastHeard(at(40)); got != at(20) {
		t.Errorf("last heard before 40 s: %s", got)
	}
}

func TestHear(t *testing.T) {
	c := &Conn{}
	for _, s := range []float64{1, 10, 35, 60.1, 70} {
		c.hear(at(s))
	}
	if want := []Span{{at(1), at(35)}, {at(60.1), at(70)}}; !slices.Equal(c.Heard, want) {
		t.Errorf("heard %v, want %v", c.Heard, want)
	}
}

func TestSettledBy(t *testing.T) {
	s := begin()
	s.fault(Kill, "n1", 100, 110)
	s.fault(RedisCut, "", 115, 125)
	s.fault(Kill, "n2", 130, 140)
	for _, test := range []struct {
		due  float64
		node string
		want float64
	}{
		{50, "n1", 55}, {97, "n1", 135}, {97, "n2", 102}, {112, "n3", 135}, {126, "n2", 150}, {160, "n2", 165},
	} {
		if got := s.settledBy(at(test.due), soon, test.node); got != at(test.want) {
			t.Errorf("due at %v on %s: settled by %s, want %v", test.due, test.node, got, test.want)
		}
	}
	s.Faults[1].To = forever
	if got := s.settledBy(at(116), soon, "n3"); got != forever {
		t.Errorf("due while Redis is away for good: settled by %s", got)
	}
}
