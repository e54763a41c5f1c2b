// Package bare is the least server that the bench can be run against: coder/websocket, and rooms in which everybody is
// sent what anybody publishes. It checks no token, counts nothing, keeps nothing and waits for its slowest reader. Measured
// in turn with a node, in the same minutes on the same machine, it says how much of what a node costs is the node's own.
package bare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Server is a handler of every path. The zero value is slim.
type Server struct {
	// Plain uses coder/websocket as it comes: net/http's buffers of 4 KiB each, and its goroutine for the life of the
	// socket. Otherwise buffers have 256 bytes, and the goroutine that reads is a fresh one.
	Plain bool

	next atomic.Int64 // the last connection's number

	mu    sync.Mutex
	rooms map[string]*room
}

type room struct {
	mu      sync.Mutex // held while an event is sent: so they come in order
	offset  int64
	members map[*websocket.Conn]bool
}

// ServeHTTP upgrades any request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Plain {
		w = slim{w}
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"tallylight.v1"}, InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(128 << 10)
	c := &client{server: s, conn: conn, id: "bare-" + strconv.FormatInt(s.next.Add(1), 10)}
	if s.Plain {
		c.serve()
	} else {
		go c.serve() // net/http's goroutine goes, with its stack and the request
	}
}

// client is one connection. All fields belong to serve.
type client struct {
	server *Server
	conn   *websocket.Conn
	id     string
	name   string // of the room, once joined
	room   *room
}

func (c *client) serve() {
	defer func() { _ = c.conn.CloseNow() }()
	defer c.leave()
	err := c.send(reply{Type: "welcome", HeartbeatMS: 50_000})
	for err == nil {
		var frame []byte
		if _, frame, err = c.conn.Read(context.Background()); err != nil {
			return
		}
		for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
			var m request
			if err == nil && json.Unmarshal(line, &m) == nil {
				err = c.handle(m)
			}
		}
	}
}

type request struct {
	Type, ID, Room, Role, Event string
	Data                        json.RawMessage
}

type reply struct {
	Type        string `json:"type"`
	Re          string `json:"re,omitempty"`
	HeartbeatMS int64  `json:"heartbeat_ms,omitempty"`
	Room        string `json:"room,omitempty"`
	Role        string `json:"role,omitempty"`
	Member      string `json:"member,omitempty"`
	position
}

type position struct {
	Epoch  string `json:"epoch,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

// event has its fields in a node's order.
type event struct {
	Type   string          `json:"type"`
	Room   string          `json:"room"`
	Epoch  string          `json:"epoch"`
	Offset int64           `json:"offset"`
	Event  string          `json:"event"`
	At     int64           `json:"at"`
	Data   json.RawMessage `json:"data"`
}

// epoch never changes: nothing is kept that could be lost.
const epoch = "bare"

func (c *client) handle(m request) error {
	switch {
	case m.Type == "heartbeat":
		return c.send(reply{Type: "heartbeat", Re: m.ID})
	case m.Type == "join":
		return c.join(m)
	case m.Type == "publish" && c.room != nil:
		return c.send(reply{Type: "ok", Re: m.ID, position: c.publish(m)})
	case m.ID != "":
		return c.send(reply{Type: "ok", Re: m.ID})
	}
	return nil
}

// join answers and enrols in one step.
func (c *client) join(m request) error {
	c.leave()
	c.name, c.room = m.Room, c.server.room(m.Room)
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	c.room.members[c.conn] = true
	return c.send(reply{Type: "joined", Re: m.ID, Room: m.Room, Role: m.Role, Member: c.id, position: position{epoch, c.room.offset}})
}

func (c *client) leave() {
	if c.room == nil {
		return
	}
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	delete(c.room.members, c.conn)
}

func (s *Server) room(name string) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms == nil {
		s.rooms = make(map[string]*room)
	}
	if s.rooms[name] == nil {
		s.rooms[name] = &room{members: make(map[*websocket.Conn]bool)}
	}
	return s.rooms[name]
}

// publish encodes once and writes to everybody, one after the other.
func (c *client) publish(m request) position {
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	c.room.offset++
	message, err := json.Marshal(event{"event", c.name, epoch, c.room.offset, m.Event, time.Now().UnixMilli(), m.Data})
	if err != nil {
		return position{}
	}
	for member := range c.room.members {
		if member.Write(context.Background(), websocket.MessageText, message) != nil {
			delete(c.room.members, member) // its reader notices as well
		}
	}
	return position{epoch, c.room.offset}
}

func (c *client) send(r reply) error {
	message, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.conn.Write(context.Background(), websocket.MessageText, message)
}

// slim hands out small buffers when the connection is taken over.
type slim struct{ http.ResponseWriter }

const slimBuffer = 256

func (s slim) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, old, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := old.Reader.Buffered(); n > 0 { // the client did not wait: what net/http has read already must not be lost
		early := make([]byte, n)
		_, _ = io.ReadFull(old.Reader, early) // from its buffer: it can't fail
		conn = &carried{Conn: conn, early: early}
	}
	return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, slimBuffer), bufio.NewWriterSize(conn, slimBuffer)), nil
}

// carried is a connection some of which was read before.
type carried struct {
	net.Conn
	early []byte
}

func (c *carried) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	c.early = c.early[n:]
	return n, nil
}
