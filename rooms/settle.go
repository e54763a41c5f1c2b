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
	taken bool // the broadcast goes on over a newer connection: whoever asked to leave is still to be told
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

// settleClaims is called when a session has ended and can claim nothing any more.
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
		case err == nil:
			h.settled(u, nil)
		case errors.Is(err, presence.ErrFenced):
			h.settled(u, &unsettled{place: u.place, user: u.user, fence: u.fence, why: u.why, taken: true}) // until its connection asks again, or is gone
		default:
			h.cfg.Logger.Warn("rooms: a lease whose session is gone could not be given up; it is tried again", "room", u.room, "leases", len(open)-i, "error", err)
			return
		}
	}
}

// settleNow gives up one. presence.ErrFenced says that it is somebody else's.
func (h *Hub) settleNow(ctx context.Context, u unsettled) error {
	err := presence.ErrFenced
	if !u.taken {
		err = h.giveUp(ctx, u)
	}
	if err != nil && !errors.Is(err, presence.ErrFenced) {
		return err
	}
	h.settled(u, nil)
	return err
}

// settled puts another one in the place of one of which the outcome is known, or nothing. While that was being found out
// its connection may have settled it itself, and have something else there by now: that is left alone.
func (h *Hub) settled(u unsettled, next *unsettled) {
	h.settleMu.Lock()
	defer h.settleMu.Unlock()
	switch {
	case h.unsettled[u.place] != u:
	case next == nil:
		delete(h.unsettled, u.place)
	default:
		h.unsettled[u.place] = *next
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
// It may also go on over an older one: this node was taken for dead meanwhile,
// and the lease given back. They do not know of that, and theirs is the last
// word: it is over then.
func (h *Hub) endedFor(ctx context.Context, u unsettled) error {
	lease, err := h.cfg.Store.Get(ctx, u.room)
	switch {
	case err != nil:
		return err
	case lease.State == presence.StateOffline:
		return nil
	case lease.Fence > u.fence:
		return presence.ErrFenced
	case lease.Fence == u.fence || lease.User.ID != u.user:
		return nil
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
