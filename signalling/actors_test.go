package signalling

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

const testSecret = "a secret of the tests, 32 bytes or more"

// node is a node on an in-memory network, with everything but HTTP and SQL.
type node struct {
	t      testing.TB
	net    *network
	server *Server
	store  *presence.Memory
	hub    *rooms.Hub
	token  func(c auth.Claims) string
}

// onNode runs a test against a node in a synctest bubble, and fails it if a
// goroutine is left: a bubble does not end before all of its goroutines have.
func onNode(t *testing.T, change func(*Config), test func(t *testing.T, n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, change)
		test(t, n)
	})
}

func startNode(t testing.TB, change func(*Config), rules ...func(*rooms.Config)) *node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store := presence.NewMemory(rooms.PresenceFollower)
	relay := rooms.NewMemory(store, store)
	directory := presence.NewDirectory(store, log)
	house := rooms.Config{Node: "n1", Store: store, Relay: relay, Directory: directory, Logger: log}
	for _, f := range rules {
		f(&house)
	}
	hub := rooms.NewHub(house)
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Node: "n1", Hub: hub, Verifier: verifier, Logger: log}
	if change != nil {
		change(&cfg)
	}
	n := &node{t: t, net: newNetwork(), server: NewServer(cfg), store: store, hub: hub, token: mint(t)}
	web := &http.Server{Handler: n.server}
	sweeper := presence.Sweeper{Store: store, Logger: log}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context){directory.Run, hub.Run, n.server.Run, sweeper.Run} {
		running.Go(func() { run(ctx) })
	}
	running.Go(func() { _ = web.Serve(n.net) })
	t.Cleanup(func() {
		ended, end := context.WithCancel(context.Background())
		end()
		n.server.Drain(ended, 0)
		stop()
		_ = web.Close()
		running.Wait()
	})
	return n
}

func mint(t testing.TB) func(auth.Claims) string {
	return func(c auth.Claims) string {
		t.Helper()
		if c.Expires.IsZero() {
			c.Expires = time.Now().Add(24 * time.Hour)
		}
		token, err := auth.Mint(testSecret, c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// actor is a user with a connection and what it was told.
type actor struct {
	*Client
	t     testing.TB
	room  string
	cable *cable

	mu   sync.Mutex
	told []Message
	at   []time.Time
}

// connect brings a user online. Streamers may broadcast in the room that is
// called after them, everybody may watch all rooms.
func (n *node) connect(user string, change ...func(*ClientConfig)) *actor {
	n.t.Helper()
	a, err := n.tryConnect(user, change...)
	if err != nil {
		n.t.Fatalf("%s connects: %v", user, err)
	}
	return a
}

func (n *node) tryConnect(user string, change ...func(*ClientConfig)) (*actor, error) {
	n.t.Helper()
	a := &actor{t: n.t, room: "alice"}
	cfg := ClientConfig{OnMessage: a.note, Token: n.token(auth.Claims{
		User: user, Name: strings.ToUpper(user[:1]) + user[1:],
		Grants: []auth.Grant{{Room: user, Role: auth.RoleStreamer}, {Room: "*", Role: auth.RoleViewer}},
	})}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	a.Client, a.cable, err = n.net.dial(n.t, cfg)
	if err != nil {
		return nil, err
	}
	n.t.Cleanup(func() { a.Abort() })
	return a, nil
}

func (a *actor) note(m Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, m)
	a.at = append(a.at, time.Now())
}

// messages returns what the actor was told so far.
func (a *actor) messages() []Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.told)
}

func (a *actor) join(role auth.Role) Joined {
	a.t.Helper()
	j, err := a.Join(context.Background(), Join{Room: a.room, Role: role})
	if err != nil {
		a.t.Fatalf("join as %s: %v", role, err)
	}
	return j
}

// golive joins as streamer and starts a broadcast.
func (a *actor) golive() *presence.Broadcast {
	a.t.Helper()
	a.join(auth.RoleStreamer)
	b, err := a.Start(context.Background(), LiveStart{Room: a.room, Details: presence.Details{Title: "Sketches"}})
	if err != nil {
		a.t.Fatalf("live.start: %v", err)
	}
	return b
}

// heard is an event that an actor was told of, and when.
type heard struct {
	rooms.EventMessage
	rooms.BroadcastData
	when time.Time
}

// events returns the room's events so far, but for chat and the like.
func (a *actor) events() []heard {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var events []heard
	for i, m := range a.told {
		if m.Type != "event" {
			continue
		}
		e := heard{when: a.at[i]}
		if err := m.Decode(&e.EventMessage); err != nil {
			a.t.Fatalf("an event can't be read: %v: %s", err, m.Raw)
		}
		if strings.HasPrefix(e.Event, "live.") {
			if err := (Message{Raw: e.Data}).Decode(&e.BroadcastData); err != nil {
				a.t.Fatalf("a broadcast can't be read: %v: %s", err, e.Data)
			}
		}
		events = append(events, e)
	}
	return events
}

// wantEvents compares all events so far, each as "name version reason".
func (a *actor) wantEvents(want ...string) []heard {
	a.t.Helper()
	synctest.Wait()
	var got []string
	events := a.events()
	for _, e := range events {
		line := e.Event
		if e.Broadcast != nil {
			line += fmt.Sprintf(" %d", e.Broadcast.Version)
		}
		if e.Reason != "" {
			line += " " + string(e.Reason)
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		a.t.Fatalf("told\n\t%q, want\n\t%q", got, want)
	}
	return events
}

// wait waits until the actor was told of an event, and returns when that was.
func (a *actor) wait(event string, within time.Duration) heard {
	a.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		for _, e := range a.events() {
			if e.Event == event {
				return e
			}
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("not told %s within %s; told %d messages", event, within, len(a.events()))
		}
	}
}

// wantClosed waits until the server has closed the connection.
func (a *actor) wantClosed(code websocket.StatusCode, within time.Duration) {
	a.t.Helper()
	select {
	case <-a.Done():
	case <-time.After(within):
		a.t.Fatalf("not closed within %s", within)
	}
	if got := websocket.CloseStatus(a.Err()); got != code {
		a.t.Fatalf("closed with %d (%v), want %d", got, a.Err(), code)
	}
}

func (a *actor) wantOpen() {
	a.t.Helper()
	if err := a.Err(); err != nil {
		a.t.Fatalf("the connection ended: %v", err)
	}
}
