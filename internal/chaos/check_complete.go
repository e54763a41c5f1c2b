package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// checkForks finds events that are told differently to different clients: the same position, or the same version of a
// broadcast in one epoch, for two things; and versions above the one with which a broadcast has ended.
func checkForks(n *Notes) (found []Violation) {
	type position struct {
		room string
		Position
	}
	type version struct {
		epoch, broadcast string
		version          int64
	}
	places, versions := make(map[position]Item), make(map[version]Item)
	ends := n.ends()
	bad := func(kind string, a *Actor, i, other Item, format string, args ...any) {
		found = append(found, Violation{Kind: kind, At: max(i.At, other.At), Room: i.Room, Broadcast: i.Broadcast, Actor: a.Name, Text: fmt.Sprintf(format, args...)})
	}
	for a, c := range n.conns() {
		for i := range c.told() {
			p := position{i.Room, i.Position}
			if o, ok := places[p]; !ok {
				places[p] = i
			} else if o.Kind != i.Kind || o.Broadcast != i.Broadcast || o.Version != i.Version {
				bad(badFork, a, i, o, "at %d of %s, %s version %d here and %s of %s version %d elsewhere", i.Offset, i.Epoch, i.Kind, i.Version, o.Kind, o.Broadcast, o.Version)
			}
			if i.Broadcast == "" {
				continue
			}
			v := version{i.Epoch, i.Broadcast, i.Version}
			if o, ok := versions[v]; !ok {
				versions[v] = i
			} else if o.Kind != i.Kind || o.Offset != i.Offset {
				bad(badFork, a, i, o, "version %d is %s at %d here and %s at %d elsewhere", i.Version, i.Kind, i.Offset, o.Kind, o.Offset)
			}
			if e, ok := ends[i.Broadcast]; ok && i.Version > e.Version {
				bad(badAfterEnd, a, i, e.Item, "%s version %d, and it ended with version %d", i.Kind, i.Version, e.Version)
			}
		}
	}
	return onePer(found, func(v Violation) string { return v.Kind + v.Room + v.Broadcast + v.Text })
}

// onePer keeps the first of those with the same key: a hundred viewers who are told the same are one finding.
func onePer(found []Violation, key func(Violation) string) []Violation {
	slices.SortStableFunc(found, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	seen := make(map[string]bool)
	return slices.DeleteFunc(found, func(v Violation) bool {
		was := seen[key(v)]
		seen[key(v)] = true
		return was
	})
}

const (
	// atFirst: who joined so shortly before may have been given the state after an event that others were told later.
	atFirst = 5 * time.Second
	// inTheEnd is how long an event may be under way when nothing is wrong: a promise of 250 ms on a busy machine, and
	// a backstop that looks at logs every few seconds.
	inTheEnd = 15 * time.Second
)

// checkComplete sees that everybody who was in a room, and connected, was told what anybody there was told, or got a
// snapshot instead.
func checkComplete(n *Notes) (found []Violation) {
	happenings := n.happenings()
	for a, c := range n.conns() {
		if slices.ContainsFunc(a.Slow, func(s Span) bool { return s.From <= c.closed() && c.Opened <= s.To }) {
			continue // what it did not read is not missing
		}
		for room, w := range c.watches() {
			for _, h := range happenings[room] {
				if h.Made-atFirst < c.Opened || h.Made > c.closed() || w.covers(h) {
					continue
				}
				by := n.settledBy(max(h.Made, h.first), inTheEnd, c.Node)
				if by > n.Ended || !w.during(h.Made-atFirst, by) || !c.connected(h.Made-atFirst, by) {
					continue
				}
				found = append(found, Violation{
					Kind: badMissed, At: by, Room: room, Broadcast: h.Broadcast, Actor: a.Name,
					Text: fmt.Sprintf("%s version %d at %d of %s, made at %s and told to another at %s, has not come by now (connection %d to %s since %s)",
						h.Kind, h.Version, h.Offset, h.Epoch, clock(h.Made), clock(h.first), c.N, c.Node, clock(c.Opened)),
				})
			}
		}
	}
	return found
}

// watch is what one connection was told of one room.
type watch struct {
	in        []Span // when it was a member
	events    map[Position]bool
	snapshots []Item
}

func (c *Conn) watches() map[string]*watch {
	rooms := make(map[string]*watch)
	for _, i := range c.Items {
		w := rooms[i.Room]
		if w == nil {
			w = &watch{events: make(map[Position]bool)}
			rooms[i.Room] = w
		}
		switch i.Kind {
		case itemJoined:
			w.snapshots = append(w.snapshots, i)
			if k := len(w.in); k == 0 || w.in[k-1].To != forever {
				w.in = append(w.in, Span{i.At, forever})
			}
			for _, e := range i.Events {
				w.events[e.Position] = true
			}
		case itemLeft:
			if k := len(w.in); k > 0 {
				w.in[k-1].To = i.At
			}
		default:
			w.events[i.Position] = true
		}
	}
	return rooms
}

// during reports whether it was a member all the time.
func (w *watch) during(from, to Instant) bool {
	return slices.ContainsFunc(w.in, func(s Span) bool { return s.From <= from && to <= s.To })
}

// covers reports whether the event was told, or a snapshot stands for it: one of the same epoch that is not older, or
// one of another epoch that came about then or later.
func (w *watch) covers(h happening) bool {
	if w.events[h.Position] {
		return true
	}
	return slices.ContainsFunc(w.snapshots, func(s Item) bool {
		if s.Epoch == h.Epoch {
			return s.Offset >= h.Offset
		}
		return s.At >= h.Made-atFirst
	})
}
