package record

import (
	"fmt"
	"strings"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
)

// Stream is the data of the events that follow a broadcast's transitions.
type Stream struct {
	Broadcast StreamBroadcast `json:"broadcast"`
	Streamer  presence.User   `json:"streamer"`
	Room      string          `json:"room"`
	Reason    presence.Reason `json:"reason,omitempty"` // of stream.reconnecting and stream.offline
	Until     presence.Time   `json:"until,omitzero"`   // of stream.reconnecting: when it ends if nobody comes
	// Of stream.offline. What nobody counted, or not yet, is left out.
	EndedAt       presence.Time `json:"ended_at,omitzero"`
	PeakViewers   *int64        `json:"peak_viewers,omitempty"`
	UniqueViewers *int64        `json:"unique_viewers,omitempty"`
	WatchSeconds  *int64        `json:"watch_seconds,omitempty"`
}

// StreamBroadcast is the broadcast as it was then.
type StreamBroadcast struct {
	ID        string        `json:"id"`
	Title     string        `json:"title"`
	Category  string        `json:"category"`
	Language  string        `json:"language"`
	Tags      []string      `json:"tags"`
	StartedAt presence.Time `json:"started_at"`
	Version   int64         `json:"version"`
}

// eventsOf returns what has happened when the record came from one state to
// another. A transition may be missing between the two, if Redis lost it: then
// the events are those that lead from what was told last to what is.
func eventsOf(old *was, b Broadcast, until presence.Millis) []webhook.Event {
	var events []webhook.Event
	tell := func(t webhook.Type, at presence.Millis) {
		events = append(events, b.event(t, at, until))
	}
	state := Ended
	if old != nil {
		state = old.state
	}
	if state == Ended && (old == nil || b.State != Ended) {
		at := b.StartedAt
		if old != nil {
			at = b.changedAt // it had been taken for lost
		}
		tell(webhook.StreamOnline, at)
		state = Live
	}
	switch {
	case state == b.State:
	case b.State == Live:
		tell(webhook.StreamResumed, b.changedAt)
	case b.State == Reconnecting:
		tell(webhook.StreamReconnecting, b.changedAt)
	}
	if old != nil && !sameDetails(old.details, b.Details) {
		tell(webhook.StreamUpdated, b.changedAt)
	}
	if state != Ended && b.State == Ended {
		tell(webhook.StreamOffline, b.EndedAt)
	}
	return events
}

// event makes the event of a type. Its id says which transition it is of.
func (b *Broadcast) event(t webhook.Type, at, until presence.Millis) webhook.Event {
	data := Stream{
		Broadcast: StreamBroadcast{
			ID: b.ID, Title: b.Details.Title, Category: b.Details.Category, Language: b.Details.Language,
			Tags: append([]string{}, b.Details.Tags...), StartedAt: presence.Time(b.StartedAt), Version: b.Version,
		},
		Streamer: b.Streamer, Room: b.Room,
	}
	switch t {
	case webhook.StreamReconnecting:
		data.Reason, data.Until = b.Reason, presence.Time(until)
	case webhook.StreamOffline:
		data.Reason, data.EndedAt = b.Reason, presence.Time(b.EndedAt)
		data.PeakViewers, data.UniqueViewers, data.WatchSeconds = b.PeakViewers, b.UniqueViewers, b.WatchSeconds
	}
	_, verb, _ := strings.Cut(string(t), ".")
	return webhook.Event{
		ID:   fmt.Sprintf("evt_%s_%d_%s", strings.ReplaceAll(b.ID, "-", ""), b.Version, verb),
		Type: t, Subject: b.Streamer.ID, At: at, Data: data,
	}
}
