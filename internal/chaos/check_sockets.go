package chaos

import (
	"fmt"
	"slices"
	"time"
)

// checkClosed finds sockets that the service ended although nothing was wrong with the node, and nobody had asked for
// it. What Redis does is never a reason.
func checkClosed(n *Notes) (found []Violation) {
	for a, c := range n.conns() {
		if c.End != EndServer && c.End != EndLost || n.explains(a, c) {
			continue
		}
		how := "without a close frame"
		if c.End == EndServer {
			how = fmt.Sprintf("with %d", c.Code)
		}
		found = append(found, Violation{
			Kind: badClosed, At: c.Closed, Room: roomOf(c), Actor: a.Name,
			Text: fmt.Sprintf("connection %d to %s via %s, open since %s, was closed %s", c.N, c.Node, c.Via, clock(c.Opened), how),
		})
	}
	return found
}

// explains finds a reason for the end of a connection that its client had not wanted.
func (n *Notes) explains(a *Actor, c *Conn) bool {
	if n.nodeFault(c.Closed-settling-2*nearly, c.Closed+nearly, c.Node) {
		return true
	}
	// One that did not read did not answer pings either.
	if slices.ContainsFunc(a.Slow, func(s Span) bool { return s.From <= c.Closed && c.Closed <= s.To+noticing }) {
		return true
	}
	if c.Code == closedSilent && a.Streamer && c.Closed-c.Spoke > speaking-nearly {
		return true
	}
	return c.Code == closedReplaced && slices.ContainsFunc(a.Conns, func(o *Conn) bool {
		// Whichever joined last: a join may take long, and its client may have given up by then.
		return o != c && a.Streamer && o.closed() > c.Opened-time.Minute && o.Opened <= c.Closed
	})
}

// The codes with which a streamer's socket is closed although the node is well.
const (
	closedSilent   = 4408
	closedReplaced = 4409
)

// speaking is how long a streamer's app may say nothing: two beats, and some.
const speaking = 125 * time.Second

// checkSpeechless finds streamers whose app said nothing for longer than it may, and whose connection stayed.
func checkSpeechless(n *Notes) (found []Violation) {
	for a, c := range n.conns() {
		by := c.Spoke + frozen + soon
		if !a.Streamer || min(c.closed(), n.Ended) <= by || n.disturbed(c.Spoke, by, c.Node) {
			continue
		}
		found = append(found, Violation{
			Kind: badSpeechless, At: by, Room: a.Name, Actor: a.Name,
			Text: fmt.Sprintf("connection %d to %s has sent nothing since %s, and is open", c.N, c.Node, clock(c.Spoke)),
		})
	}
	return found
}

func roomOf(c *Conn) string {
	for _, i := range c.Items {
		return i.Room
	}
	return "(none)"
}

// checkActs looks at the answers to what streamers asked for.
func checkActs(n *Notes) (found []Violation) {
	ends := n.ends()
	for _, a := range n.Actors {
		for _, act := range a.Acts {
			bad := func(kind string, at Instant, format string, args ...any) {
				found = append(found, Violation{Kind: kind, At: at, Room: a.Name, Broadcast: act.Broadcast, Text: fmt.Sprintf(format, args...)})
			}
			node := a.node(act.Conn)
			e, ended := ends[act.Broadcast]
			switch {
			case act.Refused != "":
				bad(badRefused, act.Acked, "%s, sent at %s, was refused with %s", act.Kind, clock(act.Sent), act.Refused)
			case act.Acked == never && !n.couldAsk(a, max(act.Sent, act.Tried)): // its streamer stayed away, and had nowhere to send it
			case act.Acked == never && n.settledBy(act.Sent, time.Minute, n.nodes()...) < n.Ended:
				bad(badUnsettled, n.Ended, "%s, sent at %s and %d times in all, is not answered: %s", act.Kind, clock(act.Sent), act.Tries, act.Last)
			case act.Kind == ActStart && act.Acked != never && ended && e.first+soon < act.Sent:
				bad(badGhost, act.Acked, "start was answered with a broadcast of which live.ended was told at %s", clock(e.first))
			case act.Kind == ActGhost && !n.disturbed(act.Acked-2*nearly, act.Acked, node) &&
				!a.ending(Item{At: act.Acked, Sent: act.Sent, Broadcast: act.Broadcast}):
				bad(badGhost, act.Acked, "its streamer, who had ended it, is told on %s that it runs", node)
			}
		}
	}
	return found
}

// asking is how long a request that is on its way, or was not answered, may keep its streamer from sending it again: the
// wait for the answer, the pause after it, and what a busy machine adds.
const asking = beatAnswer + time.Second + 2*nearly

// couldAsk reports whether, after this, the actor had a connection for so long that they must have sent a request again.
func (n *Notes) couldAsk(a *Actor, at Instant) bool {
	return slices.ContainsFunc(a.Conns, func(c *Conn) bool {
		return min(c.closed(), n.Ended)-max(c.Opened, at) > asking
	})
}

// node returns the node that a connection of the actor is to.
func (a *Actor) node(conn int) string { return a.conn(conn).Node }

// nodes returns the names of all nodes.
func (n *Notes) nodes() (names []string) {
	for _, l := range n.Polls {
		names = append(names, l.Node)
	}
	return names
}
