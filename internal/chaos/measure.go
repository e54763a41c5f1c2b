package chaos

import (
	"slices"
	"strings"
	"time"
)

// delay is a row of the table: how long something took that is promised within a time.
type delay struct {
	what    string
	promise time.Duration
	took    []time.Duration
	faults  map[int]bool // which they come from, by their place in the notes; none for what needs no fault
}

type delays []*delay

func (d *delays) add(what string, promise, took time.Duration, fault int) {
	k := slices.IndexFunc(*d, func(x *delay) bool { return x.what == what })
	if k < 0 {
		k = len(*d)
		*d = append(*d, &delay{what: what, promise: promise, faults: make(map[int]bool)})
	}
	(*d)[k].took = append((*d)[k].took, took)
	if fault >= 0 {
		(*d)[k].faults[fault] = true
	}
}

const atOnce = 250 * time.Millisecond

// lease is how long a node may be silent before the others take it for dead.
const lease = 8 * time.Second

// measure takes the delays from the notes.
func measure(n *Notes) delays {
	m := measurer{n: n, t: n.truth(), happenings: n.happenings()}
	m.everyday()
	for k, f := range n.Faults {
		if f.To == forever {
			continue
		}
		switch {
		case f.Kind == Kill:
			m.told(k, f, "kill -9 of a node → reconnecting as node_lost", 10*second, "node_lost")
		case f.Kind == Clients && f.Silent:
			m.told(k, f, "network silently gone → reconnecting", noticing, "")
		case f.Kind == Isolate && f.To-f.From >= 8*second:
			m.elsewhere(k, f)
		case f.Kind == Freeze && f.To-f.From > lease:
			m.complete(k, f, "a frozen node is back → its list is complete", f.Node)
		case f.Kind.wipes():
			m.complete(k, f, "Redis wiped → all lists complete", "")
			m.written(k, f)
		case f.Kind.ofRedis():
			m.complete(k, f, "Redis is back → all lists complete and sure", "")
			m.written(k, f)
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
			what, promise, since, node := m.cause(i, holds)
			if what == "" || m.n.disturbed(since-settling, i.At, c.Node, node) {
				continue
			}
			m.add(what, promise, i.At-since, -1)
		}
	}
}

// cause finds what an event comes from: when that was, and to which node the streamer had been connected.
func (m *measurer) cause(i Item, holds []hold) (what string, promise time.Duration, since Instant, node string) {
	a := holds[0].actor
	for _, act := range a.Acts {
		if act.Broadcast != i.Broadcast || act.Tries != 1 || act.Acked == never {
			continue
		}
		switch {
		case act.Kind == ActStart && i.Kind == "live.started":
			return "live.start → live.started", atOnce, act.Tried, a.node(act.Conn)
		case (act.Kind == ActEnd || act.Kind == ActLeave) && i.Kind == "live.ended" && i.Reason != "connection_lost":
			return "live.end → live.ended", atOnce, act.Tried, a.node(act.Conn)
		}
	}
	for _, h := range slices.Backward(holds) { // the last that there was by then
		switch made := i.Made + 2*time.Millisecond; { // which the service gives in milliseconds
		case i.Kind == "live.reconnecting" && h.conn.End == EndDropped && h.to == h.conn.Closed && h.to <= made && made-h.to < soon:
			return "socket closed → live.reconnecting", atOnce, h.to, h.conn.Node
		case i.Kind == "live.resumed" && h.sent != 0 && h.sent <= made && made-h.sent < soon:
			return "streamer back → live.resumed", atOnce, h.sent, h.conn.Node
		}
	}
	if i.Kind == "live.ended" && slices.Contains(lostReasons, i.Reason) {
		for _, h := range m.happenings[i.Room] {
			if h.Kind == "live.reconnecting" && h.Broadcast == i.Broadcast && h.Version == i.Version-1 {
				return "not back → live.ended, after the window", second, h.Until, holds[len(holds)-1].conn.Node
			}
		}
	}
	return "", 0, 0, ""
}

// told measures when the rooms of those who were on a node were told of its fault.
func (m *measurer) told(k int, f Fault, what string, promise time.Duration, reason string) {
	for _, h := range m.t.holds {
		if h.conn.Node != f.Node || !h.covers(f.From-nearly, f.From-1) {
			continue
		}
		for _, e := range m.happenings[h.actor.Name] {
			if e.Kind != "live.reconnecting" || e.Broadcast != h.broadcast || e.Made < f.From || reason != "" && e.Reason != reason {
				continue
			}
			if e.Made < f.From+2*noticing && !m.others(k, f.From-settling, e.Made) {
				m.add(what, promise, e.first-f.From, k)
			}
			break
		}
	}
}

// others reports whether another fault was there, of Redis or a node.
func (m *measurer) others(k int, from, to Instant) bool {
	for j, f := range m.n.Faults {
		if j != k && (f.Kind.ofRedis() || f.Kind.ofNode()) && f.overlaps(from, to) {
			return true
		}
	}
	return false
}

// elsewhere measures when the streamers of a node that was cut off from Redis were live on another one.
func (m *measurer) elsewhere(k int, f Fault) {
	for _, h := range m.t.holds {
		if h.conn.Node != f.Node || !h.covers(f.From-nearly, f.From) {
			continue
		}
		for _, g := range m.t.of[h.broadcast] {
			if g.from > f.From && g.conn.Node != f.Node && !m.others(k, f.From-settling, g.from) {
				m.add("a node is cut off from Redis → its streamers are on another", settling, g.from-f.From, k)
				break
			}
		}
	}
}

// complete measures when, after a fault, the nodes (or one of them) listed all who were there, and claimed to know.
func (m *measurer) complete(k int, f Fault, what, node string) {
	latest := f.To
	for _, log := range m.n.Polls {
		if node != "" && node != log.Node {
			continue
		}
		at, ok := m.completeOn(log, f.To)
		if !ok || m.others(k, f.To-settling, at) {
			return
		}
		latest = max(latest, at)
	}
	m.add(what, settling, latest-f.To, k)
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

// written measures when, after a fault, a streamer's request was answered for the first time.
func (m *measurer) written(k int, f Fault) {
	first := Instant(forever)
	for _, a := range m.n.Actors {
		for _, act := range a.Acts {
			if act.Tries > 0 && act.Acked > f.To && act.Refused == "" {
				first = min(first, act.Acked)
			}
		}
	}
	if first != forever && !m.others(k, f.To-settling, first) {
		m.add("Redis is back → the first request is carried out", settling, first-f.To, k)
	}
}
