package rooms

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// deeds are acts of which a room is still to be told, or whose target may still
// hold a lease. Several nodes do this for each act, in case that one dies: all
// of it may be done twice.
type deeds struct {
	mu      sync.Mutex
	waiting []moderation.Act
	news    chan struct{} // holds one element when something waits; never closed
}

func newDeeds() deeds { return deeds{news: make(chan struct{}, 1)} }

const (
	// tryAgainEvery is how often what the store did not answer to is tried again.
	tryAgainEvery = time.Second
	// toldLately is how old an act may be when the room is told: the relay then still knows whether it was.
	toldLately = KeyAge / 2
	// maxDeeds bounds those that wait while the store is away; the oldest are given up.
	maxDeeds = 10_000
)

var noAddr netip.Addr

// followUp has the rest of an act carried out. It does not block.
func (h *Hub) followUp(a moderation.Act) {
	h.deeds.mu.Lock()
	defer h.deeds.mu.Unlock()
	h.deeds.waiting = append(h.deeds.waiting, a)
	if over := len(h.deeds.waiting) - maxDeeds; over > 0 {
		h.deeds.waiting = h.deeds.waiting[over:]
	}
	select {
	case h.deeds.news <- struct{}{}:
	default:
	}
}

// carryOn carries out what waits, until the context ends.
func (h *Hub) carryOn(ctx context.Context) {
	tick := time.NewTicker(tryAgainEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.deeds.news:
		case <-tick.C:
		}
		h.deeds.mu.Lock()
		waiting := h.deeds.waiting
		h.deeds.waiting = nil
		h.deeds.mu.Unlock()
		h.carryOut(ctx, waiting)
	}
}

// carryOut goes through acts in their order, and puts back what can't be done
// while the store is away.
func (h *Hub) carryOut(ctx context.Context, acts []moderation.Act) {
	for i, a := range acts {
		if time.Since(a.At.Time()) > toldLately {
			continue
		}
		err := errors.Join(h.expelStreamer(ctx, a), h.tell(ctx, a))
		switch {
		case err == nil:
		case errors.Is(err, presence.ErrUnavailable) || ctx.Err() != nil:
			h.deeds.mu.Lock()
			h.deeds.waiting = append(acts[i:len(acts):len(acts)], h.deeds.waiting...)
			h.deeds.mu.Unlock()
			return
		default:
			h.cfg.Logger.Error("rooms: an act of a moderator was not carried out whole", "seq", a.Seq, "action", a.Action, "room", a.Room, "error", err)
		}
	}
}

// tell tells a room of an act, once, whoever calls how often.
func (h *Hub) tell(ctx context.Context, a moderation.Act) error {
	name, data := newsOf(a)
	if name == "" || a.Room == "" || a.Room == moderation.Everywhere {
		return nil
	}
	if r := h.find(a.Room); a.Action == moderation.Delete && r != nil && !r.knows(Position{a.Epoch, a.Offset}) {
		return nil // the room has begun anew, and the line is gone
	}
	// No key of a user is like this: theirs have a space.
	key := fmt.Sprintf("act:%d:%d", a.Seq, a.At)
	_, err := h.cfg.Relay.Publish(ctx, Publication{Room: a.Room, Name: name, Data: wire.JSON(data), Key: key})
	if errors.Is(err, ErrKeyReused) {
		return fmt.Errorf("the room was told of another act %d: %w", a.Seq, err)
	}
	return err
}

// newsOf returns the event by which a room is told of an act; no name: it is not.
func newsOf(a moderation.Act) (name string, data any) {
	member := MemberData{User: presence.User{ID: a.Target}, Until: a.Until, Reason: a.Reason}
	_, address := moderation.AddressOf(a.Target)
	switch a.Action {
	case moderation.Mute:
		return EventMemberMuted, member
	case moderation.Unmute:
		return EventMemberUnmuted, MemberData{User: member.User}
	case moderation.Ban:
		if address {
			return "", nil // whose it is, or was, is nobody's business
		}
		return EventMemberBanned, member
	case moderation.Delete:
		return EventChatDeleted, DeletedData{a.Offset}
	case moderation.Slow:
		return EventRoomUpdated, UpdatedData{a.Seconds}
	}
	return "", nil
}

// expelStreamer ends for good what somebody who was put out holds, where no
// session does that: they are waited for, or their node is gone. Whatever a
// session does as well is no harm.
func (h *Hub) expelStreamer(ctx context.Context, a moderation.Act) error {
	switch {
	case a.Action == moderation.Kick && time.Since(a.At.Time()) < kickedLately:
		var err error
		for _, hold := range a.Holds { // under another fence they have rightly come back
			err = errors.Join(err, h.letGo(ctx, hold, presence.ReasonKicked))
		}
		return err
	case a.Action == moderation.Revoke:
		return h.endRevoked(ctx, a)
	case a.Action != moderation.Ban:
		return nil
	}
	banned := func(room string) bool {
		_, banned := h.cfg.Book.Banned(room, a.Target, noAddr, time.Now())
		return banned
	}
	if a.Room != moderation.Everywhere {
		return h.endHeld(ctx, a.Room, a.Target, presence.ReasonBanned, banned)
	}
	return h.endHeldBy(ctx, a.Target, presence.ReasonBanned, banned)
}

// endHeldBy takes from a user the leases of all rooms where they may not be, as
// far as the directory knows of them.
func (h *Hub) endHeldBy(ctx context.Context, user string, why presence.Reason, mayNot func(room string) bool) (err error) {
	for _, e := range h.cfg.Directory.Streamer(user) {
		err = errors.Join(err, h.endHeld(ctx, e.Room, user, why, mayNot))
	}
	return err
}

// endHeld takes a room's lease from a user who may not be there.
func (h *Hub) endHeld(ctx context.Context, room, user string, why presence.Reason, mayNot func(room string) bool) error {
	lease, err := h.cfg.Store.Get(ctx, room)
	if err != nil {
		return err
	}
	if lease.State == presence.StateOffline || lease.User.ID != user {
		return nil
	}
	if !mayNot(room) {
		return nil // not any more
	}
	return h.letGo(ctx, presence.Hold{Room: room, Fence: lease.Fence}, why)
}

// letGo ends what is held under a fence, if anything is.
func (h *Hub) letGo(ctx context.Context, hold presence.Hold, why presence.Reason) error {
	err := h.cfg.Store.Release(ctx, hold, why)
	if errors.Is(err, presence.ErrFenced) {
		return nil
	}
	if err == nil {
		_ = h.apply(ctx, presence.PartitionOf(hold.Room))
	}
	return err
}
