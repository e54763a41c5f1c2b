package rooms

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

var (
	quiet       = slog.New(slog.DiscardHandler)
	alice       = presence.User{ID: "alice", Name: "Alice"}
	bob         = presence.User{ID: "bob", Name: "Bob"}
	carol       = presence.User{ID: "carol", Name: "Carol"}
	chatFromBob = &Sender{ID: "bob", Name: "Bob", Role: auth.RoleViewer}
)

const studio = "studio"

// house is a node with everything that rooms need.
type house struct {
	t         testing.TB
	store     *presence.Memory
	relay     *Memory
	directory *presence.Directory
	hub       *Hub
	decoded   sync.Map // what clients were sent: *byte, its first one, → message
}

// open returns a node on which nothing runs: transitions are applied by
// whoever makes them, and nothing happens once a second.
func open(t testing.TB, change ...func(*Config)) *house {
	h := &house{t: t, store: presence.NewMemory(PresenceFollower)}
	h.relay = newMemory(h.store)
	h.directory = presence.NewDirectory(h.store, quiet)
	cfg := Config{Node: "n1", Store: h.store, Relay: h.relay, Directory: h.directory, Logger: quiet}
	for _, f := range change {
		f(&cfg)
	}
	h.hub = NewHub(cfg)
	return h
}

// running is open with everything running, in a bubble.
func running(t *testing.T, change ...func(*Config)) *house {
	h := open(t, change...)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	sweeper := presence.Sweeper{Store: h.store, Logger: quiet}
	for _, run := range []func(context.Context){h.directory.Run, h.hub.Run, h.relay.Run, sweeper.Run} {
		all.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	<-h.directory.Ready()
	synctest.Wait()
	return h
}

// pass lets time pass in a bubble, and everything happen that is due by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// client is a Session that remembers what it was told.
type client struct {
	t    testing.TB
	h    *house
	id   string
	user presence.User

	mu     sync.Mutex
	got    []any // Joined or a message of this package, in the order of their coming
	when   []time.Time
	cuts   []Cut
	unread int // index into got

	addr       netip.Addr
	token      *auth.Identity
	expelled   []string        // in words
	onExpelled func(Expulsion) // nil: nothing happens

	refuses error // what signals get; nil: they are taken
}

var _ Session = (*client)(nil)

func (c *client) Connection() string  { return c.id }
func (c *client) User() presence.User { return c.user }
func (c *client) Joined(j Joined)     { c.note(j) }

// Signal notes it like any other message, unless it is to be refused.
func (c *client) Signal(message []byte) error {
	c.mu.Lock()
	err := c.refuses
	c.mu.Unlock()
	if err == nil {
		c.Send(message)
	}
	return err
}

func (c *client) Send(message []byte) {
	// Everybody gets the same bytes, so it is enough to decode them once.
	m, ok := c.h.decoded.Load(&message[0])
	if !ok {
		m = c.decode(message)
		c.h.decoded.Store(&message[0], m)
	}
	c.note(m)
}

func (c *client) decode(message []byte) any {
	switch kind := decode[struct{ Type string }](c.t, message).Type; kind {
	case "event":
		return decode[EventMessage](c.t, message)
	case "viewers":
		return decode[ViewersMessage](c.t, message)
	case "reactions":
		return decode[ReactionsMessage](c.t, message)
	case "signal":
		return decode[SignalMessage](c.t, message)
	default:
		c.t.Errorf("%s was sent %q", c.id, message)
		return nil
	}
}

// Reconnect is noted as the reason.
func (c *client) Reconnect(_ time.Duration, why presence.Reason) { c.note(why) }

func (c *client) Cut(why Cut) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts = append(c.cuts, why)
}

func (c *client) Addr() netip.Addr         { return c.addr }
func (c *client) Identity() *auth.Identity { return c.token }

func (c *client) Expel(e Expulsion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expelled = append(c.expelled, e.Room+": "+e.Says()); len(c.expelled) == 1 && c.onExpelled != nil {
		c.onExpelled(e)
	}
}

func (c *client) note(message any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.when = append(c.got, message), append(c.when, time.Now())
}

func decode[M any](t testing.TB, message []byte) (m M) {
	t.Helper()
	if err := json.Unmarshal(message, &m); err != nil {
		t.Errorf("decoding %q: %v", message, err)
	}
	return m
}

// news returns what the client was told since it last looked.
func (c *client) news() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := c.got[c.unread:]
	c.unread = len(c.got)
	return news
}

