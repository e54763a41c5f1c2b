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
//
// A streamer who asked for a window shorter than a node's death needs to be noticed, and whose node was frozen or cut
// off, may be heard to have ended within the 25 s: there two promises contradict each other, and the window is the one
// that was chosen.
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
					if n.heldWrongly(t, hold, h) {
						bad("while its streamer was on connection %d to %s since %s, and had heard from it at %s",
							hold.conn.N, hold.conn.Node, clock(hold.from), clock(hold.conn.lastHeard(h.Made)))
					}
				}
			}
		}
	}
	return found
}

// heldWrongly reports whether a broadcast ended while this hold was good.
func (n *Notes) heldWrongly(t *truth, hold hold, end happening) bool {
	heard := hold.conn.lastHeard(end.Made)
	if !hold.covers(end.Made, end.Made) || heard < end.Made-hearing+nearly {
		return false
	}
	w, asked := t.window(end.Broadcast)
	return !(asked && w < nodeLostWindow && n.nodeFault(heard, end.Made, hold.conn.Node))
}

// checkLost looks at the streamers who found that their broadcast is no more, whether anybody was told of an end or not:
// were they away for less than the window?
//
// When Redis loses what it knew while the node that could put it back is being killed, nobody is left to know better.
// That is not held against the service.
func checkLost(n *Notes) (found []Violation) {
	t := n.truth()
	for _, a := range n.Actors {
		for _, act := range a.Acts {
			if act.Kind != ActLost {
				continue
			}
			var last *hold
			for _, h := range t.of[act.Broadcast] {
				if h.from <= act.Sent && (last == nil || h.alive() > last.alive()) {
					last = &h
				}
			}
			if last == nil {
				continue
			}
			alive := min(last.alive(), act.Sent)
			died := slices.ContainsFunc(n.Faults, func(f Fault) bool {
				return (f.Kind == Kill || f.Kind == Freeze) && f.Node == last.conn.Node && f.overlaps(alive-nearly, act.Sent)
			})
			wiped := slices.ContainsFunc(n.Faults, func(f Fault) bool {
				return f.Kind.wipes() && f.overlaps(alive-settling, act.Sent)
			})
			w, asked := t.window(act.Broadcast)
			if died && !asked {
				w = nodeLostWindow
			}
			away := act.Sent - alive
			if away >= w-nearly || died && wiped {
				continue
			}
			found = append(found, Violation{
				Kind: badLost, At: act.Acked, Room: a.Name, Broadcast: act.Broadcast,
				Text: fmt.Sprintf("its streamer was away for %s of a window of %s (last on connection %d to %s, which was %s at %s) and came to know at %s that it is over",
					clock(away), w, last.conn.N, last.conn.Node, orOpen(last.conn.End), clock(last.conn.closed()), clock(act.Acked)),
			})
		}
	}
	return found
}

func orOpen(e End) End {
	if e == EndOpen {
		return "open"
	}
	return e
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
