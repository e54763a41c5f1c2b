package presence

import "sync"

// holdings are the leases that a node's connections hold, as the node last knew them: what it puts back if the store
// loses them.
type holdings struct {
	mu    sync.Mutex
	rooms map[string]Lease
	ended map[string]string // room → the holder's last broadcast that ended
}

func newHoldings() *holdings {
	return &holdings{rooms: make(map[string]Lease), ended: make(map[string]string)}
}

// note keeps what the store said of a lease that a connection of this node claimed or wrote to. Answers may come late:
// what is older than what is known is passed over.
func (h *holdings) note(l Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, known := h.rooms[l.Room]
	switch {
	case known && was.Fence > l.Fence:
		return
	case known && was.Broadcast != nil && l.Broadcast != nil && was.Broadcast.ID == l.Broadcast.ID && was.Broadcast.Version > l.Broadcast.Version:
		return
	case known && was.Broadcast != nil && (l.Broadcast == nil || l.Broadcast.ID != was.Broadcast.ID):
		h.ended[l.Room] = was.Broadcast.ID
	}
	h.rooms[l.Room] = l
}

// drop forgets a lease that is being given up. Another fence's is left alone.
func (h *holdings) drop(hold Hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[hold.Room].Fence == hold.Fence {
		delete(h.rooms, hold.Room)
		delete(h.ended, hold.Room)
	}
}

// dropConnection forgets a lease that this connection holds.
func (h *holdings) dropConnection(room, connection string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l, ok := h.rooms[room]; ok && l.Connection == connection {
		delete(h.rooms, room)
		delete(h.ended, room)
	}
}

// handOver notes that a lease does not depend on this node any more.
func (h *holdings) handOver(handed Handover) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.rooms[handed.Room]; l.Fence == handed.Fence {
		l.Handed = true
		h.rooms[handed.Room] = l
	}
}

// get returns the lease of a room, if a connection of this node holds it.
func (h *holdings) get(room string) (Lease, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.rooms[room]
	return l, ok
}

// of returns the leases in a partition, and the broadcasts that their holders ended last.
func (h *holdings) of(partition int) (leases []Lease, ended []Ended) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for room, l := range h.rooms {
		if PartitionOf(room) != partition {
			continue
		}
		leases = append(leases, l)
		if id := h.ended[room]; id != "" {
			ended = append(ended, Ended{room, id})
		}
	}
	return leases, ended
}
