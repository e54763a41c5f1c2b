package rooms

import (
	"encoding/json"
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

// logOf returns the log of a snapshot, whose events it takes over.
func logOf(s Snapshot) eventLog {
	g := eventLog{epoch: s.Epoch, offset: s.Offset, events: s.Events}
	for _, e := range s.Events {
		g.heed(e)
	}
	return g
}

// heed blanks the line that an event deletes, if it is that kind of event. Who
// comes later is not told its text any more, be it that they missed the line.
func (g *eventLog) heed(e *Event) {
	var deleted DeletedData
	if e.Name != EventChatDeleted || json.Unmarshal(e.Data, &deleted) != nil {
		return
	}
	if i := g.index(deleted.Offset); i >= 0 && g.events[i].Name == EventChat {
		g.events[i] = g.events[i].blank()
	}
}

// index returns where the event of an offset is in events, or -1.
func (g *eventLog) index(offset int64) int {
	if offset < 1 || offset > g.offset { // they come from outside, and the difference may be more than there is
		return -1
	}
	return max(len(g.events)-1-int(g.offset-offset), -1)
}

// line returns a line of chat, deleted or not, or nil if it is none that still
// counts.
func (g *eventLog) line(offset int64, now time.Time) *Event {
	i := g.index(offset)
	if i < 0 || g.events[i].Name != EventChat || !slices.Contains(g.kept(now), g.events[i]) {
		return nil
	}
	return g.events[i]
}

// append adds the event that follows the last one.
func (g *eventLog) append(e *Event) {
	g.heed(e)
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
		if e.Name != EventChat || e.deleted {
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
