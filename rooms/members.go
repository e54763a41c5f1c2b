package rooms

import (
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

// Members returns one page of the room's members on this node, ordered by id,
// and whether there are more.
func (h *Hub) Members(name string, first int, after string) (members []Member, more bool) {
	r := h.find(name)
	if r == nil {
		return []Member{}, false
	}
	r.mu.Lock()
	ids := make([]string, 0, len(r.members))
	for id := range r.members {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	members = make([]Member, 0, min(first, len(ids)))
	for _, id := range ids[:min(first, len(ids))] {
		m := r.members[id]
		members = append(members, Member{ID: id, User: m.session.User(), Role: m.role})
	}
	r.mu.Unlock()
	return members, len(ids) > first
}
