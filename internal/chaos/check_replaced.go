package chaos

import (
	"fmt"
	"slices"
)

// checkReplaced looks at streamers who joined over a newer connection while the old one was open: the service closes
// the old one with 4409, and the room is told nothing.
func checkReplaced(n *Notes) (found []Violation) {
	happenings := n.happenings()
	for _, a := range n.Actors {
		for k, act := range a.Acts {
			if act.Kind != ActRenew {
				continue
			}
			old, node := a.conn(act.Old), a.node(act.Conn)
			bad := func(at Instant, broadcast, format string, args ...any) {
				found = append(found, Violation{
					Kind: badReplaced, At: at, Room: a.Name, Broadcast: broadcast,
					Text: fmt.Sprintf("connection %d to %s has joined at %s in place of %d to %s: ", act.Conn, node, clock(act.Acked), old.N, old.Node) +
						fmt.Sprintf(format, args...),
				})
			}
			if old.End == EndSpare && !n.disturbed(act.Sent, old.Closed, old.Node, node) {
				bad(old.Closed, "", "the old one was not closed")
			}
			over := act.Acked + 2*nearly
			if n.disturbed(act.Sent, over, old.Node, node) || a.actedBut(k, act.Sent-2*nearly, over) {
				continue
			}
			for _, h := range happenings[a.Name] {
				if h.Made >= act.Sent && h.Made <= over && tells(h.Kind) {
					bad(h.first, h.Broadcast, "%s %s was told at %s", h.Kind, h.Reason, clock(h.Made))
				}
			}
		}
	}
	return found
}

// conn returns the connection with a number.
func (a *Actor) conn(number int) *Conn {
	k := slices.IndexFunc(a.Conns, func(c *Conn) bool { return c.N == number })
	if k < 0 {
		return &Conn{N: number, Closed: never}
	}
	return a.Conns[k]
}
