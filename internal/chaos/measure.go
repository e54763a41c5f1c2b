package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// delay is a row of the table: how long something took that is promised within a time.
type delay struct {
	what    string
	promise time.Duration
	took    []time.Duration
	causes  map[string]bool // what they come from: a fault has many consequences
}

type delays []*delay

func (d *delays) add(what string, promise, took time.Duration, cause string) {
	k := slices.IndexFunc(*d, func(x *delay) bool { return x.what == what })
	if k < 0 {
		k = len(*d)
		*d = append(*d, &delay{what: what, promise: promise, causes: make(map[string]bool)})
	}
	(*d)[k].took = append((*d)[k].took, took)
	(*d)[k].causes[cause] = true
}

const (
	atOnce = 250 * time.Millisecond
	// frozen is how long a streamer's app may say nothing until all are told: two throttled beats and slack.
	frozen = 130 * time.Second
	// moving is how long a restart in order may take to have its streamers elsewhere: the drain, and as long again.
	moving = 2 * drainFor
	// lease is how long a node may be silent before the others take it for dead.
	lease = 8 * time.Second
)

// measure takes the delays from the notes: in the order of the table of promises.
func measure(n *Notes) delays {
	m := measurer{n: n, t: n.truth(), happenings: n.happenings()}
	m.everyday()
	m.replaced()
	m.speechless()
	for _, f := range n.Faults {
		if f.To == forever {
			continue
		}
		switch {
		case f.Kind == Silence:
			m.told(f, "network silently gone → reconnecting", noticing, "")
		case f.Kind == Kill:
			m.told(f, "kill -9 of a node → reconnecting as node_lost", 10*second, "node_lost")
		case f.Kind == Rolling:
			m.elsewhere(f, "restart in order → its streamers are on another node", moving)
		case f.Kind == Isolate && f.To-f.From >= lease:
			m.elsewhere(f, "a node is cut off from Redis → its streamers are on another", settling)
		case f.Kind == Freeze && f.To-f.From > lease:
			m.resumed(f)
			m.complete(f, "a frozen node is back → its list is complete", f.Node)
		case f.Kind.wipes():
			m.complete(f, "Redis wiped → a node's list is complete and sure", "")
			m.written(f, "Redis wiped → a node carries out a request")
		case f.Kind.ofRedis():
			m.complete(f, "Redis is back → a node's list is complete and sure", "")
			m.written(f, "Redis is back → a node carries out a request")
		}
	}
	return m.delays
}

type measurer struct {
	n *Notes
	t *truth
	delays
	happenings map[string][]happening
}

func (f Fault) id() string { return string(f.Kind) + f.Node + f.From.String() }

// everyday measures what needs no fault, as each viewer is told of it, where no fault is near.
func (m *measurer) everyday() {
	for a, c := range m.n.conns() {
		if len(a.Slow) > 0 {
			continue
		}
		for _, i := range c.Items {
			if !strings.HasPrefix(i.Kind, "live.") {
				continue
			}
			holds := m.t.of[i.Broadcast]
			if len(holds) == 0 {
				continue
			}
			o, ok := m.origin(i, holds)
			if !ok || m.n.disturbed(o.quiet-settling, i.At, c.Node, o.node) {
				continue
			}
			m.add(o.what, o.promise, i.At-o.since, fmt.Sprint(i.Broadcast, i.Version))
		}
	}
}

// origin is what an event comes from.
type origin struct {
	what    string
	promise time.Duration
	since   Instant // from when on it is measured
	quiet   Instant // from when on no fault may have been near
	node    string  // to which the streamer had been connected
}

