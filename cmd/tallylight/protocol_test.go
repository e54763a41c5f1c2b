package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
	"github.com/tallylight/tallylight/signalling"
)

// The tests in this file provoke everything that PROTOCOL.md lists, through
// real sockets of the program as it is shipped.

// protocolTable returns the first column of the table under a heading.
func protocolTable(t *testing.T, heading string) []string {
	t.Helper()
	page, err := os.ReadFile("../../signalling/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var column []string
	for _, m := range regexp.MustCompile("(?m)^\\| `?([a-z_0-9]+)`? \\|").FindAllStringSubmatch(section, -1) {
		if m[1] != "code" {
			column = append(column, m[1])
		}
	}
	if len(column) == 0 {
		t.Fatalf("PROTOCOL.md has no table under %q", heading)
	}
	return column
}

// TestEveryMessage sends each message of a client and receives each of a
// server, in the order of a broadcast.
func TestEveryMessage(t *testing.T) {
	t.Parallel()
	p := start(t, "--heartbeat-interval=2s", "--drain=3s")
	ctx := within(t, 60*time.Second)
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	soon := func(c *auth.Claims) { c.Expires = time.Now().Add(4 * time.Second) } // so that expiring is due in two
	bob := p.dial("bob", func(c *signalling.ClientConfig) { c.Token = token(t, "bob", soon) })
	alice := p.dial("alice", func(c *signalling.ClientConfig) { c.InHeader = true })
	if w := alice.Welcome; w.User.ID != "alice" || w.User.Name != "Alice" || w.HeartbeatMS != 2000 || !strings.HasPrefix(w.Connection, w.Node+"-") {
		t.Errorf("welcome is %+v", w)
	}
	joined, err := bob.Join(ctx, signalling.Join{Room: "alice"})
	check("join", err)
	if joined.Role != auth.RoleViewer || joined.Member != bob.Welcome.Connection || joined.Recovered || joined.Viewers.Connections != 1 {
		t.Errorf("joined is %+v", joined)
	}
	_, err = alice.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer})
	check("join as streamer", err)
	b, err := alice.Start(ctx, signalling.LiveStart{Room: "alice", Details: presence.Details{Title: "Sketches"}})
	check("live.start", err)
	check("moderate", alice.Moderate(ctx, signalling.Moderate{Room: "alice", Action: moderation.Slow, Seconds: new(int64(0))}))
	title := "Etchings"
	if b2, err := alice.Update(ctx, signalling.LiveUpdate{Room: "alice", Title: &title}); err != nil || b2.ID != b.ID || b2.Title != title {
		t.Errorf("live.update: %+v, %v", b2, err)
	}
	at, err := bob.Chat(ctx, "alice", "Hello!")
	check("chat", err)
	_, err = alice.Publish(ctx, "alice", "x.poll", map[string]string{"question": "Ink?"})
	check("x.poll", err)
	check("reaction", bob.React(ctx, "alice", "heart"))
	members, next, err := bob.Members(ctx, signalling.Members{Room: "alice", First: 1})
	check("members", err)
	if len(members) != 1 || next == "" {
		t.Errorf("the first of two members: %+v, next %q", members, next)
	}
	rest, _, err := bob.Members(ctx, signalling.Members{Room: "alice", After: next})
	check("members after", err)
	if len(rest) != 1 || rest[0].ID == members[0].ID {
		t.Errorf("the second of two members: %+v", rest)
	}
	_, err = bob.Heartbeat(ctx)
	check("heartbeat", err)
	alice.waitType(t, "heartbeat") // unsolicited
	bob.waitType(t, "expiring")
	until, err := bob.Refresh(ctx, token(t, "bob"))
	check("refresh", err)
	if left := time.Until(until.Time()); left < 30*time.Minute {
		t.Errorf("after refresh the token ends in %s", left)
	}
	bob.waitType(t, "viewers")
	bob.waitType(t, "reactions")
	// A drop and a way back.
	alice.Abort()
	bob.waitEvent(t, "live.reconnecting")
	alice = p.dial("alice")
	back, err := alice.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer, Since: &at})
	check("join again", err)
	if !back.Recovered || back.Streamer.State != presence.StateLive || back.Streamer.Broadcast.ID != b.ID || !strings.Contains(fmt.Sprintf("%s", back.Events), "x.poll") {
		t.Errorf("back with %+v", back)
	}
	bob.waitEvent(t, "live.resumed")
	check("live.end", alice.End(ctx, "alice"))
	check("leave", alice.Leave(ctx, "alice"))
	for _, event := range []string{"streamer.online", "live.started", "live.updated", "chat", "x.poll", "live.ended", "streamer.offline"} {
		bob.waitEvent(t, event)
	}
	p.signal(syscall.SIGTERM)
	bob.waitType(t, "reconnect")
	p.wantExit(exitOK, 10*time.Second)
	wantInSequence(t, &bob.inbox)
}

