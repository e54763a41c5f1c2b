package rooms

import (
	"context"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
)

// How often a room is told how many are watching. In a big room the exact
// number matters less than the messages it takes to tell everybody.
const (
	viewersEvery    = time.Second
	viewersEveryBig = 5 * time.Second
	bigRoom         = 1000
)

// viewerCount counts the connections that view a room. room.mu guards it.
type viewerCount struct {
	here   int // on this node, always exact
	others int // on the other nodes, as far as they have told
	told   int // what members were last told
	at     time.Time
}

func (c *viewerCount) add(role auth.Role, n int) {
	if role == auth.RoleViewer {
		c.here += n
	}
}

func (c *viewerCount) total() int { return c.here + c.others }

// due reports whether members should be told now.
func (c *viewerCount) due(now time.Time) bool {
	return c.total() != c.told && (c.total() <= bigRoom || now.Sub(c.at) >= viewersEveryBig)
}

// tellViewers takes in the viewers on other nodes and tells the members how
// many are watching, if it is time to. It returns the number on this node, and
// whether there is more to tell later.
func (r *room) tellViewers(others int, now time.Time) (here int, later bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.viewers
	c.others = others
	if c.due(now) {
		c.told, c.at = c.total(), now
		r.sendLocked(wire.JSON(ViewersMessage{Type: "viewers", Room: r.name, Connections: c.told}))
	}
	return c.here, c.told != c.total()
}

// OtherViewers implements Sink.
func (h *Hub) OtherViewers(name string, viewers int) {
	h.countMu.Lock()
	if viewers == 0 {
		delete(h.others, name)
	} else {
		h.others[name] = viewers
	}
	h.counted[name] = struct{}{}
	h.countMu.Unlock()
}

// viewersElsewhere returns how many viewers a room has on other nodes.
func (h *Hub) viewersElsewhere(name string) int {
	h.countMu.Lock()
	defer h.countMu.Unlock()
	return h.others[name]
}

// recount notes that the room's number of viewers may have changed.
func (h *Hub) recount(name string) {
	h.countMu.Lock()
	defer h.countMu.Unlock()
	h.counted[name] = struct{}{}
}

// tellAllViewers goes over the rooms whose number changed since it last did.
func (h *Hub) tellAllViewers(ctx context.Context, now time.Time) {
	h.countMu.Lock()
	counted, anew := h.counted, h.anew
	h.counted, h.anew = make(map[string]struct{}), make(map[string]struct{})
	h.countMu.Unlock()
	for name := range anew {
		h.reportAgain(name)
	}
	reports := make([]Attendance, 0, len(counted))
	for name := range counted {
		here, others := 0, h.viewersElsewhere(name)
		if r := h.find(name); r != nil {
			var later bool
			if here, later = r.tellViewers(others, now); later {
				h.recount(name)
			}
		}
		h.cfg.Directory.SetViewers(name, here+others)
		reports = append(reports, Attendance{Room: name, Viewers: here})
	}
	h.report(ctx, reports)
}
