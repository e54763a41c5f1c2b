// Package presence knows who is live.
//
// A room has at most one streamer, and their presence is one record: the
// lease. It says who holds the room, over which connection, and whether they
// broadcast. Every write to a lease is compare-and-set on its fence, a number
// that only grows: whoever takes the lease over gets a new one, and whatever
// the previous holder still does with the old one is refused with ErrFenced.
// So the late cleanup of a dead socket cannot touch the session that came
// after it.
//
//	            Claim                 Start
//	offline ───────────▶ online ───────────────▶ live ◀──────────┐
//	   ▲                  │   ▲                  │  │            │ Claim
//	   │     Release      │   │       End        │  │ Release    │
//	   ├──────────────────┘   └──────────────────┘  ▼ (lost)     │
//	   └────────────────────────────────────── reconnecting ─────┘
//	         Sweep, when the window has passed
//
// Each arrow is a transition. Transitions are appended to a log in the same
// step that makes them; the directory, the rooms and the record of broadcasts
// follow that log and need nothing else, so that none of them can disagree
// with the lease for longer than it takes to read on.
package presence

import (
	"errors"
	"fmt"
	"time"
)

// State is what a room's streamer is doing.
type State string

const (
	StateOffline      State = "offline"      // nobody holds the room
	StateOnline       State = "online"       // connected as streamer, not broadcasting
	StateLive         State = "live"         // broadcasting
	StateReconnecting State = "reconnecting" // was live a moment ago, the window is still open
)

// OnAir reports whether the state has a broadcast.
func (s State) OnAir() bool { return s == StateLive || s == StateReconnecting }

// Reason says why a broadcast ended or its streamer is gone. The same string
// is the protocol's value, the metric label and the log field.
type Reason string

const (
	ReasonEndedByStreamer Reason = "ended_by_streamer"
	ReasonLeft            Reason = "left"
	ReasonConnectionLost  Reason = "connection_lost"
	ReasonNodeLost        Reason = "node_lost"
	ReasonDrain           Reason = "drain"
	ReasonEndedByAdmin    Reason = "ended_by_admin"
	ReasonKicked          Reason = "kicked"
	ReasonBanned          Reason = "banned"
	ReasonRevoked         Reason = "revoked"
	ReasonLost            Reason = "lost"
	// ReasonSilence is a lost connection that the server gave up because nothing
	// came from it any more. Its client may not know that yet. Others are told
	// ReasonConnectionLost.
	ReasonSilence Reason = "silence"
	// ReasonIsolated is only ever a reason to go to another node.
	ReasonIsolated Reason = "isolated"
)

// OpensWindow reports whether a holder who went for this reason may still come
// back to the same broadcast. All other reasons are final.
func (r Reason) OpensWindow() bool {
	return r == ReasonConnectionLost || r == ReasonSilence || r == ReasonNodeLost || r == ReasonDrain
}

// told is the reason that others are told.
func (r Reason) told() Reason {
	if r == ReasonSilence {
		return ReasonConnectionLost
	}
	return r
}

// unaware reports whether the streamer's client may not know yet that it is
// gone.
func (r Reason) unaware() bool {
	return r == ReasonSilence || r == ReasonNodeLost || r == ReasonDrain
}

// windows returns how long a streamer may be gone for this reason if live.start
// named nothing, and how long at least whatever it named.
func (r Reason) windows() (byDefault, least time.Duration) {
	byDefault = DefaultWindow
	if r == ReasonNodeLost {
		byDefault = NodeLostWindow
	}
	if r.unaware() {
		least = LeastWindow
	}
	return max(byDefault, least), least
}

// The windows that apply when live.start named none.
const (
	// DefaultWindow is how long a streamer whose connection broke may be gone.
	DefaultWindow = 15 * time.Second
	// NodeLostWindow is longer because a client may need 25 s to notice that
	// its node is gone before it can even start to come back.
	NodeLostWindow = 45 * time.Second
	// LeastWindow is how long it is at least, whatever live.start named, when the
	// streamer's client may not know yet that it is gone: because its node went,
	// or the network fell silent. It may have heard from us a moment ago, and only
	// after 25 s of silence must it know better.
	LeastWindow = 25 * time.Second
	// MaxWindow is the longest window that live.start may ask for.
	MaxWindow = 30 * time.Minute
)

// Millis is an instant in Unix milliseconds, the unit of the socket protocol.
type Millis int64

// MillisOf returns t in Unix milliseconds.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time returns the instant in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Time is an instant as HTTP tells it: RFC 3339, in UTC, with milliseconds.
type Time Millis

// TimeLayout is its form.
const TimeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(Millis(t).Time().Format(TimeLayout)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339, string(text))
	*t = Time(MillisOf(at))
	return err
}

// Fence orders the holders of a lease: it is larger with every claim, in every
// room and over every restart of the store.
type Fence int64

