package rooms

import (
	"slices"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// eventLog holds the last events of one room. Its owner guards it.
type eventLog struct {
	epoch  string
	offset int64    // of the last event ever, kept or not
	events []*Event // consecutive, up to offset
}

func (g *eventLog) position() Position { return Position{Epoch: g.epoch, Offset: g.offset} }

// append adds the event that follows the last one.
func (g *eventLog) append(e *Event) {
	g.offset = e.Offset
	if len(g.events) >= 2*LogEvents {
		g.events = slices.Clone(g.events[len(g.events)-LogEvents+1:])
	}
	g.events = append(g.events, e)
}

// kept returns the events that still count at the given time, oldest first.
func (g *eventLog) kept(now time.Time) []*Event {
	events := g.events[max(0, len(g.events)-LogEvents):]
	oldest := presence.MillisOf(now.Add(-LogAge))
	gone := 0
	for gone < len(events) && events[gone].At < oldest {
		gone++
	}
	return events[gone:]
}

// since returns the events after a position, if it can be proven that these
// are all there were.
func (g *eventLog) since(p Position, now time.Time) ([]*Event, bool) {
	if p.Epoch != g.epoch || p.Offset < 0 || p.Offset > g.offset {
		return nil, false
	}
	events := g.kept(now)
	missed := int(g.offset - p.Offset)
	if missed > len(events) {
		return nil, false
	}
	return events[len(events)-missed:], true
}

// chat returns the last chat events, at most so many and so many bytes.
func (g *eventLog) chat(most, bytes int, now time.Time) []*Event {
	var found []*Event
	for _, e := range slices.Backward(g.kept(now)) {
		if e.Name != EventChat {
			continue
		}
		if bytes -= len(e.message); bytes < 0 || len(found) == most {
			break
		}
		found = append(found, e)
	}
	slices.Reverse(found)
	return found
}

// sizeOf returns how many bytes the events take on the wire.
func sizeOf(events []*Event) int {
	size := 0
	for _, e := range events {
		size += len(e.message)
	}
	return size
}
