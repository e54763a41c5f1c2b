// Package signalling is the front door for sockets: it speaks tallylight.v1,
// which PROTOCOL.md describes, with streamers' apps and viewers' pages.
//
// # The life of a session
//
// ServeHTTP upgrades the request and returns: net/http's goroutine, with its
// stack and its request, is not kept for the life of the socket. From then on
// one goroutine waits and reads (session.await, session.read). What it reads is handled in order by a
// goroutine that exists only while there is something to handle (inbox), so
// that pongs are seen even while a handler waits for a store. What is sent
// waits in a bounded queue, written by a goroutine that exists only while the
// queue is not empty. Time comes from one wheel for all sessions.
//
// Whoever wants to end a session calls session.end; the first cause counts.
// session.takeApart then stops the handling, leaves all rooms, writes what is
// queued, and closes the socket, in this order: presence never waits for a
// slow or dead peer.
package signalling

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

// Subprotocol is the name under which the protocol is negotiated.
const Subprotocol = "tallylight.v1"

// Defaults of Config, chosen against proxies that cut what is silent for 60 s
// and browsers that fire the timers of hidden pages once a minute.
const (
	DefaultHeartbeat = 50 * time.Second
	DefaultPing      = 20 * time.Second
)

// Limits of a connection.
const (
	MaxFrame   = 128 << 10 // bytes of one frame from a client
	MaxQueued  = 256 << 10 // bytes that may wait for a slow reader
	MaxRequest = 64        // bytes of a message's id

	// helloTimeout is for browsers, which can't send a header.
	helloTimeout = 10 * time.Second
	// pongTimeout is how long a ping may go unanswered.
	pongTimeout = 10 * time.Second
	// writeTimeout bounds one write to a peer that has stopped reading.
	writeTimeout = 20 * time.Second
	// maxBad is how many messages in a row may be no messages at all.
	maxBad = 10
	// maxLimited is how many messages may be refused for their rate, of which
	// forgivenPerSecond are forgotten each second. One of many KiB counts as so
	// many more: to find out that it is too much costs as much.
	maxLimited, forgivenPerSecond = 400, 10
	// expiryNotice is how long before its end a token's owner is told, at most.
	expiryNotice = 60 * time.Second

	rostersPerSecond, rostersBurst = 5, 20
	// actsPerSecond are those of a moderator: each is a transaction that all nodes read.
	actsPerSecond, actsBurst = 5, 20
)

// Config is what a Server is made of.
type Config struct {
	Node     string         // this node's id, as in connection ids
	Hub      *rooms.Hub     // required
	Verifier *auth.Verifier // required
	Logger   *slog.Logger   // required

	// Heartbeat is how often clients are asked to send a heartbeat; 0 means
	// DefaultHeartbeat. A streamer who sends nothing for two and a half of
	// these is closed with 4408.
	Heartbeat time.Duration
	// Ping is how often the server pings; 0 means DefaultPing, negative never.
	// Without pings, the heartbeat's deadline holds for every connection.
	Ping time.Duration
	// Origins are the origins of pages that may connect. Empty: only pages from
	// the host that was asked for.
	Origins auth.Origins
	// Admit bounds who is connected to this node, and how fast they come;
	// AdmitFrom the same for those from one address, which of IPv6 is a /64.
	// The zero Bound lets everybody in.
	Admit, AdmitFrom Bound
	// Rules bound what clients may do.
	Rules Rules
	// ICE names what helps peers to reach each other.
	ICE ICE
	// Metrics may be nil.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() Config {
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.Ping == 0 {
		c.Ping = DefaultPing
	}
	c.Rules = c.Rules.withDefaults()
	c.ICE = c.ICE.withDefaults()
	return c
}

// silence is how long a streamer may send no message: two beats of a browser
// that throttles its timers, and some slack.
func (c Config) silence() time.Duration { return c.Heartbeat * 5 / 2 }

// reassure is how often a streamer's client hears from the server at least.
func (c Config) reassure() time.Duration { return c.Heartbeat / 5 }

// tick is how often deadlines are looked at.
func (c Config) tick() time.Duration {
	shortest := c.Heartbeat
	if c.Ping > 0 {
		shortest = min(shortest, c.Ping)
	}
	return min(max(shortest/20, 10*time.Millisecond), time.Second)
}
