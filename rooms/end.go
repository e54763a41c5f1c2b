package rooms

import (
	"context"
	"errors"
	"fmt"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// EndBroadcasts ends a user's broadcasts, or the one in a room if that is
// named, with the reason ended_by_admin; the streamer stays online. It returns
// those that it ended, by their rooms: none if nothing was on air. The act, of
// which the caller sets actor, target, room and reason, is in the audit first.
// presence.ErrUnavailable says that the outcome is unknown: it may be repeated.
// It blocks on the database and on the store.
func (h *Hub) EndBroadcasts(ctx context.Context, a moderation.Act) (ended map[string]*presence.Broadcast, err error) {
	if err := checkReason(a.Reason); err != nil {
		return nil, err
	}
	a.Action = moderation.End
	names := []string{a.Room}
	if a.Room == "" {
		names = nil
		for _, e := range h.cfg.Directory.Streamer(a.Target) {
			names = append(names, e.Room)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	if _, err := h.act(ctx, a); err != nil {
		return nil, err
	}
	ended = make(map[string]*presence.Broadcast)
	for _, room := range names {
		b, endErr := h.endIn(ctx, room, a.Target)
		if b != nil {
			ended[room] = b
		}
		err = errors.Join(err, endErr)
	}
	return ended, err
}

// maxTries is how often a lease may change hands while its broadcast is being ended.
const maxTries = 5

// endIn ends a user's broadcast in a room, if there is one.
func (h *Hub) endIn(ctx context.Context, room, user string) (*presence.Broadcast, error) {
	for range maxTries {
		lease, err := h.cfg.Store.Get(ctx, room)
		if err != nil {
			return nil, err
		}
		if !lease.State.OnAir() || lease.User.ID != user {
			return nil, nil
		}
		hold := presence.Hold{Room: room, Fence: lease.Fence}
		if lease.State == presence.StateReconnecting {
			err = h.cfg.Store.Release(ctx, hold, presence.ReasonEndedByAdmin) // nobody holds it who could stay online
		} else {
			_, err = h.cfg.Store.End(ctx, hold, presence.ReasonEndedByAdmin)
		}
		if errors.Is(err, presence.ErrFenced) {
			continue
		}
		if err == nil {
			_ = h.apply(ctx, presence.PartitionOf(room))
		}
		return lease.Broadcast, err
	}
	return nil, fmt.Errorf("%w: the lease of room %q changes hands all the time", presence.ErrUnavailable, room)
}
