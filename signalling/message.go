package signalling

import (
	"encoding/json"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// The structs in this file are the messages of PROTOCOL.md, one each; events,
// viewer counts and reactions are in package rooms, which sends them to many at
// once.
// What an incoming message contains is not trusted before its handler has
// looked at it.

// Envelope is what all messages have.
type Envelope struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"` // of a client's message
	Re   string `json:"re,omitempty"` // of its reply
}

// Client to server.
type (
	// Hello authenticates a connection whose handshake could not.
	Hello struct {
		Token string `json:"token"`
	}
	// Join makes the connection a member of a room.
	Join struct {
		Room  string          `json:"room"`
		Role  auth.Role       `json:"role,omitempty"`
		Since *rooms.Position `json:"since,omitempty"`
	}
	// Leave ends a membership.
	Leave struct {
		Room string `json:"room"`
	}
	// LiveStart begins a broadcast.
	LiveStart struct {
		Room string `json:"room"`
		presence.Details
		WindowMS *int64 `json:"window_ms,omitempty"`
	}
	// LiveUpdate changes what is said about a broadcast.
	LiveUpdate struct {
		Room     string    `json:"room"`
		Title    *string   `json:"title,omitempty"`
		Category *string   `json:"category,omitempty"`
		Language *string   `json:"language,omitempty"`
		Tags     *[]string `json:"tags,omitempty"`
	}
	// LiveEnd ends a broadcast.
	LiveEnd struct {
		Room string `json:"room"`
	}
	// Publish says something in a room, or reacts.
	Publish struct {
		Room  string          `json:"room"`
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data,omitempty"`
	}
	// Signal is for one other member of a room, so that a WebRTC connection with
	// them comes about.
	Signal struct {
		Room    string           `json:"room"`
		To      string           `json:"to"`
		Session string           `json:"session"`
		Kind    rooms.SignalKind `json:"kind"`
		Data    json.RawMessage  `json:"data,omitempty"`
	}
	// Members asks who is in a room.
	Members struct {
		Room  string `json:"room"`
		First int    `json:"first,omitempty"`
		After string `json:"after,omitempty"`
	}
	// Moderate acts upon somebody, or something that was said.
	Moderate struct {
		Room    string            `json:"room"`
		Action  moderation.Action `json:"action"`
		User    string            `json:"user,omitempty"`
		Offset  int64             `json:"offset,omitempty"`
		Seconds *int64            `json:"seconds,omitempty"`
		Reason  string            `json:"reason,omitempty"`
	}
	// Refresh replaces the connection's token.
	Refresh struct {
		Token string `json:"token"`
	}
	// Nothing is a message without fields of its own: heartbeat.
	Nothing struct{}
)

// Server to client.
type (
	// Welcome says that the connection is authenticated.
	Welcome struct {
		Type        string          `json:"type"`
		Re          string          `json:"re,omitempty"`
		Connection  string          `json:"connection"`
		Node        string          `json:"node"`
		User        presence.User   `json:"user"`
		HeartbeatMS int64           `json:"heartbeat_ms"`
		PingMS      int64           `json:"ping_ms"` // 0: the server does not ping
		Limits      Limits          `json:"limits"`
		ExpiresAt   presence.Millis `json:"expires_at"`
		Now         presence.Millis `json:"now"`
	}
	// Limits are those of this connection.
	Limits struct {
		FrameBytes        int `json:"frame_bytes"`
		Rooms             int `json:"rooms"`
		ChatChars         int `json:"chat_chars"`
		EventBytes        int `json:"event_bytes"`
		SDPBytes          int `json:"sdp_bytes"`
		SignalBytes       int `json:"signal_bytes"` // the data of one that has no sdp
		MessagesPerSecond int `json:"messages_per_second"`
		MessagesBurst     int `json:"messages_burst"`
		ChatPerSecond     int `json:"chat_per_second"`
		ChatBurst         int `json:"chat_burst"`
		ReactionKinds     int `json:"reaction_kinds"` // in a room, at a time
	}
	// Heartbeat answers a heartbeat, or reassures a streamer's client.
	Heartbeat struct {
		Type string          `json:"type"`
		Re   string          `json:"re,omitempty"`
		Now  presence.Millis `json:"now"`
	}
	// Joined is the state of a room at the moment of joining it.
	Joined struct {
		Type   string    `json:"type"`
		Re     string    `json:"re,omitempty"`
		Room   string    `json:"room"`
		Role   auth.Role `json:"role"`
		Member string    `json:"member"`
		rooms.Position
		Recovered bool              `json:"recovered"`
		Events    []json.RawMessage `json:"events"`         // event messages
		Chat      []json.RawMessage `json:"chat,omitempty"` // event messages
		Streamer  presence.View     `json:"streamer"`
		Viewers   Connections       `json:"viewers"`
		ICE       []ICEServer       `json:"ice_servers,omitempty"`
		Slow      int               `json:"slow_seconds,omitempty"` // between two lines of chat of one user
		Stale     bool              `json:"stale,omitempty"`
	}
	// ICEServers replaces what joined said of them.
	ICEServers struct {
		Type    string      `json:"type"`
		Servers []ICEServer `json:"ice_servers"`
	}
	// Connections is a number of connections.
	Connections struct {
		Connections int `json:"connections"`
	}
	// Expiring warns that the token ends soon.
	Expiring struct {
		Type      string          `json:"type"`
		ExpiresAt presence.Millis `json:"expires_at"`
	}
	// Reconnect asks the client to come back to another node.
	Reconnect struct {
		Type    string          `json:"type"`
		AfterMS int64           `json:"after_ms"`
		Reason  presence.Reason `json:"reason"`
	}
	// OK says that a message was carried out.
	OK struct {
		Type      string              `json:"type"`
		Re        string              `json:"re,omitempty"`
		Broadcast *presence.Broadcast `json:"broadcast,omitempty"`
		Epoch     string              `json:"epoch,omitempty"`
		Offset    int64               `json:"offset,omitempty"`
		Members   []rooms.Member      `json:"members,omitempty"`
		Partial   bool                `json:"partial,omitempty"` // somebody may be missing from them
		Next      string              `json:"next,omitempty"`
		ExpiresAt presence.Millis     `json:"expires_at,omitempty"`
	}
	// Failure says that a message was not carried out, and why.
	Failure struct {
		Type         string `json:"type"` // "error"
		Re           string `json:"re,omitempty"`
		Code         Code   `json:"code"`
		Message      string `json:"message"`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
	}
)
