package presence

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// The methods in this file are the state machine: they change one lease and
// return the transitions that others must learn of, in order. They know no
// clock, no lock and no store. The caller keeps the lease to itself meanwhile.

// holds reports whether the fence is that of the current holder.
func (l *Lease) holds(f Fence) bool {
	return l.Fence == f && (l.State == StateOnline || l.State == StateLive)
}

// mayRelease reports whether who held the lease under this fence may give it up
// for this reason. Its last holder may still end for good what is reconnecting:
// nobody has taken it since.
func (l *Lease) mayRelease(f Fence, why Reason) bool {
	return l.holds(f) || l.State == StateReconnecting && l.Fence == f && !why.OpensWindow()
}

// claim gives the lease to the claimant. fence is used if the holder changes.
func (l *Lease) claim(c Claim, fence Fence, now time.Time) (Claimed, []Transition, error) {
	if l.State != StateOffline && l.User.ID != c.User.ID {
		return Claimed{}, nil, ErrConflict
	}
	var claimed Claimed
	var made []Transition
	same := l.Connection == c.Connection && l.Node == c.Node
	held := l.State == StateOnline || l.State == StateLive
	switch {
	case held && same: // a repeated claim
		l.Life = c.Life
	case held:
		claimed.Replaced, claimed.ReplacedNode = l.Connection, l.Node
		l.replaced = &replaced{l.Holder, now, l.wait, l.replaced}
		l.hold(c, fence)
		made = append(made, l.transition(LeaseMoved, now))
	case l.State == StateReconnecting:
		l.hold(c, fence)
		l.State, l.Until, l.Reason = StateLive, 0, ""
		made = append(made, l.onAir(LiveResumed, now))
	default:
		l.hold(c, fence)
		l.Room, l.State = c.Room, StateOnline
		claimed.Began = true
		made = append(made, l.transition(StreamerOnline, now))
	}
	l.LastSeen = MillisOf(now)
	claimed.Lease = *l
	return claimed, made, nil
}

func (l *Lease) hold(c Claim, fence Fence) {
	l.User, l.Holder = c.User, Holder{Connection: c.Connection, Node: c.Node, Life: c.Life, Fence: fence}
	l.Handed, l.wait = false, 0
}

// replaced is somebody from whom a newer connection took a lease, and who was not heard to be gone since.
type replaced struct {
	Holder
	at     time.Time     // when that was
	wait   time.Duration // of a handover; 0: there was none
	before *replaced
}

// late is how long a claim may be under way. Whoever was replaced longer ago is gone.
const late = 10 * time.Minute

// forgetReplaced is told the fence or the connection of one who is gone.
func (l *Lease) forgetReplaced(f Fence, connection string) {
	for at := &l.replaced; *at != nil; {
		if r := *at; r.Fence == f || r.Connection == connection {
			*at = r.before
		} else {
			at = &r.before
		}
	}
}

// unclaim undoes what a connection claimed, if it did.
func (l *Lease) unclaim(c Claim, now time.Time) []Transition {
	held := l.State == StateOnline || l.State == StateLive
	switch back := l.replaced; {
	case !held || l.Connection != c.Connection || l.Node != c.Node:
		l.forgetReplaced(0, c.Connection)
		return nil
	case l.Handed:
		return nil // whoever comes next takes it over, until the handover ends
	case back == nil || now.Sub(back.at) >= late:
		return l.release(ReasonConnectionLost, now)
	default:
		l.Holder, l.wait, l.Handed, l.replaced = back.Holder, back.wait, back.wait > 0, back.before
		return []Transition{l.transition(LeaseMoved, now)}
	}
}

// handOver unties the lease from its holder's node.
func (l *Lease) handOver(wait time.Duration) { l.Life, l.Handed, l.wait = "", true, wait }

// letGo leaves the lease without a holder. The fence stays: the next one must
// be above it.
func (l *Lease) letGo() {
	l.Holder, l.Handed, l.wait, l.replaced = Holder{Fence: l.Fence}, false, 0, nil
}

// handOverEnds releases the lease of a holder who did not come back in time.
func (l *Lease) handOverEnds(now time.Time) []Transition {
	l.Handed = false
	return l.release(ReasonDrain, now)
}

