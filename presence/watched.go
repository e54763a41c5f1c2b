package presence

import (
	"cmp"
	"slices"
)

// Turned returns the rooms that somebody began to view since the last call, or
// that nobody views any more. One caller may ask. It does not block.
func (d *Directory) Turned() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	rooms := make([]string, 0, len(d.turned))
	for room := range d.turned {
		rooms = append(rooms, room)
	}
	clear(d.turned)
	return rooms
}

// Viewers returns how many viewers a room has on all nodes, whoever holds it.
func (d *Directory) Viewers(room string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.viewers[room]
}

// Viewed returns the rooms of a partition that somebody views, in no order.
func (d *Directory) Viewed(partition int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var rooms []string
	for room := range d.viewers {
		if PartitionOf(room) == partition {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// EndedPeak is the most viewers that a broadcast had which has ended.
type EndedPeak struct {
	Room, Broadcast string
	Peak            int
}

// EndedPeaks returns those of the last minute, in the order of their ids.
func (d *Directory) EndedPeaks() []EndedPeak {
	d.mu.Lock()
	defer d.mu.Unlock()
	peaks := make([]EndedPeak, 0, len(d.ended))
	for id, e := range d.ended {
		peaks = append(peaks, EndedPeak{e.room, id, e.peak})
	}
	slices.SortFunc(peaks, func(a, b EndedPeak) int { return cmp.Compare(a.Broadcast, b.Broadcast) })
	return peaks
}
