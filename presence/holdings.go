package presence

import (
	"sync"
	"time"
)

// holdings are the leases that a node's connections hold, as the node last knew them: what it puts back if the store
// loses them.
type holdings struct {
	mu      sync.Mutex
	rooms   map[string]Lease
	ended   map[string]endedHere // room → the last broadcast that ended by what was done here
	leaving map[string]Fence     // room → a lease that is being given up, and may be there yet
}

// endedHere is a broadcast that ended, and when.
type endedHere struct {
	broadcast string
	at        time.Time
}

// endedKept is how long it is remembered that a broadcast ended whose lease is not held here any more: by then every node
// has read that from the log.
const endedKept = time.Minute

func newHoldings() *holdings {
	return &holdings{rooms: make(map[string]Lease), ended: make(map[string]endedHere), leaving: make(map[string]Fence)}
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
		h.ended[l.Room] = endedHere{was.Broadcast.ID, time.Now()}
	}
	h.rooms[l.Room] = l
}

// drop forgets a lease that is being given up, and returns it. Another fence's is left alone. gaveUp must follow once it
// is known that it is not there any more.
func (h *holdings) drop(hold Hold) Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving[hold.Room] = hold.Fence
	l, ok := h.rooms[hold.Room]
	if !ok || l.Fence != hold.Fence {
		return Lease{}
	}
	delete(h.rooms, hold.Room)
	return l
}

// gaveUp notes that a lease was given up, or is somebody else's; with ended, that its broadcast is over.
func (h *holdings) gaveUp(hold Hold, ended *Broadcast) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaving[hold.Room] == hold.Fence {
		delete(h.leaving, hold.Room)
	}
	if ended != nil {
		h.ended[hold.Room] = endedHere{ended.ID, time.Now()}
	}
}

// forget is told that a lease is somebody else's, or nobody's, and is not to be given up.
func (h *holdings) forget(hold Hold) {
	h.drop(hold)
	h.gaveUp(hold, nil)
}

// isLeaving reports whether a lease is being given up.
func (h *holdings) isLeaving(hold Hold) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return hold.Fence != 0 && h.leaving[hold.Room] == hold.Fence
}

// dropConnection forgets a lease that this connection holds.
func (h *holdings) dropConnection(room, connection string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l, ok := h.rooms[room]; ok && l.Connection == connection {
		delete(h.rooms, room)
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

// of returns the leases in a partition, and the broadcasts that ended last by what was done here.
func (h *holdings) of(partition int) (leases []Lease, ended []Ended) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for room, l := range h.rooms {
		if PartitionOf(room) == partition {
			leases = append(leases, l)
		}
	}
	for room, e := range h.ended {
		if _, held := h.rooms[room]; !held && time.Since(e.at) > endedKept {
			delete(h.ended, room)
		} else if PartitionOf(room) == partition {
			ended = append(ended, Ended{room, e.broadcast})
		}
	}
	return leases, ended
}
