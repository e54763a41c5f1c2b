package rooms

import (
	"net/netip"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Session is a connection as rooms see it: the front door implements it.
// No method may block or call the hub; all may be called after the connection
// has ended, and then do nothing.
type Session interface {
	// Connection returns the connection's id, unique over all nodes and time.
	Connection() string
	// User returns whose connection it is; nobody's until that is known.
	User() presence.User
	// Identity returns what its token says; nil until that is known.
	Identity() *auth.Identity
	// Addr returns the address that it comes from; the zero Addr if that is none.
	Addr() netip.Addr
	// Send queues an encoded message behind those sent before. A connection that
	// has no room for it ends.
	Send(message []byte)
	// Signal is Send for what is not worth a connection, such as what another
	// member says, or reactions: it returns ErrPeerBusy if the connection has too
	// little room, and leaves it alone, or ErrPeerGone if it has ended.
	Signal(message []byte) error
	// Joined queues the answer to a join, or a fresh snapshot for a member
	// whose replica had a gap that could not be filled.
	Joined(Joined)
	// Reconnect asks the client to come back after a delay, to any node. The
	// connection itself stays.
	Reconnect(after time.Duration, why presence.Reason)
	// Cut ends the connection for the given reason.
	Cut(Cut)
	// Expel ends the connection of somebody who was put out of a room.
	Expel(Expulsion)
}

// Join is what a connection asks for.
type Join struct {
	Room string
	Role auth.Role
	// Since is the last position that the client saw, or nil.
	Since *Position
	// Request is handed back in Joined.
	Request string
}

// Joined is the state of a room at the moment of joining. All events after
// Position follow.
type Joined struct {
	Request string // empty for a fresh snapshot that nobody asked for
	Room    string
	Role    auth.Role
	Position
	// Recovered: Events are all that happened since Join.Since. Otherwise Chat
	// holds the last lines, and what is older than Position is only in Streamer.
	Recovered   bool
	Events      []*Event
	Chat        []*Event
	Streamer    presence.View
	Connections int // viewers, this connection included if it is one
	// Slow is how long a user must wait between two lines of chat; 0: not at all.
	Slow time.Duration
	// Stale: the store can't be reached, and all this may be out of date.
	Stale bool
}

// member is a session in a room. It is immutable.
type member struct {
	session Session
	role    auth.Role
	fence   presence.Fence // streamers: under which the lease is held

	peerings *peerings // streamers: their sessions with viewers; not immutable itself
}

// watcher returns the user if the member is a viewer.
func (m *member) watcher() []string {
	if m.role != auth.RoleViewer {
		return nil
	}
	return []string{m.session.User().ID}
}

func (m *member) hold(room string) presence.Hold {
	return presence.Hold{Room: room, Fence: m.fence}
}
