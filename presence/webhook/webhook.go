// Package webhook tells a platform's backend what has happened, by the
// Standard Webhooks scheme (https://www.standardwebhooks.com).
//
// Whoever makes something true of the database, such as that a broadcast has
// ended, writes the event in the same transaction (Outbox): what is on record
// is told, and what is told is on record. A Sender on each node then delivers:
//
//	event ──▶ a delivery for each endpoint that wants it ──▶ the endpoint
//
// Each endpoint gets the events of one subject, which is a streamer or a room,
// in order and one after the other: a lane. A lane is leased by one node at a
// time, and a node that dies with it loses the lease. An event arrives at least
// once; its id, the header webhook-id, is the same each time.
//
// A delivery that fails is tried again for a day, and keeps its lane waiting
// for as long. Then it is parked, and can be asked for again.
package webhook

import (
	"slices"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// Type says what happened. The stream ones follow the transitions of a
// broadcast and name it.
type Type string

const (
	StreamOnline       Type = "stream.online"
	StreamReconnecting Type = "stream.reconnecting"
	StreamResumed      Type = "stream.resumed"
	StreamUpdated      Type = "stream.updated"
	StreamOffline      Type = "stream.offline"
	RoomOccupied       Type = "room.occupied" // somebody views it
	RoomVacated        Type = "room.vacated"  // nobody does any more
	ChatMessage        Type = "chat.message"
)

// Types are all there are.
var Types = []Type{
	StreamOnline, StreamReconnecting, StreamResumed, StreamUpdated, StreamOffline, RoomOccupied, RoomVacated, ChatMessage,
}

// ByDefault are those that an endpoint gets which names none: all but chat,
// which is a request for each line that anybody says.
var ByDefault = slices.DeleteFunc(slices.Clone(Types), func(t Type) bool { return t == ChatMessage })

// Event is something that happened.
type Event struct {
	// ID is made of what happened, so that writing it again writes nothing. It
	// has letters, digits, - and _ only: it is a part of what is signed.
	ID   string
	Type Type
	// Subject is whose events are delivered in order.
	Subject string
	At      presence.Millis
	Data    any // JSON
}

// body is what endpoints get.
type body struct {
	Type      Type          `json:"type"`
	Timestamp presence.Time `json:"timestamp"`
	Data      any           `json:"data"`
}

// What applies where a Config names nothing else.
const (
	// DefaultTimeout is how long an endpoint may take to answer.
	DefaultTimeout = 10 * time.Second
	// DefaultRetryFor is how old an event may be when it is tried for the last time.
	DefaultRetryFor = 24 * time.Hour
	// DefaultPauseAfter is for how long an endpoint may fail, whatever it is
	// sent, before it is sent nothing more.
	DefaultPauseAfter = 24 * time.Hour
)
