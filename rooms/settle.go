package rooms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tallylight/tallylight/presence"
)

// unsettled is a lease that this node may still hold although its session is gone, because the store did not answer
// when it was to be given up, or did not say whether it had been claimed. Were it left at that, the room would show a
// streamer who is not there.
type unsettled struct {
	place
	user  string         // whose
	fence presence.Fence // 0: it is a claim that was not answered
	why   presence.Reason
	taken bool // the broadcast goes on over a newer connection: that is what whoever asked to leave is told
}

// place is a connection's in a room.
type place struct{ connection, room string }

// settleLater remembers to give a lease up once the store answers again. Until
// then the connection can't claim the room anew.
func (h *Hub) settleLater(u unsettled) {
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	h.unsettled[u.place] = u
}

// unsettledOf returns the lease that a connection is still to give up in a room.
func (h *Hub) unsettledOf(p place) (u unsettled, pending bool) {
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	u, pending = h.unsettled[p]
	return u, pending
}

// claimUnknown notes that a claim of the session may have succeeded. As long as the session lasts it may claim again,
// and then no harm is done; what remains is settled when it ends.
func (h *Hub) claimUnknown(connection, room string) {
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	h.claims[connection] = append(h.claims[connection], room)
}

// settleClaims is called when a session has ended, can claim nothing any more, and is not known any more.
func (h *Hub) settleClaims(connection string) {
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	for _, room := range h.claims[connection] {
		p := place{connection, room}
		if _, pending := h.unsettled[p]; !pending {
			h.unsettled[p] = unsettled{place: p, why: presence.ReasonConnectionLost}
		}
	}
	delete(h.claims, connection)
	maps.DeleteFunc(h.unsettled, func(p place, u unsettled) bool { return u.taken && p.connection == connection })
}

// settle gives up what it can. What the store does not answer to stays for the
// next time.
func (h *Hub) settle(ctx context.Context) {
	h.settleMu.Lock()
	open := slices.Collect(maps.Values(h.unsettled))
	h.settleMu.Unlock()
	for i, u := range open {
		if u.taken {
			continue
		}
		err := h.giveUp(ctx, u)
		switch {
		case err == nil || errors.Is(err, presence.ErrFenced):
			h.settled(u, err != nil)
		default:
			h.cfg.Logger.Warn("rooms: a lease whose session is gone could not be given up; it is tried again", "room", u.room, "leases", len(open)-i, "error", err)
			return
		}
	}
}

// over is what remains of a lease that goes on over a newer connection, until the connection that asked to leave is gone:
// it may ask again, as an answer can be lost.
func (u unsettled) over() unsettled {
	u.taken = true
	return u
}

// settleNow gives up one, or finds out anew who has it. presence.ErrFenced says that it is somebody else's.
func (h *Hub) settleNow(ctx context.Context, u unsettled) error {
	err := h.giveUp(ctx, u)
	switch {
	case err == nil:
		h.settled(u, false)
	case errors.Is(err, presence.ErrFenced):
		h.settleLater(u.over())
	}
	return err
}

// settleBefore settles what a connection is still to give up in a room, before it claims the room again: given up later,
// it would be the new lease. It may block on the store.
func (h *Hub) settleBefore(ctx context.Context, p place) error {
	u, pending := h.unsettledOf(p)
	if !pending {
		return nil
	}
	if err := h.settleNow(ctx, u); err != nil && !errors.Is(err, presence.ErrFenced) {
		return err
	}
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	delete(h.unsettled, p)
	return nil
}

// settled notes that the outcome of one is known: the broadcast is over, or it was taken by a newer connection. While that
// was being found out its connection may have settled it itself, and have something else there by now: that is left alone.
func (h *Hub) settled(u unsettled, taken bool) {
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	switch {
	case h.unsettled[u.place] != u:
	case taken && h.session(u.connection) != nil: // nobody else would ask
		h.unsettled[u.place] = u.over()
	default:
		delete(h.unsettled, u.place)
	}
}

func (h *Hub) giveUp(ctx context.Context, u unsettled) error {
	if u.fence == 0 {
		err := h.cfg.Store.Unclaim(ctx, presence.Claim{Room: u.room, Connection: u.connection, Node: h.cfg.Node})
		if err == nil {
			_ = h.apply(ctx, presence.PartitionOf(u.room))
		}
		return err
	}
	err := h.cfg.Store.Release(ctx, presence.Hold{Room: u.room, Fence: u.fence}, u.why)
	if err == nil {
		_ = h.apply(ctx, presence.PartitionOf(u.room))
	}
	if errors.Is(err, presence.ErrFenced) && u.why == presence.ReasonLeft {
		return h.endedFor(ctx, u)
	}
	if errors.Is(err, presence.ErrFenced) {
		return nil
	}
	return err
}

// endedFor tells who wants to leave, and does not hold the lease any more,
// whether the broadcast is over or goes on over a newer connection of theirs,
// which is presence.ErrFenced.
//
// The newer one may be gone, and the broadcast wait for its return. Or it goes on
// over an older one: this node was taken for dead meanwhile, and the lease given
// back. They do not know of that, and theirs is the last word: it is over then.
func (h *Hub) endedFor(ctx context.Context, u unsettled) error {
	lease, err := h.cfg.Store.Get(ctx, u.room)
	switch {
	case err != nil:
		return err
	case lease.State == presence.StateOffline || lease.User.ID != u.user:
		return nil
	case lease.Fence > u.fence && lease.State != presence.StateReconnecting:
		return presence.ErrFenced
	}
	err = h.cfg.Store.Release(ctx, presence.Hold{Room: u.room, Fence: lease.Fence}, u.why)
	if errors.Is(err, presence.ErrFenced) {
		return fmt.Errorf("%w: it changed hands just now", presence.ErrUnavailable) // so that it is looked at again
	}
	if err == nil {
		_ = h.apply(ctx, presence.PartitionOf(u.room))
	}
	return err
}
