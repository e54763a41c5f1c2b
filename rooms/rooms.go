// Package rooms carries what the people around a live stream say to each
// other: who is a member of a room, what happens in it, and in which order.
//
// # What is promised
//
// Every event of a room has a position: an epoch and an offset that grows by
// one. It gets the position in the same step in which it is logged and
// published, so all members on all nodes see the same events in the same
// order. A member receives events in order, without gaps and without repeats,
// beginning right after the snapshot that its Joined carries: snapshot and
// enrolment are one step. A member that was away names the last position it
// saw and gets what it missed, if that can still be proven; otherwise the
// snapshot is the truth.
//
// # Who does what
//
// A Relay positions, keeps and distributes events. The Hub of each node holds
// a replica of every room that has members there (room), so that joining costs
// the relay nothing, and delivers to the sessions. What happens to the
// streamer's lease reaches a room through the log of package presence alone:
// Relay.Apply moves transitions into the rooms' own logs.
//
// Reactions are no events: each node adds up what its members say, publishes the
// sums once a second, and tells them the sums of all nodes (reactions).
//
// Signals are no events: each goes from one member to one other, by way of the
// relay if that is on another node. The streamer's node keeps the sessions that
// they belong to (peerings), and the viewer's node those of its own members
// (peers), to say goodbye for whoever can't.
//
// What moderators do is in package moderation. The hub carries it out: it looks at
// who may (moderate.go), puts out who is there (expel.go), and tells the room
// (deeds.go).
//
// # Locks
//
// In this order, each released before the one on its left: peerings.mu, under
// which the store is asked, a relay's lock of a room, room.mu, then one of a
// session's queue, ledger.mu, Hub.peerMu, Hub.countMu and the book's. The
// relay's lock of what it counts comes before Hub.countMu too. Hub.mu and
// reactions.mu are never held together with any.
package rooms

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Limits of what a room keeps and says.
const (
	// LogEvents and LogAge: an event is gone when it is not among the last so
	// many, or is older.
	LogEvents = 256
	LogAge    = 10 * time.Minute
	// SnapshotChat is how many chat events a member gets that could not, or did
	// not want to, recover.
	SnapshotChat = 50
	// MaxRecovered is how many bytes of missed events are replayed: half of
	// what may wait for a connection. Who missed more gets the snapshot.
	MaxRecovered = 128 << 10
	// MaxSnapshotChat is how many bytes of chat the snapshot carries.
	MaxSnapshotChat = 64 << 10
)

// Position is where an event stands in its room.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset int64  `json:"offset"`
}

// Sender is who said something, as the others may know them.
type Sender struct {
	ID   string    `json:"id"` // the user, not the connection
	Name string    `json:"name,omitempty"`
	Role auth.Role `json:"role"`
}

// Event is something that happened in a room. It is immutable.
type Event struct {
	Position
	Room string
	Name string
	From *Sender // nil when the service itself says it
	At   presence.Millis
	Data json.RawMessage
	// After is the view of the room's streamer from this event on, or nil if
	// the event says nothing of them.
	After *presence.View

	message []byte
	deleted bool // a line of chat that was blanked
}

// blank returns the event as it is told once a moderator has deleted it: in its
// place, but without what was said.
func (e *Event) blank() *Event {
	b := *e
	b.Data, b.deleted = json.RawMessage(`{"text":"","deleted":true}`), true
	b.encode()
	return &b
}

// Message returns the event as members receive it, encoded once however many
// there are. It must not be modified.
func (e *Event) Message() []byte { return e.message }

// broadcast returns the one that the event is about, or else the given one.
func (e *Event) broadcast(last *presence.Broadcast) *presence.Broadcast {
	switch {
	case e.After.Broadcast != nil:
		return e.After.Broadcast
	case e.Name != string(presence.LiveEnded):
		return last
	}
	var ended BroadcastData
	if json.Unmarshal(e.Data, &ended) != nil || ended.Broadcast == nil {
		return last // not ours to judge here: whoever reads it will complain
	}
	return ended.Broadcast
}

// Command reaches sessions, or nodes, wherever they are.
type Command struct {
	Node       string // which node; empty: all nodes
	Connection string // which connection
	Cut        Cut
	Drain      bool // the node itself is to send everybody away
	Moderated  bool // there is news in the audit
}

// Cut says why a session is ended from outside. The front door turns it into a
// close code.
type Cut string

const (
	// CutReplaced: a newer connection of the same streamer holds the room.
	CutReplaced Cut = "replaced"
	// CutLost: the room's lease ended without the connection's knowing, while its
	// node was cut off. Its client must come back and see how things stand.
	CutLost Cut = "lost"
	// CutRevoked: the connection's token was revoked.
	CutRevoked Cut = "revoked"
)

// Errors that tell a front door what to answer.
var (
	// ErrNotJoined: the connection is not a member of the room.
	ErrNotJoined = errors.New("the connection has not joined this room")
	// ErrRole: the connection is a member in another role.
	ErrRole = errors.New("the connection joined this room in another role")
	// ErrNodeGone: no node of that name hears commands.
	ErrNodeGone = errors.New("there is no such node")
	// ErrKeyReused: the idempotency key was used for another publication.
	ErrKeyReused = errors.New("the idempotency key was used for another event")
)
