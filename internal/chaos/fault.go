package chaos

import (
	"fmt"
	"slices"
	"time"
)

// Kind names a kind of fault, as -chaos.faults does.
type Kind string

const (
	Kill       Kind = "kill"        // SIGKILL of a node, which is started again
	Freeze     Kind = "freeze"      // SIGSTOP, then SIGCONT
	Rolling    Kind = "rolling"     // SIGTERM, and a new start once it has ended
	Isolate    Kind = "isolate"     // one node is cut off from Redis
	Clients    Kind = "clients"     // one node is cut off from its clients and from nginx: what is connected is reset
	Silence    Kind = "silence"     // as clients, without RST or FIN: nothing comes, nothing goes
	RedisCut   Kind = "redis-cut"   // all nodes are cut off from Redis
	RedisEmpty Kind = "redis-empty" // Redis is killed and comes back with nothing
	RedisOld   Kind = "redis-old"   // Redis is killed and comes back with what it had some time ago
	Flush      Kind = "flush"       // FLUSHALL
	Sleep      Kind = "sleep"       // Redis answers nobody for a while
	Slow       Kind = "slow"        // some viewers stop reading
	Apps       Kind = "apps"        // the apps of some streamers freeze: pongs come, messages do not
)

// Kinds are all of them.
var Kinds = []Kind{Kill, Freeze, Rolling, Isolate, Clients, Silence, RedisCut, RedisEmpty, RedisOld, Flush, Sleep, Slow, Apps}

// ofRedis: it concerns all nodes alike, and no socket.
func (k Kind) ofRedis() bool {
	return k == RedisCut || k == RedisEmpty || k == RedisOld || k == Flush || k == Sleep
}

// ofNode: it concerns one node, and those who are connected to it.
func (k Kind) ofNode() bool {
	return k == Kill || k == Freeze || k == Rolling || k == Isolate || k == Clients || k == Silence
}

// ofClients: it concerns some of the clients, and nobody else.
func (k Kind) ofClients() bool { return k == Slow || k == Apps }

// wipes: what Redis knew is gone, or is what it once knew.
func (k Kind) wipes() bool { return k == RedisEmpty || k == RedisOld || k == Flush }

// Fault is something that was broken for a time.
type Fault struct {
	Kind   Kind
	Node   string `json:",omitempty"` // of those that concern one
	From   Instant
	To     Instant // when it was repaired: restarted nodes serve and are ready by then; forever: not yet
	Silent bool    `json:",omitempty"` // cut from Redis without FIN or RST
	// Saved is when the dump was taken that redis-old comes back with.
	Saved Instant `json:",omitempty"`
	// Exited is when the drained process had ended.
	Exited Instant `json:",omitempty"`
}

func (f Fault) String() string {
	s := string(f.Kind)
	if f.Node != "" {
		s += " " + f.Node
	}
	if f.Silent {
		s += " silently"
	}
	if f.Kind == RedisOld {
		s += fmt.Sprintf(" from a dump of %s", clock(f.Saved))
	}
	return s
}

// clock writes an instant for a person.
func clock(at Instant) string {
	switch at {
	case never:
		return "never"
	case forever:
		return "(not yet)"
	}
	return fmt.Sprintf("%.1fs", at.Seconds())
}

func (f Fault) overlaps(from, to Instant) bool { return f.From <= to && from <= f.To }

// settling is how long after a repair everything must be in order again: the "10 s" of the promises.
const settling = 10 * time.Second

// concerns reports whether the fault may explain something odd about these nodes.
func (f Fault) concerns(nodes ...string) bool {
	return f.Kind.ofRedis() || f.Kind.ofNode() && slices.Contains(nodes, f.Node)
}

// disturbed reports whether, at any time between the two, a fault was there, or was repaired less than 10 s before,
// that concerns one of the nodes.
func (n *Notes) disturbed(from, to Instant, nodes ...string) bool {
	return slices.ContainsFunc(n.Faults, func(f Fault) bool {
		return f.concerns(nodes...) && f.overlaps(from-settling, to)
	})
}

// nodeFault reports whether one of the faults that reach sockets of a node was there between the two times.
func (n *Notes) nodeFault(from, to Instant, node string) bool {
	return slices.ContainsFunc(n.Faults, func(f Fault) bool {
		return f.Kind.ofNode() && f.Node == node && f.overlaps(from, to)
	})
}

// settledBy returns when something that is due at a time must have happened: patience later, or that long (but not less
// than 10 s) after the last of those faults concerning the nodes that leave no time between them.
func (n *Notes) settledBy(due Instant, patience time.Duration, nodes ...string) Instant {
	deadline := due + patience
	for moved := true; moved; {
		moved = false
		for _, f := range n.Faults {
			if f.concerns(nodes...) && f.overlaps(due-settling, deadline) {
				if f.To == forever {
					return forever
				}
				if after := f.To + max(patience, settling); after > deadline {
					deadline, moved = after, true
				}
			}
		}
	}
	return deadline
}

// near lists the faults around a time, for a person.
func (n *Notes) near(at Instant) string {
	text := ""
	for _, f := range n.Faults {
		if f.overlaps(at-20*second, at+2*second) {
			text += fmt.Sprintf("; %s %s–%s", f, clock(f.From), clock(f.To))
		}
	}
	if text == "" {
		return "no fault near"
	}
	return text[2:]
}
