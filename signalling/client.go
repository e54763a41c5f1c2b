package signalling

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

// Message is one message from the server: its type, and the whole of it.
type Message struct {
	Type string
	Raw  json.RawMessage
}

// Decode reads the message into the struct of its type.
func (m Message) Decode(into any) error { return json.Unmarshal(m.Raw, into) }

// ClientConfig says how to connect. The zero value does for tests without a
// token only.
type ClientConfig struct {
	// Token authenticates the connection.
	Token string
	// InHeader sends the token with the handshake, as apps do, rather than in
	// a hello, as browsers must.
	InHeader bool
	// HTTP may be nil.
	HTTP *http.Client
	// OnMessage receives every message that is not a reply, in order. It must
	// not block for long nor wait for a reply: nothing is read meanwhile. nil
	// drops them.
	OnMessage func(Message)
	// Silent sends no heartbeats: for load and for tests of what then happens.
	Silent bool
}

// Client is one connection to a node. It sends heartbeats by itself; it does
// not come back by itself: when Done is closed, Err says why, and whoever
// wants to goes on with Dial and JoinOptions.Since.
//
// All methods may be used by any number of goroutines.
type Client struct {
	cfg     ClientConfig
	conn    *websocket.Conn
	Welcome Welcome
	done    chan struct{} // closed by read when the connection has ended
	err     error         // set before done is closed

	mu      sync.Mutex
	nextID  int
	waiting map[string]chan Message // by id; each gets one message, or is closed
}

// HandshakeError is a handshake that was refused.
type HandshakeError struct {
	Status     int
	Code       Code
	Detail     string
	RetryAfter string
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("handshake refused with %d %s: %s", e.Status, e.Code, e.Detail)
}

// Dial connects to the /v1/ws of a node (ws:// or wss://) and waits until the
// connection is authenticated. A refused handshake is a *HandshakeError; a
// refused hello is a websocket.CloseError with 4401. The context bounds only
// the dialling. The caller closes the client.
func Dial(ctx context.Context, url string, cfg ClientConfig) (*Client, error) {
	opts := &websocket.DialOptions{HTTPClient: cfg.HTTP, Subprotocols: []string{Subprotocol}}
	if cfg.InHeader {
		opts.HTTPHeader = http.Header{"Authorization": {"Bearer " + cfg.Token}}
	}
	conn, response, err := websocket.Dial(ctx, url, opts)
	if err != nil {
		return nil, handshakeError(response, err)
	}
	conn.SetReadLimit(-1) // a node is trusted; a recovery may be long
	c := &Client{cfg: cfg, conn: conn, done: make(chan struct{}), waiting: make(map[string]chan Message)}
	if err := c.begin(ctx); err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	go c.read()
	if !cfg.Silent {
		go c.beat(time.Duration(c.Welcome.HeartbeatMS) * time.Millisecond)
	}
	return c, nil
}

func handshakeError(r *http.Response, err error) error {
	if r == nil || r.StatusCode == http.StatusSwitchingProtocols {
		return err
	}
	refused := &HandshakeError{Status: r.StatusCode, RetryAfter: r.Header.Get("Retry-After")}
	var p problem
	if r.Body != nil && json.NewDecoder(r.Body).Decode(&p) == nil {
		refused.Code, refused.Detail = p.Code, p.Detail
	}
	return refused
}

// begin authenticates and waits for the welcome.
func (c *Client) begin(ctx context.Context) error {
	if !c.cfg.InHeader {
		if err := c.send(ctx, "hello", "", Hello{Token: c.cfg.Token}); err != nil {
			return err
		}
	}
	_, frame, err := c.conn.Read(ctx)
	if err != nil {
		return err
	}
	welcome, rest, _ := bytes.Cut(frame, []byte{'\n'})
	if err := json.Unmarshal(welcome, &c.Welcome); err != nil {
		return fmt.Errorf("the first message is no welcome: %w", err)
	}
	for line := range bytes.SplitSeq(rest, []byte{'\n'}) {
		c.receive(line)
	}
	return nil
}

// read hands messages on until the connection ends.
func (c *Client) read() {
	for {
		_, frame, err := c.conn.Read(context.Background())
		if err != nil {
			c.ended(err)
			return
		}
		for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
			c.receive(line)
		}
	}
}

func (c *Client) receive(raw []byte) {
	var e Envelope
	if len(raw) == 0 || json.Unmarshal(raw, &e) != nil {
		return
	}
	m := Message{Type: e.Type, Raw: raw}
	if e.Re != "" {
		c.mu.Lock()
		reply := c.waiting[e.Re]
		delete(c.waiting, e.Re)
		c.mu.Unlock()
		if reply != nil {
			reply <- m
			return
		}
	}
	if c.cfg.OnMessage != nil {
		c.cfg.OnMessage(m)
	}
}

func (c *Client) ended(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	close(c.done)
	for id, reply := range c.waiting {
		close(reply)
		delete(c.waiting, id)
	}
}

// beat sends heartbeats until the connection ends.
func (c *Client) beat(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-tick.C:
			_ = c.send(context.Background(), "heartbeat", "", Nothing{}) // if it fails, read ends
		}
	}
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended: a websocket.CloseError if the server
// said so. It is nil until Done is closed.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close closes the connection and waits until it has ended.
func (c *Client) Close() error {
	err := c.conn.Close(websocket.StatusNormalClosure, "")
	<-c.done
	return err
}

// Abort drops the connection without a close frame, as a crash would.
func (c *Client) Abort() {
	_ = c.conn.CloseNow()
	<-c.done
}