// wantCut checks why the client was cut; nothing: it was not.
func (c *client) wantCut(want ...Cut) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if fmt.Sprint(c.cuts) != fmt.Sprint(want) {
		c.t.Errorf("%s was cut for %v, want %v", c.id, c.cuts, want)
	}
}

// connect returns a registered client that is in no room.
func (h *house) connect(user presence.User, id string) *client {
	c := &client{t: h.t, h: h, id: id, user: user}
	h.hub.Register(c)
	return c
}

// ask joins and returns whatever comes of it.
func (c *client) ask(j Join) error {
	if j.Room == "" {
		j.Room = studio
	}
	if j.Role == "" {
		j.Role = auth.RoleViewer
	}
	return c.h.hub.Join(c.h.t.Context(), c, j)
}

// join joins and returns the answer, which must be the next thing to come.
func (c *client) join(j Join) Joined {
	c.t.Helper()
	c.news()
	if err := c.ask(j); err != nil {
		c.t.Fatalf("%s joins: %v", c.id, err)
	}
	news := c.news()
	if len(news) == 0 {
		c.t.Fatalf("%s joined and was told nothing", c.id)
	}
	joined, ok := news[0].(Joined)
	if !ok {
		c.t.Fatalf("%s joined and was told %+v", c.id, news[0])
	}
	return joined
}

func (h *house) viewer(user presence.User, id string) *client {
	h.t.Helper()
	c := h.connect(user, id)
	c.join(Join{})
	return c
}

func (h *house) streamer(user presence.User, id string) *client {
	h.t.Helper()
	c := h.connect(user, id)
	c.join(Join{Role: auth.RoleStreamer})
	return c
}

func (c *client) start() *presence.Broadcast {
	c.t.Helper()
	b, err := c.h.hub.Start(c.t.Context(), c, studio, presence.Start{Details: presence.Details{Title: "Sketches"}})
	if err != nil {
		c.t.Fatalf("%s starts: %v", c.id, err)
	}
	return b
}

func (c *client) leave(why presence.Reason) {
	c.t.Helper()
	if err := c.h.hub.Leave(c.t.Context(), c, studio, why); err != nil {
		c.t.Fatalf("%s leaves: %v", c.id, err)
	}
}

func (h *house) say(text string) Position {
	h.t.Helper()
	at, err := h.hub.Publish(h.t.Context(), Publication{Room: studio, Name: EventChat, From: chatFromBob, Data: wire.JSON(ChatData{text})})
	if err != nil {
		h.t.Fatalf("chat: %v", err)
	}
	return at
}

// told writes what the client was told since it last looked, one word a message.
func (c *client) told() []string {
	told := []string{}
	for _, m := range c.news() {
		switch m := m.(type) {
		case Joined:
			told = append(told, fmt.Sprintf("joined@%d", m.Offset))
		case EventMessage:
			told = append(told, fmt.Sprintf("%s@%d", m.Event, m.Offset))
		case ViewersMessage:
			told = append(told, fmt.Sprintf("viewers=%d", m.Connections))
		case ReactionsMessage:
			told = append(told, fmt.Sprintf("reactions=%v", m.Counts))
		case SignalMessage:
			told = append(told, fmt.Sprintf("%s %s of %s", m.Kind, m.Session, m.From))
		}
	}
	return told
}

func (c *client) wantTold(want ...string) {
	c.t.Helper()
	if got := c.told(); fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Errorf("%s was told %q, want %q", c.id, got, want)
	}
}

// wantGapless checks the promise to every member: after each snapshot the next
// event is the one after it, and then one by one, all in one epoch.
func (c *client) wantGapless() (events int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var last Position
	for i, m := range c.got {
		switch m := m.(type) {
		case Joined:
			last = m.Position
		case EventMessage:
			events++
			if want := (Position{last.Epoch, last.Offset + 1}); m.Position != want {
				c.t.Errorf("%s: message %d is event %+v, want %+v", c.id, i, m.Position, want)
				return events
			}
			last = m.Position
		}
	}
	return events
}

// wantEmpty checks that the node has forgotten every room.
func (h *house) wantEmpty() {
	h.t.Helper()
	h.hub.mu.Lock()
	defer h.hub.mu.Unlock()
	if n := len(h.hub.rooms); n != 0 {
		h.t.Errorf("the hub still has %d rooms", n)
	}
	h.relay.mu.Lock()
	defer h.relay.mu.Unlock()
	for name, r := range h.relay.rooms {
		r.mu.Lock()
		if n := len(r.receivers); n != 0 {
			h.t.Errorf("%s still has %d receivers", name, n)
		}
		r.mu.Unlock()
	}
}

// eventually waits for a condition, with a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
