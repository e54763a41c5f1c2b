package rooms

import (
	"context"

	"github.com/tallylight/tallylight/presence"
)

// Publication is what somebody wants to say in a room.
type Publication struct {
	Room string
	Name string
	From *Sender
	Data []byte // JSON
	// Key, if not empty, makes the publication idempotent for KeyAge: the same
	// key in the same room is published once.
	Key string
}

// Snapshot is a room at one moment: everything up to and including Position.
type Snapshot struct {
	Position
	Events []*Event // those still kept, oldest first
	View   presence.View
}

// Receiver is a node's replica of one room. The relay calls it in order and
// never at the same time; calls must not block, nor call the relay.
type Receiver interface {
	// Reset replaces everything: it comes first, and again whenever the relay
	// can't prove that nothing was missed.
	Reset(Snapshot)
	// Deliver hands over the event that follows the last one.
	Deliver(*Event)
}

// Sink is what a relay tells a node beside the rooms' events. Calls must not
// block, nor call the relay.
type Sink interface {
	// Command is for sessions of this node.
	Command(Command)
	// OtherViewers says how many viewers of a room are on other living nodes.
	OtherViewers(room string, viewers int)
	// Members returns the first members of a room on this node whose ids are
	// above after, in order, and whether there are more.
	Members(room string, first int, after string) (members []Member, more bool)
}

// Relay positions, keeps and distributes the events of rooms between nodes.
// Both implementations pass the same suite.
type Relay interface {
	// Attach names the node's sink. It comes before all other calls, once.
	Attach(Sink)
	// Publish gives the event its position, keeps it and delivers it to every
	// subscribed node, all in one step. It may block on the store, never on a
	// reader.
	Publish(context.Context, Publication) (Position, error)
	// Apply moves the transitions of a partition that no room was told of yet
	// into their rooms, in order and each once, whoever calls how often.
	Apply(ctx context.Context, partition int) error
	// Subscribe feeds the receiver until Unsubscribe. When it returns without
	// error, the receiver has been Reset.
	Subscribe(ctx context.Context, room string, r Receiver) error
	// CatchUp returns when a subscribed receiver has been handed everything that
	// was published before the call. If it fails, that follows a little later.
	CatchUp(ctx context.Context, room string, r Receiver) error
	// Unsubscribe ends what Subscribe began for this receiver, and no other's.
	// No call of the receiver begins after it returned.
	Unsubscribe(room string, r Receiver)
	// ReportViewers says how many viewers of the room are on this node.
	ReportViewers(ctx context.Context, room string, viewers int) error
	// Command carries a command to the node, or nodes, that it is for.
	// ErrNodeGone if it names a node that is not there.
	Command(context.Context, Command) error
	// Members returns one page of a room's members on all living nodes, ordered
	// by id. It blocks until they have answered, for a second at most.
	Members(ctx context.Context, room string, first int, after string) Roster
}
