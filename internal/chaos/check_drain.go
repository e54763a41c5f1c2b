package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// checkDrain sees that nobody was told anything of the streamers who were on a node when it was restarted in order, for
// as long as that is the only fault there is, and the streamer did nothing else meanwhile.
func checkDrain(n *Notes) (found []Violation) {
	happenings, t := n.happenings(), n.truth()
	for k, f := range n.Faults {
		if f.Kind != Rolling {
			continue
		}
		over := min(f.To, f.From+30*second)
		for _, hold := range t.holds {
			if hold.conn.Node != f.Node || !hold.covers(f.From-nearly, f.From) {
				continue
			}
			for _, h := range happenings[hold.actor.Name] {
				if h.Made < f.From || h.Made > over+settling || !tells(h.Kind) {
					continue
				}
				others := slices.ContainsFunc(n.Faults, func(g Fault) bool {
					return g != n.Faults[k] && (g.Kind.ofRedis() || g.Kind.ofNode()) && g.overlaps(f.From-settling, h.Made)
				})
				if others || hold.actor.acted(f.From-2*nearly, h.Made+nearly/10) {
					continue
				}
				found = append(found, Violation{
					Kind: badDrain, At: h.first, Room: h.Room, Broadcast: h.Broadcast,
					Text: fmt.Sprintf("%s %s at %s, and its streamer was on %s when that was restarted at %s, and did nothing but follow",
						h.Kind, h.Reason, clock(h.Made), f.Node, clock(f.From)),
				})
			}
		}
	}
	return found
}

// tells reports whether an event speaks of the streamer's coming and going.
func tells(kind string) bool {
	return strings.HasPrefix(kind, "streamer.") || strings.HasPrefix(kind, "live.") && kind != "live.updated"
}

// acted reports whether the streamer did anything, in that time, that the room may be told of.
func (a *Actor) acted(from, to Instant) bool { return a.actedBut(-1, from, to) }

// actedBut leaves out one of the acts.
func (a *Actor) actedBut(but int, from, to Instant) bool {
	for k, act := range a.Acts {
		acked := act.Acked
		if acked == never {
			acked = forever
		}
		if act.Kind == ActDrop {
			acked += act.Away + settling
		}
		if k != but && act.Kind != ActUpdate && act.Sent <= to && from <= acked {
			return true
		}
	}
	return false
}