// User is whoever a token's sub names.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Details are what a streamer says about their broadcast.
type Details struct {
	Title    string   `json:"title,omitempty"`
	Category string   `json:"category,omitempty"`
	Language string   `json:"language,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

// Broadcast is one period of being live. It survives reconnects inside the
// window. A Broadcast is never modified once it was handed out: a change makes
// a new one.
type Broadcast struct {
	ID string `json:"id"` // UUIDv7
	Details
	StartedAt Millis `json:"started_at"`
	// Version grows by one with each transition of the broadcast, so that
	// whoever is told of one twice, or late, can see it.
	Version int64 `json:"version"`
}

// Holder names the socket over which a lease is held. All but Fence are empty
// while the state is reconnecting: nobody holds the lease then.
type Holder struct {
	Connection string
	Node       string
	// Life is the node's life as the registry knows it, see Nodes. It is empty
	// after a handover: the lease does not depend on the node any more.
	Life  string
	Fence Fence
}

// Lease is a room's presence record.
type Lease struct {
	Room  string
	State State
	User  User
	Holder

	// Handed: the holder's node handed the lease over because it is going. It
	// stays as it is, whether or not the socket still does, until the next
	// claim or the end of the handover.
	Handed bool

	Broadcast *Broadcast     // nil unless on air
	Window    *time.Duration // as asked for at the start; nil: the defaults
	Until     Millis         // reconnecting: when the window is expected to end
	Reason    Reason         // reconnecting: why
	LastSeen  Millis         // last claim, heartbeat or loss

	// Of the state machine alone.
	wait     time.Duration // of the handover
	replaced *replaced     // the last one
}

// View is what everybody may know about a room's streamer, in the form in
// which the protocol tells it.
type View struct {
	State     State      `json:"state"`
	User      *User      `json:"user,omitempty"`
	Broadcast *Broadcast `json:"broadcast,omitempty"`
	Until     Millis     `json:"until,omitempty"`
	Reason    Reason     `json:"reason,omitempty"`
}

// Offline is the view of a room that nobody holds.
var Offline = View{State: StateOffline}

// View returns what everybody may know of the lease.
func (l *Lease) View() View {
	if l.State == StateOffline || l.State == "" {
		return Offline
	}
	user := l.User
	return View{State: l.State, User: &user, Broadcast: l.Broadcast, Until: l.Until, Reason: l.Reason}
}

// Kind names a transition; it is also the name of the event that tells a room.
type Kind string

const (
	StreamerOnline   Kind = "streamer.online"
	StreamerOffline  Kind = "streamer.offline"
	LiveStarted      Kind = "live.started"
	LiveReconnecting Kind = "live.reconnecting"
	LiveResumed      Kind = "live.resumed"
	LiveUpdated      Kind = "live.updated"
	LiveEnded        Kind = "live.ended"
)

// These are no transitions, but stand in the log among them: all but LeaseMoved
// in that of the Redis store alone.
const (
	// LeaseRestored: the store had lost data, and a node put back a lease that
	// others may know in another form. Transition.After is how it is.
	LeaseRestored Kind = "lease.restored"
	// LeaseMoved: a newer connection of the same streamer holds the lease. The
	// log has it so that followers know who holds what.
	LeaseMoved Kind = "lease.moved"
	// epochBegan: the store lost data. Followers see a gap before it.
	epochBegan Kind = "epoch"
)

// Transition is a change of a lease that others must learn of.
type Transition struct {
	// Seq is the position in the log of the room's partition: 1, 2, 3, …
	Seq  uint64
	Room string
	Kind Kind
	At   Millis
	User User
	// Broadcast is the one that the transition is about, live.ended included.
	// It is nil for streamer.online and streamer.offline.
	Broadcast *Broadcast
	Reason    Reason // why, for live.reconnecting and live.ended
	Until     Millis // for live.reconnecting
	// After is the room's view once the transition has happened.
	After View
	// Holder and Window are the rest of what the lease is then, so that whoever
	// follows the log can put it back should the store lose it.
	Holder Holder
	Window *time.Duration
}

// lease returns the lease as it is once the transition has happened.
func (t *Transition) lease() Lease {
	l := Lease{
		Room: t.Room, State: t.After.State, User: t.User, Holder: t.Holder, Broadcast: t.After.Broadcast, Window: t.Window,
		Until: t.After.Until, Reason: t.After.Reason, LastSeen: t.At,
	}
	if t.After.User != nil {
		l.User = *t.After.User
	}
	return l
}

// Errors of a Store that its callers decide by.
var (
	// ErrConflict: another user holds the room until it is offline.
	ErrConflict = errors.New("another user is this room's streamer")
	// ErrFenced: the fence is not the holder's; somebody took the lease over,
	// or it ended. Nothing was changed.
	ErrFenced = errors.New("the lease is held under another fence")
	// ErrTrimmed: the log no longer has what comes after the asked position.
	// Load the partition anew.
	ErrTrimmed = errors.New("the transition log was trimmed past this position")
	// ErrUnavailable: the store did not answer; the outcome is unknown.
	ErrUnavailable = errors.New("presence is unavailable")
	// ErrUnasked is an ErrUnavailable whose outcome is known: the store was not
	// even asked, as it had not answered for long, and nothing has happened.
	ErrUnasked = fmt.Errorf("%w, and was not asked", ErrUnavailable)
)
