package presence

import (
	"context"
	"time"
)

// Claim asks for a room's lease.
type Claim struct {
	Room       string
	User       User
	Connection string
	Node       string
	Life       string // the node's, see Nodes; empty for one that runs alone
}

// Claimed is the answer to a Claim.
type Claimed struct {
	Lease Lease
	// Replaced names the connection of the same user that held the lease until
	// now, if one did: it must be closed with 4409. Its fence is void already.
	Replaced     string
	ReplacedNode string
	// Began: nobody held the lease before, nor was waited for.
	Began bool
}

// Hold names a lease together with the fence under which it is held.
type Hold struct {
	Room  string
	Fence Fence
}

// Handover is a lease that is handed over, and how long it then waits for its
// next claim.
type Handover struct {
	Hold
	Wait time.Duration
}

// Start is what live.start asks for. A nil Window means the defaults.
type Start struct {
	Details
	Window *time.Duration
}

// Changes are the details to change; nil fields stay as they are.
type Changes struct {
	Title    *string
	Category *string
	Language *string
	Tags     *[]string
}

// Leases are the reads and writes of presence records. Each write is one
// atomic step together with the transitions that it appends to the log. All may block on the store; a
// context that ends meanwhile leaves the outcome unknown (ErrUnavailable), and
// every one of them may then be repeated.
type Leases interface {
	// Claim makes the connection the room's streamer: from offline (announced
	// as streamer.online), inside the window (live.resumed), or in place of an
	// older connection of the same user, which is no transition. It fails with
	// ErrConflict while another user holds the room. Claiming again over the
	// connection that holds the lease changes nothing.
	Claim(context.Context, Claim) (Claimed, error)
	// Unclaim is for a claim that was not answered, whose connection is gone and
	// claims nothing any more: it may have been carried out, or may be yet. If it
	// was, whoever it took the lease from has it back, unless they are gone too:
	// then it is released for ReasonConnectionLost. If it was not, it never will.
	Unclaim(context.Context, Claim) error
	// Start begins a broadcast. While one is running it is returned unchanged.
	Start(context.Context, Hold, Start) (Lease, error)
	// Update changes the details of the running broadcast. With nothing live,
	// or nothing changed, it is no transition.
	Update(context.Context, Hold, Changes) (Lease, error)
	// End ends the running broadcast, if there is one; the holder stays online.
	End(context.Context, Hold, Reason) (Lease, error)
	// Release gives the lease up. A live broadcast then waits for its streamer
	// if the reason allows it, and ends otherwise. A fence that is not the
	// holder's gets ErrFenced: the lease is somebody else's by now. While the
	// streamer is waited for, the last holder's fence still serves to end it.
	Release(context.Context, Hold, Reason) error
	// HandOver is for holders whose node is about to go. Their leases stay as
	// they are, even if they are released for a reason that opens a window, until
	// the next claim, which is no transition. Whoever has not come when the wait
	// is over is released for ReasonDrain. Holds that are void are passed over.
	HandOver(context.Context, []Handover) error
	// Get returns the room's lease as it stands, offline if nobody holds it.
	Get(ctx context.Context, room string) (Lease, error)
	// GetAll is Get for several rooms, in their order. Each is as it stands, all
	// together may be of different moments. It is all or nothing.
	GetAll(ctx context.Context, rooms []string) ([]Lease, error)
	// Beat notes that the holders were heard from. Holds whose lease somebody
	// has taken over are returned: their connections may not know yet, if what
	// should have told them was lost. Those whose lease ended are passed over.
	Beat(context.Context, []Hold) (replaced []Hold, err error)
}

// Log is what the followers of presence read. A partition's transitions are in
// the order in which they happened; between partitions there is no order.
type Log interface {
	// Load returns all leases of the partition that are not offline, and the
	// position of the last transition that they reflect, in one step.
	Load(ctx context.Context, partition int) ([]Lease, uint64, error)
	// Read returns at most max transitions after the position, oldest first. If
	// some of those are gone, it returns what follows them, and ErrTrimmed.
	Read(ctx context.Context, partition int, after uint64, max int) ([]Transition, error)
	// Acked returns the position up to which a durable follower has finished,
	// on whatever node it ran; one that is new begins with the oldest that is kept.
	Acked(ctx context.Context, follower string, partition int) (uint64, error)
	// Ack tells that a durable follower has finished with everything up to the
	// position: the log is kept until all of them have.
	Ack(ctx context.Context, follower string, partition int, upTo uint64) error
	// Watch calls wake whenever a partition has news. Calls may be late or
	// lost, so a follower also polls. wake must not block nor call the store.
	Watch(wake func(partition int)) (stop func())
}

// Due is a partition that is to be swept, unless that was done less than Lag
// ago, by whichever node.
type Due struct {
	Partition int
	Lag       time.Duration
}

// Store keeps leases, and what there is to say about them. Both implementations pass
// the same suite.
type Store interface {
	Leases
	Log
	Notes
	// Sweep lets go of the leases of these partitions that dead nodes held, ends
	// the broadcasts whose window has passed and the handovers whose wait is
	// over, and says how many it changed. The clock of each partition is its own:
	// see Sweeper. It is one atomic step for each; one that fails does not keep
	// it from the others, unless the store can't be reached at all.
	Sweep(context.Context, ...Due) (changed int, err error)
}
