package rooms

import (
	"context"
	"slices"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Member is one connection in a room, as others may know it.
type Member struct {
	ID   string        `json:"id"` // the connection
	User presence.User `json:"user"`
	Role auth.Role     `json:"role"`
}

// Roster returns one page of the room's members on all nodes, ordered by id. It
// blocks until they have answered, for a second at most.
func (h *Hub) Roster(ctx context.Context, name string, first int, after string) Roster {
	return h.cfg.Relay.Members(ctx, name, first, after)
}

// Members implements Sink.
func (h *Hub) Members(name string, first int, after string) (members []Member, more bool) {
	r := h.find(name)
	if r == nil {
		return []Member{}, false
	}
	r.mu.Lock()
	ids := make([]string, 0, first+2) // the first ones, and one more
	for id := range r.members {
		if id <= after || len(ids) > first && id > ids[first] {
			continue
		}
		i, _ := slices.BinarySearch(ids, id)
		ids = slices.Insert(ids, i, id)
		ids = ids[:min(len(ids), first+1)]
	}
	members = make([]Member, 0, min(first, len(ids)))
	for _, id := range ids[:min(first, len(ids))] {
		m := r.members[id]
		members = append(members, Member{ID: id, User: m.session.User(), Role: m.role})
	}
	r.mu.Unlock()
	return members, len(ids) > first
}