// origin finds it, where it is one of those that are measured.
func (m *measurer) origin(i Item, holds []hold) (origin, bool) {
	a := holds[0].actor
	for _, act := range a.Acts {
		if act.Broadcast != i.Broadcast || act.Tries != 1 || act.Acked == never {
			continue
		}
		switch {
		case act.Kind == ActStart && i.Kind == "live.started":
			return origin{"live.start → live.started", atOnce, act.Tried, act.Tried, a.node(act.Conn)}, true
		case (act.Kind == ActEnd || act.Kind == ActLeave) && i.Kind == "live.ended" && i.Reason != "connection_lost":
			return origin{"live.end → live.ended", atOnce, act.Tried, act.Tried, a.node(act.Conn)}, true
		}
	}
	for _, h := range slices.Backward(holds) { // the last that there was by then
		switch made := i.Made + 2*time.Millisecond; { // which the service gives in milliseconds
		case i.Kind == "live.reconnecting" && h.conn.End == EndDropped && h.to == h.conn.Closed && h.to <= made && made-h.to < soon:
			return origin{"socket closed → live.reconnecting", atOnce, h.to, h.to, h.conn.Node}, true
		case i.Kind == "live.resumed" && h.sent != 0 && h.sent <= made && made-h.sent < soon:
			return origin{"streamer back → live.resumed", atOnce, h.sent, h.sent, h.conn.Node}, true
		}
	}
	if i.Kind == "live.ended" && slices.Contains(lostReasons, i.Reason) {
		for _, h := range m.happenings[i.Room] {
			if h.Kind == "live.reconnecting" && h.Broadcast == i.Broadcast && h.Version == i.Version-1 {
				// While Redis is away windows stand still: none of this one may be such time.
				return origin{"not back → live.ended, after the window", second, h.Until, h.Made, holds[len(holds)-1].conn.Node}, true
			}
		}
	}
	return origin{}, false
}

// replaced measures how long the old socket of a streamer who has a newer one is open.
func (m *measurer) replaced() {
	for _, a := range m.n.Actors {
		for _, act := range a.Acts {
			if act.Kind != ActRenew {
				continue
			}
			if old := a.conn(act.Old); old.Code == closedReplaced && !m.n.disturbed(act.Sent-settling, old.Closed, old.Node, a.node(act.Conn)) {
				m.add("joined over a newer connection → the old one is closed", atOnce, max(0, old.Closed-act.Acked), fmt.Sprint(old.N))
			}
		}
	}
}

// speechless measures when the rooms of those whose app has frozen were told so.
func (m *measurer) speechless() {
	for _, h := range m.t.holds {
		c := h.conn
		if c.Code != closedSilent || c.Closed-c.Spoke < speaking-nearly || m.n.disturbed(c.Spoke, c.Closed+nearly, m.n.nodes()...) {
			continue
		}
		for _, e := range m.happenings[h.actor.Name] {
			if e.Kind == "live.reconnecting" && e.Broadcast == h.broadcast && e.Made >= c.Closed-nearly && e.Made < c.Closed+soon {
				m.add("a streamer's app has frozen → reconnecting", frozen, e.first-c.Spoke, fmt.Sprint(c.N))
				break
			}
		}
	}
}

// told measures when the rooms of those who were on a node were told of its fault.
func (m *measurer) told(f Fault, what string, promise time.Duration, reason string) {
	for _, h := range m.t.holds {
		if h.conn.Node != f.Node || !h.covers(f.From-nearly, f.From-1) {
			continue
		}
		for _, e := range m.happenings[h.actor.Name] {
			if e.Kind != "live.reconnecting" || e.Broadcast != h.broadcast || e.Made < f.From || reason != "" && e.Reason != reason {
				continue
			}
			if e.Made < f.From+2*noticing && !m.others(f, f.From, e.Made) && !h.actor.acted(f.From, e.Made) && !m.t.back(h, f.From, e.Made) {
				m.add(what, promise, e.first-f.From, f.id())
				m.over(f, e)
			}
			break
		}
	}
}

