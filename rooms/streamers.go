package rooms

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Refine adds to what a node knows of a partition what its members of rooms
// were told. It does not block.
func (h *Hub) Refine(partition int, k *presence.Knowledge) {
	for _, r := range h.open() {
		if presence.PartitionOf(r.name) != partition {
			continue
		}
		r.mu.Lock()
		view, last := r.view, r.last
		r.mu.Unlock()
		k.Told(r.name, view, last)
	}
}

// open returns the rooms that have members here.
func (h *Hub) open() []*room {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.rooms))
}

// held is a lease that a connection of this node holds.
type held struct {
	session Session
	hold    presence.Hold
}

// streamers returns the leases that sessions of this node hold.
func (h *Hub) streamers() []held {
	var all []held
	for _, r := range h.open() {
		r.mu.Lock()
		for _, m := range r.members {
			if m.role == auth.RoleStreamer {
				all = append(all, held{m.session, m.hold(r.name)})
			}
		}
		r.mu.Unlock()
	}
	return all
}

// HandOver prepares the leave of all streamers of this node: their leases stay
// as they are, whatever becomes of the connections, until they have come back
// anywhere or the wait is over. wait says how long for each connection. It may
// block on the store.
func (h *Hub) HandOver(ctx context.Context, wait func(connection string) time.Duration) error {
	var handed []presence.Handover
	for _, s := range h.streamers() {
		handed = append(handed, presence.Handover{Hold: s.hold, Wait: wait(s.session.Connection())})
	}
	if len(handed) == 0 {
		return nil
	}
	return h.cfg.Store.HandOver(ctx, handed)
}

// isolatedSpread is over how long the streamers of a node that is cut off are
// sent away: they should not arrive elsewhere all at once, but well before this
// node is declared dead.
const isolatedSpread = time.Second

// Isolated is told when this node can't reach the store. Its streamers are
// asked to try another node: what they say here reaches nobody. It does not
// block.
func (h *Hub) Isolated(isolated bool) {
	if !isolated {
		return
	}
	asked := make(map[Session]bool)
	for _, s := range h.streamers() {
		if !asked[s.session] {
			asked[s.session] = true
			s.session.Reconnect(rand.N(isolatedSpread), presence.ReasonIsolated)
		}
	}
}

// Lost is told when a connection of this node turned out not to hold a lease
// any more: replaced if somebody else does. It does not block.
func (h *Hub) Lost(l presence.Lease, replaced bool) {
	why := CutLost
	if replaced {
		why = CutReplaced
	}
	h.Command(Command{Connection: l.Connection, Cut: why})
}
