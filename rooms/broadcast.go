package rooms

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Start begins the session's broadcast in the room. ErrNotJoined if it is not
// a member, ErrRole if not as streamer, presence.ErrFenced if a newer
// connection took over. It may block on the store, like all in this file.
func (h *Hub) Start(ctx context.Context, s Session, name string, start presence.Start) (*presence.Broadcast, error) {
	return h.onLease(ctx, s, name, func(hold presence.Hold) (presence.Lease, error) {
		return h.cfg.Store.Start(ctx, hold, start)
	})
}

// Update changes the details of the session's broadcast. The broadcast is nil
// if none is running.
func (h *Hub) Update(ctx context.Context, s Session, name string, c presence.Changes) (*presence.Broadcast, error) {
	return h.onLease(ctx, s, name, func(hold presence.Hold) (presence.Lease, error) {
		return h.cfg.Store.Update(ctx, hold, c)
	})
}

// End ends the session's broadcast; with none running it does nothing.
func (h *Hub) End(ctx context.Context, s Session, name string) error {
	_, err := h.onLease(ctx, s, name, func(hold presence.Hold) (presence.Lease, error) {
		return h.cfg.Store.End(ctx, hold, presence.ReasonEndedByStreamer)
	})
	return err
}

// onLease does something with the lease that the session holds.
func (h *Hub) onLease(ctx context.Context, s Session, name string, do func(presence.Hold) (presence.Lease, error)) (*presence.Broadcast, error) {
	hold, err := h.holdOf(s, name)
	if err != nil {
		return nil, err
	}
	lease, err := do(hold)
	if errors.Is(err, presence.ErrFenced) {
		h.cutFenced(ctx, s, name)
	}
	if err != nil {
		return nil, err
	}
	_ = h.apply(ctx, presence.PartitionOf(name))
	return lease.Broadcast, nil
}

// cutFenced ends a connection whose lease is not its own any more: whatever
// should have told it was lost, and it can do nothing in the room.
func (h *Hub) cutFenced(ctx context.Context, s Session, name string) {
	lease, err := h.cfg.Store.Get(ctx, name)
	if err != nil {
		return // then its next message or beat finds out
	}
	h.Lost(presence.Lease{Room: name, Holder: presence.Holder{Connection: s.Connection()}}, lease.Connection != "" && lease.User.ID == s.User().ID)
}

func (h *Hub) holdOf(s Session, name string) (presence.Hold, error) {
	r := h.find(name)
	if r == nil {
		return presence.Hold{}, ErrNotJoined
	}
	m := r.member(s.Connection())
	switch {
	case m == nil:
		return presence.Hold{}, ErrNotJoined
	case m.role != auth.RoleStreamer:
		return presence.Hold{}, ErrRole
	}
	return m.hold(name), nil
}

// Beat notes that the streamer of a room was heard from. Beats are passed to
// the store together, once a second. It does not block.
func (h *Hub) Beat(s Session, name string) {
	hold, err := h.holdOf(s, name)
	if err != nil {
		return // no longer theirs: nothing to keep alive
	}
	h.beatMu.Lock()
	defer h.beatMu.Unlock()
	h.beaten[hold] = s.Connection()
}

func (h *Hub) passBeats(ctx context.Context) {
	h.beatMu.Lock()
	beaten := h.beaten
	h.beaten = make(map[presence.Hold]string)
	h.beatMu.Unlock()
	if len(beaten) == 0 {
		return
	}
	replaced, err := h.cfg.Store.Beat(ctx, slices.Collect(maps.Keys(beaten)))
	if err != nil && ctx.Err() == nil {
		h.cfg.Logger.Warn("rooms: heartbeats did not reach the store; the next ones will do", "leases", len(beaten), "error", err)
	}
	for _, hold := range replaced {
		// The command that the newer connection's node sent was lost on the way;
		// unless the connection left since it was heard from, and joined again.
		if r := h.find(hold.Room); r != nil {
			if m := r.member(beaten[hold]); m != nil && m.fence == hold.Fence {
				m.session.Cut(CutReplaced)
			}
		}
	}
}