// wantInSequence checks that events came in order, without gaps or repeats.
func wantInSequence(t *testing.T, b *inbox) {
	t.Helper()
	var last int64
	for _, m := range b.all() {
		if m.Type != "event" {
			continue
		}
		var e rooms.EventMessage
		if err := m.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if last != 0 && e.Offset != last+1 {
			t.Errorf("event %d after %d", e.Offset, last)
		}
		last = e.Offset
	}
}

// TestEveryErrorCode provokes each code once, and sees that the connection
// stays and that the error names what was wrong.
func TestEveryErrorCode(t *testing.T) {
	t.Parallel()
	p := start(t, "--drain=4s", "--max-peers=1")
	ctx := within(t, 60*time.Second)
	alice, bob := p.dial("alice"), p.dial("bob")
	for _, c := range []*client{alice, bob} {
		if _, err := c.Join(ctx, signalling.Join{Room: "alice", Role: map[*client]auth.Role{alice: auth.RoleStreamer, bob: auth.RoleViewer}[c]}); err != nil {
			t.Fatal(err)
		}
	}
	every := func(c *auth.Claims) { c.Grants = []auth.Grant{{Room: "*", Role: auth.RoleStreamer}} }
	carol := p.dial("carol", func(c *signalling.ClientConfig) { c.Token = token(t, "carol", every) })
	provoked := make(map[signalling.Code]bool)
	for _, test := range []struct {
		name string
		do   func() error
		code signalling.Code
		says string
	}{
		{"not JSON", func() error { return raw(ctx, bob, "live?") }, signalling.CodeBadRequest, "JSON object"},
		{"unknown type", func() error { _, err := bob.Request(ctx, "dance", signalling.Nothing{}); return err }, signalling.CodeBadRequest, `"dance"`},
		{"type is no string", func() error { return raw(ctx, bob, `{"type":7}`) }, signalling.CodeBadRequest, "type must be a string"},
		{"id too long", func() error { return raw(ctx, bob, `{"type":"heartbeat","id":"`+strings.Repeat("x", 65)+`"}`) }, signalling.CodeBadRequest, "64 bytes"},
		{"field of a wrong type", func() error { return raw(ctx, bob, `{"type":"join","room":7}`) }, signalling.CodeBadRequest, "room"},
		{"no room", func() error { _, err := bob.Join(ctx, signalling.Join{}); return err }, signalling.CodeBadRequest, "room must be"},
		{"no such role", func() error {
			_, err := bob.Join(ctx, signalling.Join{Room: "x", Role: "king"})
			return err
		}, signalling.CodeBadRequest, "role"},
		{"no such line", func() error {
			return alice.Moderate(ctx, signalling.Moderate{Room: "alice", Action: moderation.Delete, Offset: 999})
		}, signalling.CodeNotFound, "999"},
		{"no such action", func() error {
			return alice.Moderate(ctx, signalling.Moderate{Room: "alice", Action: "praise", User: "bob"})
		}, signalling.CodeBadRequest, "action"},
		{"moderate as viewer", func() error {
			return bob.Moderate(ctx, signalling.Moderate{Room: "alice", Action: moderation.Kick, User: "alice"})
		}, signalling.CodeForbidden, "moderate"},
		{"no such event", func() error { _, err := bob.Publish(ctx, "alice", "shout", 1); return err }, signalling.CodeBadRequest, `"shout"`},
		{"hello twice", func() error { _, err := bob.Request(ctx, "hello", signalling.Hello{}); return err }, signalling.CodeBadRequest, "refresh"},
		{"a window too long", func() error {
			long := int64(1800001)
			_, err := alice.Start(ctx, signalling.LiveStart{Room: "alice", WindowMS: &long})
			return err
		}, signalling.CodeBadRequest, "window_ms"},
		{"a bad token to refresh", func() error { _, err := bob.Refresh(ctx, "nonsense"); return err }, signalling.CodeUnauthorized, "malformed"},
		{"another's token to refresh", func() error { _, err := bob.Refresh(ctx, token(t, "eve")); return err }, signalling.CodeForbidden, "another user"},
		{"join without a grant", func() error {
			_, err := bob.Join(ctx, signalling.Join{Room: "alice2", Role: auth.RoleStreamer})
			return err
		}, signalling.CodeForbidden, "grant"},
		{"live.start as viewer", func() error { _, err := bob.Start(ctx, signalling.LiveStart{Room: "alice"}); return err }, signalling.CodeForbidden, "streamer"},
		{"publish elsewhere", func() error { _, err := bob.Chat(ctx, "elsewhere", "hi"); return err }, signalling.CodeNotJoined, "join"},
		{"leave elsewhere", func() error { return bob.Leave(ctx, "elsewhere") }, signalling.CodeNotJoined, "join"},
		{"a second streamer", func() error {
			_, err := carol.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer})
			return err
		}, signalling.CodeConflict, "another user"},
		{"a long line", func() error { _, err := bob.Chat(ctx, "alice", strings.Repeat("é", 501)); return err }, signalling.CodeTooLarge, "501"},
		{"much data", func() error {
			_, err := bob.Publish(ctx, "alice", "x.y", strings.Repeat("x", 9000))
			return err
		}, signalling.CodeTooLarge, "8192"},
		{"a signal in no session", func() error {
			return bob.Signal(ctx, signalling.Signal{Room: "alice", To: rooms.ToStreamer, Session: "s1", Kind: rooms.SignalCandidate})
		}, signalling.CodePeerGone, "not open"},
		{"a signal without a seat", func() error {
			dave := p.dial("dave")
			_, err := dave.Join(ctx, signalling.Join{Room: "alice"})
			for _, c := range []*client{bob, dave} {
				err = errors.Join(err, c.Signal(ctx, signalling.Signal{Room: "alice", To: rooms.ToStreamer, Session: c.Welcome.User.ID, Kind: rooms.SignalRequest}))
			}
			return err
		}, signalling.CodePeerLimit, "no seat"},
		{"chatter", func() (err error) {
			for i := 0; err == nil && i < 20; i++ {
				_, err = bob.Chat(ctx, "alice", "again")
			}
			return err
		}, signalling.CodeRateLimited, "chat"},
	} {
		err := test.do()
		if got := codeOf(err); got != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %s and %q", test.name, err, test.code, test.says)
		}
		provoked[test.code] = true
	}
	if err := bob.Err(); err != nil {
		t.Errorf("after all these errors the connection ended: %v", err)
	}
	p.signal(syscall.SIGTERM)
	bob.waitType(t, "reconnect")
	if _, err := bob.Join(ctx, signalling.Join{Room: "new"}); codeOf(err) != signalling.CodeUnavailable {
		t.Errorf("joining while the node drains: %v", err)
	}
	provoked[signalling.CodeUnavailable] = true
	p.wantExit(exitOK, 10*time.Second)
	for _, code := range protocolTable(t, "Errors") {
		// internal is our own fault: no input is known that causes it.
		if !provoked[signalling.Code(code)] && code != string(signalling.CodeInternal) {
			t.Errorf("%s was not provoked", code)
		}
	}
}

