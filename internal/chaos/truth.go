package chaos

import (
	"cmp"
	"slices"
	"time"
)

// The windows that apply when none was asked for.
const (
	defaultWindow  = 15 * time.Second
	nodeLostWindow = 45 * time.Second
	// leastWindow is for those who asked for less when it was a node that went: their client may not have noticed.
	leastWindow = 25 * time.Second
)

// hold is a time in which a streamer was on a connection, and knew from the server that their broadcast ran.
type hold struct {
	actor     *Actor
	conn      *Conn
	broadcast string
	sent      Instant // when the join was sent by which it began, or 0
	from, to  Instant
	ours      bool // it ended because the streamer wanted that: by end, by leave or by dropping the socket
}

// covers reports whether all of a time lies inside, with something heard in the last 25 s before each moment of it.
func (h hold) covers(from, to Instant) bool {
	return h.from <= from && to < h.to && h.conn.connected(from, to)
}

// truth is what the streamers know of themselves.
type truth struct {
	holds   []hold                   // by actor and time
	of      map[string][]hold        // by broadcast
	windows map[string]time.Duration // by broadcast, never: none was asked for
}

func (n *Notes) truth() *truth {
	t := &truth{of: make(map[string][]hold), windows: make(map[string]time.Duration)}
	for _, a := range n.Actors {
		if !a.Streamer {
			continue
		}
		for _, act := range a.Acts {
			if _, known := t.windows[act.Broadcast]; act.Kind == ActStart && act.Broadcast != "" && !known {
				t.windows[act.Broadcast] = act.Window
			}
		}
		for _, c := range a.Conns {
			t.holds = append(t.holds, holdsOf(a, c, n.lasted(c))...)
		}
	}
	for _, h := range t.holds {
		t.of[h.broadcast] = append(t.of[h.broadcast], h)
	}
	return t
}

// window returns how long the broadcast survives its streamer's absence, and whether that was asked for.
func (t *truth) window(broadcast string) (time.Duration, bool) {
	w, known := t.windows[broadcast]
	if !known || w == never {
		return defaultWindow, false
	}
	return w, true
}

// mark is where the state of a streamer's connection changes.
type mark struct {
	at        Instant
	sent      Instant
	broadcast string // "": not on air from here on
	ended     string // the broadcast that ended; "": whichever it was
	ours      bool
}

// lasted returns until when a connection was one.
func (n *Notes) lasted(c *Conn) Instant {
	lasted := min(c.closed(), n.Ended)
	for k := 1; k < len(c.Heard); k++ {
		// A frozen app: any other would have left, and what it hears later had been under way.
		if silent := c.Heard[k-1].To + hearing; c.Heard[k].From > silent+soon {
			lasted = min(lasted, silent)
			break
		}
	}
	for _, f := range n.Faults { // which may be noticed late, on a busy machine
		if c.End == EndLost && (f.Kind == Kill || f.Kind == Clients) && f.Node == c.Node && f.From >= c.Opened && f.From < lasted {
			lasted = f.From
		}
	}
	return lasted
}

// holdsOf follows one connection of a streamer, which lasted until then.
func holdsOf(a *Actor, c *Conn, closed Instant) (holds []hold) {
	var current *hold
	stop := func(at Instant, ours bool) {
		if current != nil {
			current.to, current.ours = at, ours
			holds = append(holds, *current)
			current = nil
		}
	}
	for _, m := range marksOf(a, c) {
		if m.at > closed {
			break
		}
		if current != nil && current.broadcast != m.broadcast && (m.ended == "" || m.ended == current.broadcast) {
			stop(m.at, m.ours)
		}
		if current == nil && m.broadcast != "" {
			current = &hold{actor: a, conn: c, broadcast: m.broadcast, sent: m.sent, from: m.at}
		}
	}
	stop(closed, c.End == EndDropped || c.End == EndOver)
	return holds
}

// marksOf collects what tells, on one connection, whether the streamer is live.
func marksOf(a *Actor, c *Conn) (marks []mark) {
	for _, i := range c.Items {
		switch {
		case i.Room != a.Name:
		case i.Kind == itemJoined && i.Streamer && i.State == "live" && !a.ending(i):
			marks = append(marks, mark{at: i.At, sent: i.Sent, broadcast: i.Broadcast})
		case i.Kind == "live.resumed" && !a.ending(i):
			marks = append(marks, mark{at: i.At, broadcast: i.Broadcast})
		case i.Kind == "live.ended": // it may come late, when the next one runs
			marks = append(marks, mark{at: i.At, ended: i.Broadcast})
		case i.Kind == itemJoined:
			marks = append(marks, mark{at: i.At})
		}
	}
	for _, act := range a.Acts {
		switch {
		case act.Kind == ActStart && act.Acked != never && act.Conn == c.N && act.Broadcast != "":
			marks = append(marks, mark{at: act.Acked, broadcast: act.Broadcast})
		case act.Kind == ActEnd || act.Kind == ActLeave:
			marks = append(marks, mark{at: act.Sent, ours: true})
		}
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	return marks
}

// ending reports whether a snapshot may be of before or after the end that the streamer has asked for.
func (a *Actor) ending(snapshot Item) bool {
	return slices.ContainsFunc(a.Acts, func(act Act) bool {
		return (act.Kind == ActEnd || act.Kind == ActLeave) && act.Broadcast == snapshot.Broadcast &&
			act.Sent <= snapshot.At && (act.Acked == never || snapshot.Sent < act.Acked)
	})
}

// alive returns until when the streamer was certainly there, as far as a time: until the socket was closed, or until the
// last that was heard, if that was longer ago than a streamer's connection is ever silent (a heartbeat comes every 10 s).
// The node may have noticed the loss then.
func (h hold) alive(at Instant) Instant {
	const beat = 12 * time.Second
	at = min(h.to, at)
	if heard := h.conn.lastHeard(at); at-heard > beat {
		return heard
	}
	return at
}