// start begins a broadcast unless one is running.
func (l *Lease) start(s Start, now time.Time) []Transition {
	if l.State != StateOnline {
		return nil
	}
	l.State, l.Window = StateLive, s.Window
	l.Broadcast = &Broadcast{ID: newBroadcastID(), Details: s.Details, StartedAt: MillisOf(now)}
	return []Transition{l.onAir(LiveStarted, now)}
}

// update changes the details of the running broadcast.
func (l *Lease) update(c Changes, now time.Time) []Transition {
	if l.State != StateLive {
		return nil
	}
	details := c.apply(l.Broadcast.Details)
	if details.equal(l.Broadcast.Details) {
		return nil
	}
	next := *l.Broadcast
	next.Details = details
	l.Broadcast = &next
	return []Transition{l.onAir(LiveUpdated, now)}
}

// end ends the running broadcast; its holder, if there is one, stays online.
func (l *Lease) end(why Reason, now time.Time) []Transition {
	switch l.State {
	case StateLive:
		return []Transition{l.endTo(StateOnline, why, now)}
	case StateReconnecting:
		return l.goOffline(why, now)
	}
	return nil
}

// release takes the lease from its holder.
func (l *Lease) release(why Reason, now time.Time) []Transition {
	if l.Handed && why.OpensWindow() {
		return nil // whoever comes next takes it over, until the handover ends
	}
	if l.State == StateLive && why.OpensWindow() && l.window(why) > 0 {
		l.LastSeen = MillisOf(now)
		return []Transition{l.reconnect(why, now)}
	}
	return l.goOffline(why.told(), now)
}

// reconnect opens the window.
func (l *Lease) reconnect(why Reason, now time.Time) Transition {
	l.State = StateReconnecting
	l.letGo()
	l.Reason, l.Until = why.told(), MillisOf(now.Add(l.window(why)))
	return l.onAir(LiveReconnecting, now)
}

// goOffline ends whatever is running and empties the room.
func (l *Lease) goOffline(why Reason, now time.Time) []Transition {
	var made []Transition
	if l.State.OnAir() {
		made = append(made, l.endTo(StateOnline, why, now))
	}
	l.State = StateOffline
	l.letGo()
	return append(made, l.transition(StreamerOffline, now))
}

// endTo closes the broadcast and goes on to the state.
func (l *Lease) endTo(next State, why Reason, now time.Time) Transition {
	last := *l.Broadcast
	last.Version++
	l.State, l.Broadcast, l.Window, l.Until, l.Reason = next, nil, nil, 0, ""
	t := l.transition(LiveEnded, now)
	t.Broadcast, t.Reason = &last, why
	return t
}

// onAir makes a transition of the running broadcast, whose version it moves on.
func (l *Lease) onAir(k Kind, now time.Time) Transition {
	next := *l.Broadcast
	next.Version++
	l.Broadcast = &next
	t := l.transition(k, now)
	t.Broadcast, t.Reason, t.Until = l.Broadcast, l.Reason, l.Until
	return t
}

func (l *Lease) transition(k Kind, now time.Time) Transition {
	return Transition{Room: l.Room, Kind: k, At: MillisOf(now), User: l.User, After: l.View(), Holder: l.Holder, Window: l.Window}
}

// window is how long the streamer may be gone for this reason.
func (l *Lease) window(why Reason) time.Duration {
	byDefault, least := why.windows()
	if l.Window == nil {
		return byDefault
	}
	return max(*l.Window, least)
}

func (c Changes) apply(d Details) Details {
	set := func(field *string, to *string) {
		if to != nil {
			*field = *to
		}
	}
	set(&d.Title, c.Title)
	set(&d.Category, c.Category)
	set(&d.Language, c.Language)
	if c.Tags != nil {
		d.Tags = *c.Tags
	}
	return d
}

func (d Details) equal(other Details) bool {
	return d.Title == other.Title && d.Category == other.Category &&
		d.Language == other.Language && slices.Equal(d.Tags, other.Tags)
}

// newBroadcastID returns a UUIDv7 (RFC 9562 §5.7): ids sort by time of start.
func newBroadcastID() string {
	return uuid.Must(uuid.NewV7()).String() // fails only without a source of randomness
}