// send writes one message with the fields of body.
func (c *Client) send(ctx context.Context, kind, id string, body any) error {
	return c.conn.Write(ctx, websocket.MessageText, message(kind, id, body))
}

// message puts an envelope around the fields of body, which is a struct.
func message(kind, id string, body any) []byte {
	head, fields := wire.JSON(Envelope{Type: kind, ID: id}), wire.JSON(body)
	if len(fields) > len("{}") {
		head[len(head)-1] = ','
		head = append(head, fields[1:]...)
	}
	return head
}

// SendRaw writes a frame as it is.
func (c *Client) SendRaw(ctx context.Context, frame []byte) error {
	return c.conn.Write(ctx, websocket.MessageText, frame)
}

// Request sends a message and waits for its reply. An error reply is an
// *Error. If the context ends first, the outcome is unknown.
func (c *Client) Request(ctx context.Context, kind string, body any) (Message, error) {
	id, reply, err := c.expect()
	if err != nil {
		return Message{}, err
	}
	if err := c.send(ctx, kind, id, body); err != nil {
		return Message{}, err
	}
	select {
	case m, ok := <-reply:
		if !ok {
			return Message{}, fmt.Errorf("%s was not answered: %w", kind, c.Err())
		}
		return m, failureIn(m)
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return Message{}, fmt.Errorf("%s was not answered: %w", kind, ctx.Err())
	}
}

// expect returns a new id and where its reply will come.
func (c *Client) expect() (string, chan Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return "", nil, c.err
	}
	c.nextID++
	id, reply := strconv.Itoa(c.nextID), make(chan Message, 1)
	c.waiting[id] = reply
	return id, reply, nil
}

func failureIn(m Message) error {
	if m.Type != "error" {
		return nil
	}
	var f Failure
	if err := m.Decode(&f); err != nil {
		return errors.Join(errors.New("an error reply can't be read"), err)
	}
	return &Error{Code: f.Code, Message: f.Message, RetryAfter: time.Duration(f.RetryAfterMS) * time.Millisecond}
}

// request sends a message and decodes its reply.
func request[T any](ctx context.Context, c *Client, kind string, body any) (reply T, err error) {
	m, err := c.Request(ctx, kind, body)
	if err == nil {
		err = m.Decode(&reply)
	}
	return reply, err
}

// Join makes the connection a member of a room.
func (c *Client) Join(ctx context.Context, j Join) (Joined, error) {
	return request[Joined](ctx, c, "join", j)
}

// Leave ends a membership.
func (c *Client) Leave(ctx context.Context, room string) error {
	_, err := c.Request(ctx, "leave", Leave{Room: room})
	return err
}

// Start begins a broadcast in a room joined as streamer.
func (c *Client) Start(ctx context.Context, s LiveStart) (*presence.Broadcast, error) {
	reply, err := request[OK](ctx, c, "live.start", s)
	return reply.Broadcast, err
}

// Update changes what is said about the running broadcast.
func (c *Client) Update(ctx context.Context, u LiveUpdate) (*presence.Broadcast, error) {
	reply, err := request[OK](ctx, c, "live.update", u)
	return reply.Broadcast, err
}

// End ends the running broadcast.
func (c *Client) End(ctx context.Context, room string) error {
	_, err := c.Request(ctx, "live.end", LiveEnd{Room: room})
	return err
}

// Publish says something in a room; data is encoded as JSON. A reaction has no
// position.
func (c *Client) Publish(ctx context.Context, room, event string, data any) (rooms.Position, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return rooms.Position{}, err
	}
	reply, err := request[OK](ctx, c, "publish", Publish{Room: room, Event: event, Data: raw})
	return rooms.Position{Epoch: reply.Epoch, Offset: reply.Offset}, err
}

// Chat says a line of chat.
func (c *Client) Chat(ctx context.Context, room, text string) (rooms.Position, error) {
	return c.Publish(ctx, room, rooms.EventChat, rooms.ChatData{Text: text})
}

// React reacts. It is told to the room, and to this client, with all others of
// the same second.
func (c *Client) React(ctx context.Context, room, kind string) error {
	_, err := c.Publish(ctx, room, rooms.EventReaction, rooms.ReactionData{Kind: kind})
	return err
}

// Signal sends a signal to one other member, and returns once it is in the queue of their socket, or why not: an *Error with
// CodePeerGone, CodePeerLimit, CodeForbidden, CodeTooLarge or CodeUnavailable. What they answer comes to OnMessage, as a
// rooms.SignalMessage. Concurrent signals may overtake each other.
func (c *Client) Signal(ctx context.Context, s Signal) error {
	_, err := c.Request(ctx, "signal", s)
	return err
}

// Moderate acts upon somebody in a room that was joined, or upon a line of chat.
func (c *Client) Moderate(ctx context.Context, m Moderate) error {
	_, err := c.Request(ctx, "moderate", m)
	return err
}

// Members returns one page of a room's members, and the next page's cursor.
func (c *Client) Members(ctx context.Context, m Members) ([]rooms.Member, string, error) {
	reply, err := request[OK](ctx, c, "members", m)
	return reply.Members, reply.Next, err
}

// Refresh replaces the connection's token and returns when the new one ends.
func (c *Client) Refresh(ctx context.Context, token string) (presence.Millis, error) {
	reply, err := request[OK](ctx, c, "refresh", Refresh{Token: token})
	return reply.ExpiresAt, err
}

// Heartbeat sends a heartbeat and waits for its answer.
func (c *Client) Heartbeat(ctx context.Context) (presence.Millis, error) {
	reply, err := request[Heartbeat](ctx, c, "heartbeat", Nothing{})
	return reply.Now, err
}