// raw sends a frame and returns the error that comes back without an id.
func raw(ctx context.Context, c *client, frame string) error {
	before := len(c.all())
	if err := c.SendRaw(ctx, []byte(frame)); err != nil {
		return err
	}
	for ctx.Err() == nil {
		for _, m := range c.all()[before:] {
			var f signalling.Failure
			if m.Type == "error" && m.Decode(&f) == nil {
				return &signalling.Error{Code: f.Code, Message: f.Message}
			}
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

// TestEveryCloseCode provokes each close code once.
func TestEveryCloseCode(t *testing.T) {
	t.Parallel()
	p := start(t, "--heartbeat-interval=400ms", "--drain=2s")
	silent := func(c *signalling.ClientConfig) { c.Silent = true }
	var mu sync.Mutex
	provoked := make(map[string]bool)
	want := func(t *testing.T, code websocket.StatusCode, err error) {
		t.Helper()
		if got := websocket.CloseStatus(err); got != code {
			t.Errorf("closed with %d (%v), want %d", got, err, code)
		}
		mu.Lock()
		defer mu.Unlock()
		provoked[fmt.Sprint(int(code))] = true
	}
	closed := func(t *testing.T, code websocket.StatusCode, c *client) {
		t.Helper()
		select {
		case <-c.Done():
		case <-within(t, 60*time.Second).Done():
			t.Errorf("not closed")
		}
		want(t, code, c.Err())
	}
	t.Run("while it runs", func(t *testing.T) {
		for name, provoke := range map[string]func(t *testing.T, ctx context.Context){
			"1002": func(t *testing.T, ctx context.Context) {
				want(t, websocket.StatusProtocolError, p.failed(t, rawControl(opMore, "")))
			},
			"1007": func(t *testing.T, ctx context.Context) {
				bob := p.dial("bob")
				_ = bob.SendRaw(ctx, []byte("\xff"))
				closed(t, websocket.StatusInvalidFramePayloadData, bob)
			},
			"1009": func(t *testing.T, ctx context.Context) {
				bob := p.dial("bob")
				_ = bob.SendRaw(ctx, make([]byte, 130<<10)) // fails when the close comes first
				closed(t, websocket.StatusMessageTooBig, bob)
			},
			"4400": func(t *testing.T, ctx context.Context) {
				bob := p.dial("bob")
				for range 10 {
					_ = bob.SendRaw(ctx, []byte("what?"))
				}
				closed(t, 4400, bob)
				errors := 0
				for _, m := range bob.all() {
					if m.Type == "error" {
						errors++
					}
				}
				if errors != 10 {
					t.Errorf("%d of 10 errors came before the close", errors)
				}
			},
			"4401": func(t *testing.T, ctx context.Context) {
				_, err := p.tryDial("bob", func(c *signalling.ClientConfig) { c.Token = "nonsense" })
				want(t, 4401, err)
				if !strings.Contains(err.Error(), "malformed") {
					t.Errorf("the close does not say why: %v", err)
				}
			},
			"4403": func(t *testing.T, ctx context.Context) {
				dave := p.dial("dave", by(token(t, "dave", func(c *auth.Claims) { c.TokenID = "lost" })))
				p.ask("POST", "/v1/revocations", `{"jti":"lost"}`, http.StatusCreated)
				closed(t, 4403, dave)
			},
			"4404": func(t *testing.T, ctx context.Context) {
				conn, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/v1/ws", nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = conn.Read(ctx)
				want(t, 4404, err)
			},
			"4408": func(t *testing.T, ctx context.Context) {
				carol := p.dial("carol", silent)
				if _, err := carol.Join(ctx, signalling.Join{Room: "carol", Role: auth.RoleStreamer}); err != nil {
					t.Fatal(err)
				}
				closed(t, 4408, carol)
			},
			"4409": func(t *testing.T, ctx context.Context) {
				join := signalling.Join{Room: "dave", Role: auth.RoleStreamer}
				old, young := p.dial("dave"), p.dial("dave")
				for _, c := range []*client{old, young} {
					if _, err := c.Join(ctx, join); err != nil {
						t.Fatal(err)
					}
				}
				closed(t, 4409, old)
			},
			"4410": func(t *testing.T, ctx context.Context) { want(t, 4410, p.readTooSlowly(t, ctx)) },
			"4411": func(t *testing.T, ctx context.Context) {
				want(t, 4411, p.putOut(t, ctx, "heidi", signalling.Moderate{Action: moderation.Kick, Reason: "calm down"}))
			},
			"4412": func(t *testing.T, ctx context.Context) {
				err := p.putOut(t, ctx, "ivan", signalling.Moderate{Action: moderation.Ban, Reason: "spam"})
				want(t, 4412, err)
				if !strings.Contains(err.Error(), "banned: spam") {
					t.Errorf("the close does not say why: %v", err)
				}
			},
			"4419": func(t *testing.T, ctx context.Context) {
				almost := func(c *auth.Claims) { c.Expires = time.Now().Add(-auth.Leeway + 3*time.Second) }
				bob := p.dial("bob", func(c *signalling.ClientConfig) { c.Token = token(t, "bob", almost) })
				closed(t, 4419, bob)
			},
			"4429": func(t *testing.T, ctx context.Context) {
				bob := p.dial("eager")
				flood := []byte(strings.Repeat(`{"type":"heartbeat"}`+"\n", 50))
				for bob.Err() == nil && bob.SendRaw(ctx, flood) == nil {
				}
				closed(t, 4429, bob)
			},
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); provoke(t, within(t, 60*time.Second)) })
		}
	})
	t.Run("1012", func(t *testing.T) {
		bob := p.dial("bob")
		p.signal(syscall.SIGTERM)
		closed(t, websocket.StatusServiceRestart, bob)
		p.wantExit(exitOK, 10*time.Second)
	})
	t.Run("1001", func(t *testing.T) {
		q := start(t, "--drain=1m")
		bob := q.dial("bob")
		q.signal(syscall.SIGTERM)
		bob.waitType(t, "reconnect")
		q.signal(syscall.SIGTERM)
		closed(t, websocket.StatusGoingAway, bob)
		q.wantExit(exitFailure, 5*time.Second)
	})
	for _, code := range protocolTable(t, "Close codes") {
		if !provoked[code] {
			t.Errorf("%s was not provoked", code)
		}
	}
}

