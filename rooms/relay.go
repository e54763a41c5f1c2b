package rooms

import (
	"context"
	"time"

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
	// Noted: it is kept as a presence.NoteChat as well, in the same step.
	Noted bool
	// Slow, if not 0, is how long ago the sender must have published anything
	// else under it in this room: a *TooSoon says that it was not. What a Key was
	// used for already is not looked at again.
	Slow time.Duration
}

// Snapshot is a room at one moment: everything up to and including Position.
type Snapshot struct {
	Position
	Events []*Event // those still kept, oldest first
	View   presence.View
}

// Attendance is what a node says of a room's viewers on it.
type Attendance struct {
	Room    string
	Viewers int // how many are here
	// Broadcast is one that is watched here, or was until it was Over. Empty:
	// there is none, and the rest means nothing.
	Broadcast string
	Over      bool
	// Watching is how many have watched it since Since, and Watched how long all
	// who did so before then, together, in ms. That is no time.Duration because
	// ten million viewers fill one in 16 minutes.
	Watching int
	Since    time.Time
	Watched  int64
	// Users are the viewers of the broadcast who came since the last report, at
	// least.
	Users []string
}

// Audience is what all nodes have said of those who watched a broadcast.
type Audience struct {
	Known   bool  // somebody has said something; otherwise the rest means nothing
	Unique  int64 // how many users, give or take a percent if they are many
	Watched int64 // how long, all together, in ms
}

// audienceKept is how long an audience is kept after the last report, and
// audienceAsked after it was asked for: its asker has it then, but for a
// database that is away, or another node that asks the same.
const (
	audienceKept  = 7 * 24 * time.Hour
	audienceAsked = time.Hour
)

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
	// Repeat says that what this node reported of a room is lost, or may be. All
	// of it is to be reported again, and everybody who is there is a new user.
	Repeat(room string)
	// Reactions are what a node, this one included, has published of a room that
	// has a receiver here, and maybe of others. counts must not be kept.
	Reactions(room string, counts map[string]int)
	// TakeSignal hands a signal to its addressee on this node, in the order of the
	// calls. answered is called once, possibly from another goroutine, with what
	// became of it; it must not block.
	TakeSignal(s Signal, answered func(error))
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
	// Report says how many viewers of each of these rooms are on this node, and
	// what it knows of the audience of a broadcast there. It returns what became
	// of each, in their order. All numbers are totals: reporting them again, or
	// after a failure, changes nothing. Where there is nothing new it does nothing;
	// that more was watched because time has passed is not new. Calls must not
	// overlap, nor name a room twice. It blocks on the store, for as long as one
	// round trip to it takes.
	Report(context.Context, []Attendance) []error
	// Audience returns who watched a broadcast until then. Where a node has not
	// reported since, its viewers are taken to have stayed until then, or until
	// the node was found dead.
	Audience(ctx context.Context, room, broadcast string, until presence.Millis) (Audience, error)
	// React hands the reactions of these rooms to the sinks of all nodes that have a
	// receiver there. They are not kept: who does not hear them at once never does.
	// It blocks on the store for as long as one round trip to it takes; if it fails,
	// some may have been handed on.
	React(context.Context, []Reactions) error
	// Command carries a command to the node, or nodes, that it is for.
	// ErrNodeGone if it names a node that is not there.
	Command(context.Context, Command) error
	// Members returns one page of a room's members on all living nodes, ordered
	// by id. It blocks until they have answered, for a second at most.
	Members(ctx context.Context, room string, first int, after string) Roster
	// Signal carries a signal to another node, whose sink takes it. It blocks
	// until the signal is on its way; what became of it is told to answered, once,
	// possibly from another goroutine, which must not block: what the node says,
	// ErrPeerGone if there is no such node, or presence.ErrUnavailable if it does
	// not say anything for SignalWithin. Then the signal may arrive or not.
	Signal(ctx context.Context, node string, s Signal, answered func(error))
	// Peerings returns the sessions that a room's streamer has open, as kept by
	// KeepPeerings, which adds and replaces, until they are dropped: one by one,
	// all of a room, or an hour after the last was kept.
	Peerings(ctx context.Context, room string) ([]Peering, error)
	KeepPeerings(ctx context.Context, room string, kept []Peering) error
	DropPeering(ctx context.Context, room, session string) error
	DropPeerings(ctx context.Context, room string) error
}

// SignalWithin is how long a node has to say what became of a signal.
const SignalWithin = 2 * time.Second
