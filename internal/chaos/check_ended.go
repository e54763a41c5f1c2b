package chaos

import (
	"fmt"
	"slices"
	"time"
)

// lostReasons are those for which a broadcast ends without anybody's having wanted that.
var lostReasons = []string{"connection_lost", "node_lost", "drain", "lost"}

// nearly is what the ends of the 25 s and of windows are not measured to: clocks, rounding, and messages under way.
const nearly = time.Second

// checkEnded finds broadcasts that ended although their streamer was there, or before the time that was announced.
func checkEnded(n *Notes) (found []Violation) {
	t := n.truth()
	for room, list := range n.happenings() {
		until := make(map[string]Instant) // by broadcast, as announced last
		for _, h := range list {
			switch h.Kind {
			case "live.reconnecting":
				until[h.Broadcast] = h.Until
			case "live.resumed":
				delete(until, h.Broadcast)
			case "live.ended":
				if !slices.Contains(lostReasons, h.Reason) {
					continue
				}
				bad := func(format string, args ...any) {
					found = append(found, Violation{
						Kind: badEnded, At: h.first, Room: room, Broadcast: h.Broadcast,
						Text: fmt.Sprintf("ended at %s as %s ", clock(h.Made), h.Reason) + fmt.Sprintf(format, args...),
					})
				}
				if u := until[h.Broadcast]; u != 0 && h.Made < u-nearly {
					bad("before %s, which was announced", clock(u))
				}
				for _, hold := range t.of[h.Broadcast] {
					if hold.heldAt(h.Made) {
						bad("while its streamer was on connection %d to %s since %s, and had heard from it at %s",
							hold.conn.N, hold.conn.Node, clock(hold.from), clock(hold.conn.lastHeard(h.Made)))
					}
				}
			}
		}
	}
	return found
}

// heldAt reports whether the streamer was there at a moment, and had heard from the server lately.
func (h hold) heldAt(at Instant) bool {
	return h.covers(at, at) && h.conn.lastHeard(at) >= at-hearing+nearly
}

// checkLost looks at the streamers who found that their broadcast is no more, whether anybody was told of an end or not:
// were they away for less than the window by then?
//
// When Redis loses what it knew while the node that could put it back is being killed, nobody is left to know better.
// That is not held against the service.
func checkLost(n *Notes) (found []Violation) {
	t, ends := n.truth(), n.ends()
	for _, a := range n.Actors {
		for _, act := range a.Acts {
			if act.Kind != ActLost {
				continue
			}
			by, why := act.Sent, ""
			if e, told := ends[act.Broadcast]; told {
				why = e.Reason
				if e.Made <= act.Acked {
					by = e.Made // also after the streamer had asked for what told them
				}
			}
			last, alive := t.lastAlive(act.Broadcast, by)
			if last == nil {
				continue
			}
			w, pardon := n.windowAfter(t, last, alive, by, why)
			if away := by - alive; away < w-nearly && !pardon {
				found = append(found, Violation{
					Kind: badLost, At: act.Acked, Room: a.Name, Broadcast: act.Broadcast,
					Text: fmt.Sprintf("its streamer was away for %s of a window of %s (last on connection %d to %s) and it was over by %s",
						clock(away), w, last.conn.N, last.conn.Node, clock(by)),
				})
			}
		}
	}
	return found
}

// lastAlive returns the last hold of a broadcast that began before a time, and until when its streamer was there then.
func (t *truth) lastAlive(broadcast string, by Instant) (last *hold, alive Instant) {
	for _, h := range t.of[broadcast] {
		if at := h.alive(by); h.from <= by && (last == nil || at > alive) {
			last, alive = &h, at
		}
	}
	return last, alive
}

// windowAfter returns how long the broadcast must survive after this hold, and whether it is pardoned if it did not. why
// is the reason that was told for its end: one whose node had been frozen may still leave by herself later.
func (n *Notes) windowAfter(t *truth, h *hold, alive, by Instant, why string) (w time.Duration, pardon bool) {
	died := slices.ContainsFunc(n.Faults, func(f Fault) bool {
		return (f.Kind == Kill || f.Kind == Freeze) && f.Node == h.conn.Node && f.overlaps(alive-nearly, by)
	})
	wiped := slices.ContainsFunc(n.Faults, func(f Fault) bool { return f.Kind.wipes() && f.overlaps(alive-settling, by) })
	w, asked := t.window(h.broadcast)
	switch {
	case why == "connection_lost":
	case died && !asked:
		w = nodeLostWindow
	case died:
		w = max(w, leastWindow)
	}
	return w, died && wiped
}

// checkFalseReconnecting finds streamers who were said to be gone while their socket was open, on a node with which
// nothing was wrong. Redis may do as it likes meanwhile.
func checkFalseReconnecting(n *Notes) (found []Violation) {
	t := n.truth()
	for room, list := range n.happenings() {
		for _, h := range list {
			if h.Kind != "live.reconnecting" {
				continue
			}
			for _, hold := range t.of[h.Broadcast] {
				node := hold.conn.Node
				if !hold.covers(h.Made-2*nearly, h.Made+nearly/2) || n.nodeFault(h.Made-settling-2*nearly, h.Made, node) {
					continue
				}
				found = append(found, Violation{
					Kind: badFalse, At: h.first, Room: room, Broadcast: h.Broadcast,
					Text: fmt.Sprintf("reconnecting at %s as %s, while its streamer was on connection %d to %s, from %s to %s", clock(h.Made), h.Reason,
						hold.conn.N, node, clock(hold.from), clock(hold.to)),
				})
			}
		}
	}
	return found
}
