package rooms

import (
	"encoding/json"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// The messages in this file go to many connections at once and are therefore
// encoded here, once, and not by each session. signalling/PROTOCOL.md
// describes them.

// EventMessage is an event on the wire.
type EventMessage struct {
	Type string `json:"type"` // "event"
	Room string `json:"room"`
	Position
	Event string          `json:"event"`
	From  *Sender         `json:"from,omitempty"`
	At    presence.Millis `json:"at"`
	Data  json.RawMessage `json:"data"`
}

// ViewersMessage tells how many connections view a room.
type ViewersMessage struct {
	Type        string `json:"type"` // "viewers"
	Room        string `json:"room"`
	Connections int    `json:"connections"`
}

// ReactionsMessage tells how many reacted, and how, since the last one.
type ReactionsMessage struct {
	Type   string         `json:"type"` // "reactions"
	Room   string         `json:"room"`
	Counts map[string]int `json:"counts"` // by kind
}

// UserData is the data of streamer.online and streamer.offline.
type UserData struct {
	User presence.User `json:"user"`
}

// BroadcastData is the data of every live.* event.
type BroadcastData struct {
	Broadcast *presence.Broadcast `json:"broadcast"`
	Reason    presence.Reason     `json:"reason,omitempty"`
	Until     presence.Millis     `json:"until,omitempty"`
}

// DeletedData is the data of chat.deleted: which line is to be shown no more.
type DeletedData struct {
	Offset int64 `json:"offset"`
}

// MemberData is the data of member.muted, member.unmuted and member.banned.
type MemberData struct {
	User   presence.User   `json:"user"`
	Until  presence.Millis `json:"until,omitempty"`
	Reason string          `json:"reason,omitempty"`
}

// UpdatedData is the data of room.updated.
type UpdatedData struct {
	SlowSeconds int `json:"slow_seconds"` // 0: chat is not slow
}

// encode gives the event its message.
func (e *Event) encode() {
	e.message = wire.JSON(EventMessage{
		Type: "event", Room: e.Room, Position: e.Position, Event: e.Name, From: e.From, At: e.At, Data: e.Data,
	})
}

// eventOf tells a room of a transition. The position is the relay's to set.
func eventOf(t presence.Transition) *Event {
	after := t.After
	e := &Event{Room: t.Room, Name: string(t.Kind), At: t.At, After: &after}
	if t.Broadcast == nil {
		e.Data = wire.JSON(UserData{User: t.User})
	} else {
		e.Data = wire.JSON(BroadcastData{Broadcast: t.Broadcast, Reason: t.Reason, Until: t.Until})
	}
	return e
}