// over measures when the rooms were told that those have not come back who were said to be gone.
func (m *measurer) over(f Fault, gone happening) {
	for _, e := range m.happenings[gone.Room] {
		if e.Kind == "live.ended" && e.Broadcast == gone.Broadcast && e.Version == gone.Version+1 &&
			slices.Contains(lostReasons, e.Reason) && !m.others(f, gone.Made, e.Made) {
			m.add("not back after such a loss → live.ended, after the window", second, e.first-gone.Until, f.id())
		}
	}
}

// others reports whether another fault was there, of Redis or of a node: whoever flees from one may meet the other.
func (m *measurer) others(f Fault, from, to Instant) bool {
	return slices.ContainsFunc(m.n.Faults, func(g Fault) bool {
		return g != f && (g.Kind.ofRedis() || g.Kind.ofNode()) && g.overlaps(from, to)
	})
}

// elsewhere measures when the streamers of a node were live on another one.
func (m *measurer) elsewhere(f Fault, what string, promise time.Duration) {
	for _, h := range m.t.holds {
		if h.conn.Node != f.Node || !h.covers(f.From-nearly, f.From) {
			continue
		}
		for _, g := range m.t.of[h.broadcast] {
			if g.from > f.From && g.conn.Node != f.Node {
				if !m.others(f, f.From, g.from) && !h.actor.acted(f.From, g.from) {
					m.add(what, promise, g.from-f.From, f.id())
				}
				break
			}
		}
	}
}

// resumed measures when, after a node had been frozen so long that it was declared dead, those who were said to be gone
// are live again.
func (m *measurer) resumed(f Fault) {
	for _, h := range m.t.holds {
		if h.conn.Node != f.Node || !h.covers(f.From-nearly, f.From-1) {
			continue
		}
		lost := false
		for _, e := range m.happenings[h.actor.Name] {
			switch {
			case e.Broadcast != h.broadcast || e.Made < f.From:
			case e.Kind == "live.reconnecting" && e.Reason == "node_lost" && e.Made < f.To+settling:
				lost = true
			case lost && e.Kind == "live.resumed":
				if e.Made > f.To && h.to > e.Made && !m.others(f, f.From, e.Made) {
					m.add("a frozen node is back → its streamers are resumed", settling, e.first-f.To, f.id())
				}
				lost = false
			}
		}
	}
}

// complete measures when, after a fault, each node (or one of them) listed all who were there, and claimed to know.
func (m *measurer) complete(f Fault, what, node string) {
	for _, log := range m.n.Polls {
		if node != "" && node != log.Node {
			continue
		}
		if at, ok := m.completeOn(log, f.To); ok && !m.others(f, f.From, at) {
			m.add(what, settling, at-f.To, f.id())
		}
	}
}

func (m *measurer) completeOn(log *PollLog, from Instant) (Instant, bool) {
	listed := log.byBroadcast()
	for _, p := range log.between(from, m.n.Ended) {
		if p.counts() && !slices.ContainsFunc(m.t.holds, func(h hold) bool {
			return h.covers(p.At-second, p.At) && stateAt(listed[h.broadcast], p.At) != "live"
		}) {
			return p.At, true
		}
	}
	return 0, false
}

// written measures when, after a fault, a streamer's request was answered for the first time, by each node: of those that
// waited for it there, or came a moment later. Where nobody asks nothing is answered.
func (m *measurer) written(f Fault, what string) {
	first := make(map[string]Instant)
	for _, a := range m.n.Actors {
		for _, act := range a.Acts {
			if act.Tries == 0 || act.Sent >= f.To+second || act.Acked <= f.To || act.Refused != "" || a.conn(act.Conn).Opened >= f.To+second {
				continue
			}
			if node := a.node(act.Conn); first[node] == 0 || act.Acked < first[node] {
				first[node] = act.Acked
			}
		}
	}
	for _, at := range first {
		if at < f.To+time.Minute && !m.others(f, f.From, at) {
			m.add(what, settling, at-f.To, f.id())
		}
	}
}
