package chaos

import (
	"fmt"
	"slices"
)

// checkTold finds streamers who were gone, or had ended their broadcast, for longer than it may take to notice, without a
// word to those who were watching; and those who are live without one. It says nothing of rooms in which nobody was
// connected all that time: what one of several is not told is the business of checkComplete.
func checkTold(n *Notes) (found []Violation) {
	t, happenings, watching := n.truth(), n.happenings(), n.watching()
	for _, h := range t.holds {
		room := h.actor.Name
		untold := func(since, by Instant, as func(seat) bool) bool {
			return by <= n.Ended && slices.ContainsFunc(watching[room], func(s seat) bool {
				return s.during(since-atFirst, by) && s.conn.connected(since-atFirst, by) && !as(s)
			})
		}
		said := func(since Instant, kinds ...string) bool {
			return slices.ContainsFunc(happenings[room], func(e happening) bool {
				return e.Broadcast == h.broadcast && e.Made > since-nearly && (len(kinds) == 0 || slices.Contains(kinds, e.Kind))
			})
		}
		bad := func(at Instant, format string, args ...any) {
			found = append(found, Violation{
				Kind: badUntold, At: at, Room: room, Broadcast: h.broadcast,
				Text: fmt.Sprintf(format, args...) + fmt.Sprintf(" (connection %d to %s), and by now the room was told nothing of it", h.conn.N, h.conn.Node),
			})
		}

		gone := h.alive(h.to)
		by := n.settledBy(gone+noticing, soon, n.nodes()...)
		if !t.back(h, gone, by) && !said(gone, "live.reconnecting", "live.ended") &&
			untold(gone, by, func(s seat) bool { return s.shown(h.broadcast, false, gone) }) {
			bad(by, "its streamer is gone, or has ended it, since %s", clock(gone))
		}
		by = n.settledBy(h.from, soon, n.nodes()...)
		if h.to > by && !said(0) && untold(h.from, by, func(s seat) bool { return s.shown(h.broadcast, true, 0) }) {
			bad(by, "it runs since %s", clock(h.from))
		}
	}
	return found
}

// back reports whether the streamer held the broadcast again, or still, between two times.
func (t *truth) back(h hold, from, to Instant) bool {
	return slices.ContainsFunc(t.of[h.broadcast], func(o hold) bool {
		return (o.conn != h.conn || o.from != h.from) && o.from <= to && o.to >= from
	})
}

// seat is a viewer's membership of a room over one connection.
type seat struct {
	*watch
	conn *Conn
}

// watching returns the viewers of each room.
func (n *Notes) watching() map[string][]seat {
	rooms := make(map[string][]seat)
	for a, c := range n.conns() {
		for room, w := range c.watches() {
			if !a.Streamer && len(a.Slow) == 0 {
				rooms[room] = append(rooms[room], seat{w, c})
			}
		}
	}
	return rooms
}

// shown reports whether a snapshot said, after a time, that the broadcast is live, or that it is not.
func (w *watch) shown(broadcast string, live bool, after Instant) bool {
	return slices.ContainsFunc(w.snapshots, func(s Item) bool {
		return s.At > after && (s.Broadcast == broadcast && s.State == "live") == live
	})
}
