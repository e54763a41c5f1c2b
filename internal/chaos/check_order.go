package chaos

import (
	"fmt"
	"slices"
)

// told is what one connection knows of a room: what every event must follow.
type told struct {
	known bool // false: nothing was seen that the next event could be compared with
	Position
	state     string
	broadcast string
	version   int64

	highest map[string]int64 // by broadcast, the highest version that an event had
	ended   map[string]bool
}

func newTold() *told { return &told{highest: map[string]int64{}, ended: map[string]bool{}} }

// follows says which state an event needs, and which it makes.
var follows = map[string]struct{ from, to string }{
	"streamer.online":   {"offline", "online"},
	"streamer.offline":  {"online", "offline"},
	"live.started":      {"online", "live"},
	"live.updated":      {"live", "live"},
	"live.reconnecting": {"live", "reconnecting"},
	"live.resumed":      {"reconnecting", "live"},
	"live.ended":        {"on air", "online"},
}

// checkOrder follows every connection through each of its rooms: offsets and versions go up by one, and events follow
// from the state that the ones before have made.
func checkOrder(n *Notes) (found []Violation) {
	for _, a := range n.Actors {
		var done []*roomTold
		for _, c := range a.Conns {
			f := &follower{actor: a, conn: c, earlier: done, rooms: map[string]*roomTold{}}
			for _, i := range c.Items {
				f.item(i)
			}
			for _, r := range f.rooms {
				r.at = c.closed()
				done = append(done, r)
			}
			found = append(found, f.found...)
		}
	}
	return found
}

// roomTold is what a connection knew of a room when it was closed.
type roomTold struct {
	room string
	at   Instant
	told
}

type follower struct {
	actor   *Actor
	conn    *Conn
	earlier []*roomTold
	rooms   map[string]*roomTold
	found   []Violation
}

func (f *follower) bad(kind string, i Item, format string, args ...any) {
	f.found = append(f.found, Violation{
		Kind: kind, At: i.At, Room: i.Room, Broadcast: i.Broadcast, Actor: f.actor.Name,
		Text: fmt.Sprintf(format, args...) + fmt.Sprintf(" (connection %d to %s)", f.conn.N, f.conn.Node),
	})
}

func (f *follower) item(i Item) {
	switch r := f.rooms[i.Room]; {
	case i.Kind == itemOdd:
		f.bad(badOdd, i, "%s", i.Reason)
	case i.Kind == itemLeft:
		delete(f.rooms, i.Room)
	case i.Kind == itemJoined:
		f.joined(i)
	case r == nil:
		f.bad(badOrder, i, "%s comes before joined", i.Kind)
	default:
		f.event(r, i)
	}
}

// joined starts anew from a snapshot, or goes on where an earlier connection was.
func (f *follower) joined(i Item) {
	r := f.rooms[i.Room]
	if r == nil || i.Asked {
		r = f.begin(r, i)
		f.rooms[i.Room] = r
	}
	if i.Recovered {
		f.recover(r, i)
	} else if len(i.Events) > 0 {
		f.bad(badOrder, i, "joined has events and says that nothing was recovered")
	}
	r.known, r.Position = true, i.Position
	r.state, r.broadcast, r.version = i.State, i.Broadcast, i.Version
}

// begin returns what the client knew before it sent this join: its position's and, of broadcasts, all that this
// connection knew before, and those that were closed by then.
func (f *follower) begin(before *roomTold, i Item) *roomTold {
	r := &roomTold{room: i.Room, told: *newTold()}
	for _, e := range append(slices.Clone(f.earlier), before) {
		if e == nil || e.room != i.Room {
			continue
		}
		if e.at <= i.Sent {
			for b, v := range e.highest {
				r.highest[b] = max(r.highest[b], v)
			}
			for b := range e.ended {
				r.ended[b] = true
			}
		}
		if e.Position == i.Since && i.Since.Epoch != "" {
			r.known, r.state, r.broadcast, r.version = e.known, e.state, e.broadcast, e.version
		}
	}
	r.Position = i.Since
	return r
}

// recover takes the events that were missed, and sees that they lead to the snapshot.
func (f *follower) recover(r *roomTold, i Item) {
	if r.Epoch != i.Epoch {
		f.bad(badOrder, i, "recovered in epoch %s since a position of epoch %q", i.Epoch, r.Epoch)
	}
	for _, e := range i.Events {
		f.event(r, e)
	}
	if r.Offset != i.Offset {
		f.bad(badOrder, i, "recovered up to %d, and the snapshot is of %d", r.Offset, i.Offset)
	}
	if !r.known {
		return
	}
	if r.state != i.State || i.onAir() && (r.broadcast != i.Broadcast || r.version != i.Version) {
		f.bad(badMachine, i, "the events lead to %s %s version %d, and the snapshot is %s %s version %d",
			r.state, r.broadcast, r.version, i.State, i.Broadcast, i.Version)
	}
}

// event takes the next event.
func (f *follower) event(r *roomTold, i Item) {
	switch {
	case i.Epoch != r.Epoch:
		f.bad(badOrder, i, "%s of epoch %s in epoch %s, without a snapshot between", i.Kind, i.Epoch, r.Epoch)
	case i.Offset <= r.Offset:
		f.bad(badOrder, i, "%s has offset %d after %d: a repeat", i.Kind, i.Offset, r.Offset)
	case i.Offset > r.Offset+1:
		f.bad(badOrder, i, "%s has offset %d after %d: a gap", i.Kind, i.Offset, r.Offset)
	}
	r.Position = i.Position
	if step, ok := follows[i.Kind]; ok {
		f.step(r, i, step.from, step.to)
	}
}

// step takes an event of the streamer.
func (f *follower) step(r *roomTold, i Item, from, to string) {
	if i.Broadcast != "" {
		f.version(r, i)
	}
	onAir := r.state == "live" || r.state == "reconnecting"
	if r.known && r.state != from && !(from == "on air" && onAir) {
		f.bad(badMachine, i, "%s while %s", i.Kind, r.state)
	} else if r.known && onAir && i.Broadcast != r.broadcast {
		f.bad(badMachine, i, "%s while broadcast %s is %s", i.Kind, r.broadcast, r.state)
	}
	r.known, r.state = true, to
	if i.Broadcast != "" {
		r.broadcast, r.version = i.Broadcast, i.Version
	}
}

func (f *follower) version(r *roomTold, i Item) {
	b := i.Broadcast
	switch {
	case r.ended[b]:
		f.bad(badAfterEnd, i, "%s version %d", i.Kind, i.Version)
	case i.Version <= r.highest[b]:
		f.bad(badBackwards, i, "%s version %d, and version %d had been told", i.Kind, i.Version, r.highest[b])
	case i.Kind == "live.started" && i.Version != 1:
		f.bad(badVersion, i, "it starts with version %d", i.Version)
	case r.known && r.broadcast == b && i.Version != r.version+1:
		f.bad(badVersion, i, "%s has version %d after %d", i.Kind, i.Version, r.version)
	}
	r.highest[b] = max(r.highest[b], i.Version)
	if i.Kind == "live.ended" {
		r.ended[b] = true
	}
}