// failed says something that no client may, and returns how the connection was closed.
func (p *process) failed(t *testing.T, frames string) error {
	t.Helper()
	s := rawConnect(t, p.addr)
	s.send(rawRequest(p.addr) + frames)
	s.answer("GET")
	s.until("it is closed", func() bool { return false })
	return websocket.CloseError{Code: websocket.StatusCode(s.closed.code), Reason: s.closed.reason}
}

// putOut has a user put out of a streamer's room, and returns how their connection was closed.
func (p *process) putOut(t *testing.T, ctx context.Context, user string, m signalling.Moderate) error {
	t.Helper()
	room := user + "-room"
	owner := p.dial("owner", func(c *signalling.ClientConfig) {
		c.Token = token(t, "owner", func(c *auth.Claims) { c.Grants = []auth.Grant{{Room: room, Role: auth.RoleModerator}} })
	})
	guest := p.dial(user)
	_, err := owner.Join(ctx, signalling.Join{Room: room, Role: auth.RoleModerator})
	if err == nil {
		_, err = guest.Join(ctx, signalling.Join{Room: room})
	}
	m.Room, m.User = room, user
	if err == nil {
		err = owner.Moderate(ctx, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-guest.Done():
	case <-ctx.Done():
		t.Error("not closed")
	}
	return guest.Err()
}

// readTooSlowly joins a busy room over a connection that reads nothing until
// the server has given up, and returns how it was closed.
func (p *process) readTooSlowly(t *testing.T, ctx context.Context) error {
	t.Helper()
	conn, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	for _, m := range []string{`{"type":"hello","token":"` + token(t, "snail") + `"}`, `{"type":"join","room":"busy"}`} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	shout := `{"event":"x.y","data":"` + strings.Repeat("x", rooms.MaxDataBytes-100) + `"}`
	backend := token(t, "backend", admin)
	for !p.counted(t, `tallylight_connections_closed_total{code="4410"} 1`) {
		if ctx.Err() != nil {
			t.Fatal("the server does not give up")
		}
		for range 50 {
			if status := p.post("/v1/rooms/busy/events", backend, shout); status != http.StatusCreated {
				t.Fatalf("publishing: %d", status)
			}
		}
	}
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
	}
}

// counted reports whether the metrics have the line.
func (p *process) counted(t *testing.T, line string) bool {
	t.Helper()
	_, body := p.get("/metrics", "")
	return strings.Contains(body, "\n"+line+"\n")
}
