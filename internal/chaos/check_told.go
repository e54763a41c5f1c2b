package chaos

import (
	"fmt"
	"slices"
)

// checkTold finds streamers who were gone for longer than it may take to notice, without a word to those who were
// watching. It says nothing of rooms in which nobody was connected all that time.
func checkTold(n *Notes) (found []Violation) {
	t, happenings := n.truth(), n.happenings()
	watching := n.watching()
	for _, h := range t.holds {
		gone := h.alive(h.to)
		by := n.settledBy(gone+noticing, soon, n.nodes()...)
		if by > n.Ended || h.to < h.conn.closed() || t.back(h, gone, by) {
			continue
		}
		told := slices.ContainsFunc(happenings[h.actor.Name], func(e happening) bool {
			return e.Broadcast == h.broadcast && e.Made > gone-nearly && (e.Kind == "live.reconnecting" || e.Kind == "live.ended")
		})
		untold := slices.ContainsFunc(watching[h.actor.Name], func(s seat) bool {
			return s.during(gone-atFirst, by) && s.conn.connected(gone-atFirst, by) && !s.shownWithout(h.broadcast, gone)
		})
		if told || !untold {
			continue
		}
		found = append(found, Violation{
			Kind: badUntold, At: by, Room: h.actor.Name, Broadcast: h.broadcast,
			Text: fmt.Sprintf("its streamer is gone since %s (connection %d to %s was %s), and until now the room was told nothing of it",
				clock(gone), h.conn.N, h.conn.Node, h.conn.End),
		})
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

// shownWithout reports whether a snapshot said, after a time, that the broadcast is not live.
func (w *watch) shownWithout(broadcast string, after Instant) bool {
	return slices.ContainsFunc(w.snapshots, func(s Item) bool { return s.At > after && (s.Broadcast != broadcast || s.State != "live") })
}
