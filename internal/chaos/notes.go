package chaos

import (
	"time"
)

// Instant is a time of a run: how long after its beginning.
type Instant = time.Duration

const (
	never   Instant = -1        // it has not happened
	forever Instant = 1<<63 - 1 // it goes on
	second          = time.Second
)

// hearing is how long somebody counts as connected after they heard from a node, by the protocol's promise.
const hearing = 25 * second

// Notes is all that was observed in a run. The checks are functions of it alone; nothing in it is modified once noted,
// but what is documented to grow.
type Notes struct {
	Ended  Instant // how far the notes go
	Faults []Fault
	Actors []*Actor
	Polls  []*PollLog
	Final  []Final
}

// Span is a stretch of time, both ends included.
type Span struct{ From, To Instant }

// Actor is a client over all of its connections.
type Actor struct {
	Name     string
	Streamer bool   // of the room that is called like them
	Slow     []Span `json:",omitempty"` // when it did not read, on purpose
	Conns    []*Conn
	Acts     []Act `json:",omitempty"`
}

// End says why a connection ended, as its client sees it.
type End string

const (
	EndOpen    End = ""
	EndServer  End = "server"   // a close frame, with Code
	EndLost    End = "lost"     // no close frame: FIN or RST
	EndSilent  End = "silent"   // the client heard nothing for too long and dropped it
	EndMoved   End = "moved"    // the client has a newer one, as it was asked to
	EndSpare   End = "spare"    // the client has a newer one, and the server did not close this one for it
	EndDropped End = "dropped"  // the client left without a word, on purpose
	EndGivenUp End = "given up" // the client could not join
	EndOver    End = "over"     // the run is over
)

// Conn is one authenticated connection. Heard and Items grow while it lasts.
type Conn struct {
	N      int // in the order of opening, over all actors
	Actor  string
	Via    string // "nginx", or the node that was asked
	Node   string // the name of the node that answered
	Opened Instant
	Closed Instant // never while it is open
	End    End
	Code   int     `json:",omitempty"` // of the server's close frame
	Spoke  Instant // when the client's last message was sent
	Heard  []Span  // in which no silence was longer than hearing
	Items  []Item
}

// closed returns when it ended, or forever.
func (c *Conn) closed() Instant {
	if c.Closed == never {
		return forever
	}
	return c.Closed
}

// connectedAt reports whether it was open at that time, and something had been heard within 25 s before.
func (c *Conn) connectedAt(t Instant) bool { return c.connected(t, t) }

// connected reports that for all of the time between two instants.
func (c *Conn) connected(from, to Instant) bool {
	if from < c.Opened || to >= c.closed() {
		return false
	}
	for _, s := range c.Heard {
		if s.From <= from && to <= s.To+hearing {
			return true
		}
	}
	return false
}

// lastHeard returns when something was heard last, at or before t.
func (c *Conn) lastHeard(t Instant) Instant {
	last := c.Opened
	for _, s := range c.Heard {
		if s.From <= t {
			last = max(last, min(s.To, t))
		}
	}
	return last
}

// hear notes that something was heard.
func (c *Conn) hear(at Instant) {
	if n := len(c.Heard); n > 0 && at-c.Heard[n-1].To <= hearing {
		c.Heard[n-1].To = at
		return
	}
	c.Heard = append(c.Heard, Span{at, at})
}

// The kinds of items beside the names of events.
const (
	itemJoined = "joined"
	itemLeft   = "left" // the client left the room, and that was answered
	itemOdd    = "odd"  // a message that could not be understood
)

// Position is where an event stands in its room.
type Position struct {
	Epoch  string
	Offset int64
}

// Item is something that a connection was told of a room.
type Item struct {
	At   Instant // of its arrival
	Room string
	Kind string // the name of an event, or one of the above
	Position

	// Of live.* events and, where State is there, of snapshots.
	Broadcast string  `json:",omitempty"`
	Version   int64   `json:",omitempty"`
	Made      Instant `json:",omitempty"` // an event's "at"
	Reason    string  `json:",omitempty"`
	Until     Instant `json:",omitempty"`

	// Of joined.
	State     string   `json:",omitempty"` // of the streamer
	Streamer  bool     `json:",omitempty"` // it joined as that
	Asked     bool     `json:",omitempty"` // it is a reply
	Sent      Instant  `json:",omitempty"` // when it was asked for
	Since     Position `json:",omitzero"`  // and from where on
	Recovered bool     `json:",omitempty"`
	Stale     bool     `json:",omitempty"`
	Events    []Item   `json:",omitempty"` // what was missed
}

func (i Item) onAir() bool { return i.State == "live" || i.State == "reconnecting" }

// ActKind says what a streamer did, or found.
type ActKind string

const (
	ActStart  ActKind = "start"
	ActUpdate ActKind = "update"
	ActEnd    ActKind = "end"
	ActLeave  ActKind = "leave"
	ActDrop   ActKind = "drop"   // dropped the socket, to be back after Away
	ActRenew  ActKind = "renew"  // joined over a newer connection, and left the old one (Old) to the server
	ActFreeze ActKind = "freeze" // the app froze, from Sent to Acked
	ActLost   ActKind = "lost"   // came to know that the broadcast is over, without having ended it
	ActGhost  ActKind = "ghost"  // was told that a broadcast runs that it had ended
)

// Act is what a streamer did. Between Sent and Acked its outcome is unknown.
type Act struct {
	Kind      ActKind
	Sent      Instant
	Acked     Instant       // never: no answer yet
	Conn      int           `json:",omitempty"` // N of the connection on which the answer came
	Broadcast string        `json:",omitempty"`
	Window    time.Duration `json:",omitempty"` // of start; never: none was asked for
	Away      time.Duration `json:",omitempty"`
	Old       int           `json:",omitempty"` // of renew: N of the connection that was replaced
	Tries     int           `json:",omitempty"`
	Tried     Instant       `json:",omitempty"` // when the last of them was sent
	Last      string        `json:",omitempty"` // why it was tried again, the last time
	Refused   string        `json:",omitempty"` // the code of an error that is no "try again"
}

// PollLog is what one node answered when asked who is live.
type PollLog struct {
	Node     string
	Polls    []Poll
	Listings []Listing
}

// Poll is one answer, or none.
type Poll struct {
	At           Instant
	OK           bool // the list came
	Ready, Stale bool
}

// counts reports whether the node claims to know.
func (p Poll) counts() bool { return p.OK && p.Ready && !p.Stale }

// Listing is a row that was the same in every list from From to To.
type Listing struct {
	Room, Broadcast, State string
	From, To               Instant
}

// Final is the complete list of a node at the end, when nothing has been broken for long.
type Final struct {
	Node  string
	Error string `json:",omitempty"`
	Rows  []Row
}

// Row is one broadcast of a list.
type Row struct{ Room, Broadcast, State string }
