package signalling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

var background = context.Background()

func TestMessages(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice := n.connect("alice", func(c *ClientConfig) { c.InHeader = true })
		bob := n.connect("bob")
		if w := bob.Welcome; w.User.ID != "bob" || w.HeartbeatMS != 50000 || w.PingMS != 20000 || w.Limits.ChatChars != 500 || w.Re != "" {
			t.Errorf("welcome %+v", w)
		}
		bob.join(auth.RoleViewer)
		b := alice.golive()
		title, tags := "Etchings", []string{"ink"}
		if u, err := alice.Update(background, LiveUpdate{Room: "alice", Title: &title, Tags: &tags}); err != nil || u.ID != b.ID || u.Title != title || u.Version != 2 {
			t.Errorf("updated %+v, %v", u, err)
		}
		if again, err := alice.Start(background, LiveStart{Room: "alice"}); err != nil || again.ID != b.ID {
			t.Errorf("started again %+v, %v", again, err)
		}
		p, err := bob.Chat(background, "alice", "Hello <b>!")
		if err != nil || p.Offset != 4 || p.Epoch == "" {
			t.Errorf("chat at %+v, %v", p, err)
		}
		if chat := bob.wait("chat", atOnce); string(chat.Data) != `{"text":"Hello <b>!"}` || chat.From.ID != "bob" || chat.From.Role != auth.RoleViewer || chat.Position != p {
			t.Errorf("chat %+v %s", chat.EventMessage, chat.Data)
		}
		members, next, err := bob.Members(background, Members{Room: "alice"})
		if err != nil || len(members) != 2 || next != "" {
			t.Errorf("members %+v, %q, %v", members, next, err)
		}
		if err := alice.Leave(background, "alice"); err != nil {
			t.Error(err)
		}
		bob.wantEvents("streamer.online", "live.started 1", "live.updated 2", "chat", "live.ended 3 left", "streamer.offline")
		if err := alice.End(background, "alice"); codeOf(err) != CodeNotJoined {
			t.Errorf("ending in a room that was left: %v", err)
		}
	})
}

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// A frame may hold several messages; replies come in their order, whatever
// each of them is.
func TestSeveralMessagesInAFrame(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob", func(c *ClientConfig) { c.Silent = true })
		frame := `{"type":"join","id":"a","room":"x"}` + "\n\n  " + `{"type":"nonsense","id":"b"}` + "\r\n" +
			`{"type":"heartbeat","id":"c"}` + "\n" + `{"type":"leave","id":"d","room":"x"}` + "\n"
		if err := bob.SendRaw(background, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var got []string
		for _, m := range bob.messages() {
			var e Envelope
			if err := m.Decode(&e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Type+" "+e.Re)
		}
		if want := "joined a, error b, heartbeat c, ok d"; strings.Join(got, ", ") != want {
			t.Errorf("replies %s, want %s", strings.Join(got, ", "), want)
		}
	})
}

func TestRefusals(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob", func(c *ClientConfig) { c.Silent = true })
		narrow := n.connect("eve", func(c *ClientConfig) {
			c.Token = n.token(auth.Claims{User: "eve", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer, Can: []string{"x.wave"}}}})
		})
		alice.golive()
		bob.join(auth.RoleViewer)
		narrow.join(auth.RoleViewer)
		long := func(n int) *string { s := strings.Repeat("é", n); return &s }
		many := make([]string, maxTags+1)
		window := int64(-1)
		for name, test := range map[string]struct {
			do   func() error
			code Code
			says string
		}{
			"as streamer elsewhere": {func() error {
				_, err := bob.Join(background, Join{Room: "alice2", Role: auth.RoleStreamer})
				return err
			}, CodeForbidden, "streamer"},
			"in another role": {func() error {
				_, err := alice.Join(background, Join{Room: "alice", Role: auth.RoleViewer})
				return err
			}, CodeForbidden, "another role"},
			"a bad room":    {func() error { _, err := bob.Join(background, Join{Room: "a b"}); return err }, CodeBadRequest, "room"},
			"a bad role":    {func() error { _, err := bob.Join(background, Join{Room: "a", Role: "x"}); return err }, CodeBadRequest, "role"},
			"end as viewer": {func() error { return bob.End(background, "alice") }, CodeForbidden, "streamer"},
			"a long title": {func() error {
				_, err := alice.Update(background, LiveUpdate{Room: "alice", Title: long(201)})
				return err
			}, CodeTooLarge, "title"},
			"a long category": {func() error {
				_, err := alice.Update(background, LiveUpdate{Room: "alice", Category: long(101)})
				return err
			}, CodeTooLarge, "category"},
			"a long language": {func() error {
				_, err := alice.Update(background, LiveUpdate{Room: "alice", Language: long(36)})
				return err
			}, CodeTooLarge, "language"},
			"many tags": {func() error { _, err := alice.Update(background, LiveUpdate{Room: "alice", Tags: &many}); return err }, CodeTooLarge, "tags"},
			"a long tag": {func() error {
				_, err := alice.Update(background, LiveUpdate{Room: "alice", Tags: &[]string{"ok", *long(51)}})
				return err
			}, CodeTooLarge, "tags[1]"},
			"a negative window": {func() error {
				_, err := alice.Start(background, LiveStart{Room: "alice", WindowMS: &window})
				return err
			}, CodeBadRequest, "window_ms"},
			"chat not granted":  {func() error { _, err := narrow.Chat(background, "alice", "hi"); return err }, CodeForbidden, "chat"},
			"x not granted":     {func() error { _, err := narrow.Publish(background, "alice", "x.shout", 1); return err }, CodeForbidden, "x.shout"},
			"too many members":  {func() error { _, _, err := bob.Members(background, Members{Room: "alice", First: 101}); return err }, CodeBadRequest, "first"},
			"a bad cursor":      {func() error { _, _, err := bob.Members(background, Members{Room: "alice", After: "*"}); return err }, CodeBadRequest, "after"},
			"members elsewhere": {func() error { _, _, err := bob.Members(background, Members{Room: "other"}); return err }, CodeNotJoined, "join"},
			"a bad token":       {func() error { _, err := bob.Refresh(background, "x.y.z"); return err }, CodeUnauthorized, "malformed"},
			"another's token": {func() error {
				_, err := bob.Refresh(background, n.token(auth.Claims{User: "eve"}))
				return err
			}, CodeForbidden, "another user"},
		} {
			err := test.do()
			if codeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v, want %s and %q", name, err, test.code, test.says)
			}
			time.Sleep(time.Second) // far from any rate
		}
		if _, err := narrow.Publish(background, "alice", "x.wave", 1); err != nil {
			t.Errorf("x.wave is granted: %v", err)
		}
		bob.wantEvents("x.wave")
	})
}

// A streamer whose new token grants less could still go live: the role in which they had joined was all that counted.
func TestRefreshToALesserToken(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice := n.connect("alice")
		alice.golive()
		if _, err := alice.Refresh(background, n.token(auth.Claims{User: "alice"})); err != nil {
			t.Fatal(err)
		}
		_, err := alice.Update(background, LiveUpdate{Room: "alice"})
		wantCode(t, "live.update", err, CodeForbidden, "token")
		if err := alice.End(background, "alice"); err != nil {
			t.Errorf("live.end: %v", err)
		}
		_, err = alice.Start(background, LiveStart{Room: "alice"})
		wantCode(t, "live.start", err, CodeForbidden, "token")
	})
}

func TestTooManyRooms(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob")
		join := func(i int) error {
			_, err := bob.Join(background, Join{Room: fmt.Sprint("room", i)})
			return err
		}
		for i := range DefaultRooms {
			if err := join(i); err != nil {
				t.Fatal(err)
			}
		}
		if err := join(DefaultRooms); codeOf(err) != CodeTooLarge {
			t.Errorf("the room after the last: %v", err)
		}
		if err := join(0); err != nil {
			t.Errorf("joining again: %v", err)
		}
		if err := bob.Leave(background, "room1"); err != nil {
			t.Fatal(err)
		}
		if err := join(DefaultRooms); err != nil {
			t.Errorf("after leaving one: %v", err)
		}
	})
}

// hello is only for connections that are not authenticated, and must be first.
func TestHello(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		nobody := n.knock(t)
		if _, err := nobody.ask(`{"type":"join","id":"1","room":"x"}`); codeOf(err) != CodeUnauthorized {
			t.Errorf("join before hello: %v", err)
		}
		raw, err := nobody.ask(`{"type":"hello","id":"2","token":"` + n.token(auth.Claims{User: "bob"}) + `"}`)
		var w Welcome
		if err != nil || json.Unmarshal(raw, &w) != nil || w.Type != "welcome" || w.Re != "2" || w.User.Name != "bob" {
			t.Errorf("welcome %s, %v", raw, err)
		}
		if _, err := nobody.ask(`{"type":"hello","id":"3","token":"x"}`); codeOf(err) != CodeBadRequest {
			t.Errorf("hello again: %v", err)
		}
	})
	onNode(t, nil, func(t *testing.T, n *node) {
		began := time.Now()
		_, err := n.knock(t).ask("")
		if took := time.Since(began); websocket.CloseStatus(err) != 4404 || took < helloTimeout || took > helloTimeout+2*time.Second {
			t.Errorf("without hello: %v after %s", err, took)
		}
	})
	onNode(t, nil, func(t *testing.T, n *node) {
		expired := n.token(auth.Claims{User: "bob", Expires: time.Now().Add(-time.Minute)})
		_, err := n.tryConnect("bob", func(c *ClientConfig) { c.Token = expired })
		if websocket.CloseStatus(err) != 4401 || !strings.Contains(err.Error(), "expired") {
			t.Errorf("a hello with an expired token: %v", err)
		}
		_, err = n.tryConnect("bob", func(c *ClientConfig) { c.Token, c.InHeader = expired, true })
		var refused *HandshakeError
		if !errors.As(err, &refused) || refused.Status != 401 || refused.Code != CodeUnauthorized || !strings.Contains(refused.Detail, "expired") {
			t.Errorf("a handshake with an expired token: %v", err)
		}
	})
}

// stranger is a connection below the client: nothing is done by itself.
type stranger struct{ conn *websocket.Conn }

func (n *node) knock(t *testing.T) *stranger {
	t.Helper()
	conn, _, err := websocket.Dial(background, "ws://pipe/v1/ws", &websocket.DialOptions{HTTPClient: n.net.client(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &stranger{conn}
}

// ask sends a frame, unless it is empty, and returns the next one.
func (s *stranger) ask(frame string) ([]byte, error) {
	if frame != "" {
		if err := s.conn.Write(background, websocket.MessageText, []byte(frame)); err != nil {
			return nil, err
		}
	}
	_, raw, err := s.conn.Read(background)
	if err != nil {
		return nil, err
	}
	return raw, failureIn(Message{Type: typeOf(raw), Raw: raw})
}

func typeOf(raw []byte) string {
	var e Envelope
	_ = json.Unmarshal(raw, &e)
	return e.Type
}

// Ten messages that are none end the connection; nine and a good one do not.
func TestNoMessages(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob", func(c *ClientConfig) { c.Silent = true })
		nonsense := func(times int) {
			for i := range times {
				bad := []string{"{", `"x"`, `{"type":"dance"}`, `{"type":3}`, "[]"}[i%5]
				if err := bob.SendRaw(background, []byte(bad)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		for range 3 {
			nonsense(maxBad - 1)
			if _, err := bob.Heartbeat(background); err != nil {
				t.Fatalf("after %d bad messages: %v", maxBad-1, err)
			}
		}
		nonsense(maxBad)
		bob.wantClosed(4400, time.Second)
		errors := 0
		for _, m := range bob.messages() {
			if m.Type == "error" {
				errors++
			}
		}
		if errors != 3*(maxBad-1)+maxBad {
			t.Errorf("%d errors were told", errors)
		}
	})
}

func TestRates(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob", func(c *ClientConfig) { c.Silent = true })
		bob.join(auth.RoleViewer)
		for i := range chatBurst {
			if _, err := bob.Chat(background, "alice", "hi"); err != nil {
				t.Fatalf("line %d: %v", i, err)
			}
		}
		_, err := bob.Chat(background, "alice", "hi")
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeRateLimited || e.RetryAfter <= 0 || e.RetryAfter > time.Second {
			t.Fatalf("the line too many: %v", err)
		}
		time.Sleep(e.RetryAfter + time.Millisecond)
		if _, err := bob.Chat(background, "alice", "hi"); err != nil {
			t.Errorf("after retry_after_ms: %v", err)
		}
		flood := func(times int) {
			for range times {
				if bob.SendRaw(background, []byte(`{"type":"heartbeat"}`)) != nil {
					return
				}
			}
		}
		flood(burst*DefaultMessages + 10)
		synctest.Wait()
		bob.wantOpen()
		time.Sleep(10 * time.Second)
		if _, err := bob.Heartbeat(background); err != nil {
			t.Errorf("after a rest: %v", err)
		}
		flood(burst*DefaultMessages + maxLimited + 10)
		bob.wantClosed(4429, time.Second)
	})
}

// A flood over some time is ended too, although every 20 ms one of its
// messages is within the rate; who is a little too fast for long is not.
func TestFlood(t *testing.T) {
	for _, test := range []struct {
		perSecond int
		closed    bool
	}{{55, false}, {100, true}, {1000, true}} {
		onNode(t, nil, func(t *testing.T, n *node) {
			bob := n.connect("bob", func(c *ClientConfig) { c.Silent = true })
			ended := false
			for began := time.Now(); time.Since(began) < time.Minute && !ended; {
				time.Sleep(time.Second / time.Duration(test.perSecond))
				ended = bob.SendRaw(background, []byte(`{"type":"heartbeat"}`)) != nil
			}
			if test.closed {
				bob.wantClosed(4429, time.Second)
			} else {
				bob.wantOpen()
			}
		})
	}
}

func TestTokenEnds(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		ending := func(in time.Duration) string {
			return n.token(auth.Claims{User: "bob", Expires: time.Now().Add(in)})
		}
		began := time.Now()
		bob := n.connect("bob", func(c *ClientConfig) { c.Token = ending(5 * time.Minute) })
		warned := func(times int) {
			t.Helper()
			synctest.Wait()
			got := 0
			for _, m := range bob.messages() {
				if m.Type == "expiring" {
					got++
				}
			}
			if got != times {
				t.Fatalf("after %s: told %d times that the token ends, want %d", time.Since(began), got, times)
			}
		}
		time.Sleep(4*time.Minute - 2*time.Second)
		warned(0)
		time.Sleep(4 * time.Second)
		warned(1)
		until, err := bob.Refresh(background, ending(5*time.Minute))
		if err != nil || time.Until(until.Time()).Round(time.Second) != 5*time.Minute {
			t.Fatalf("refreshed until %s, %v", until.Time(), err)
		}
		time.Sleep(3 * time.Minute) // past the end of the first token
		bob.wantOpen()
		warned(1)
		refreshed := until.Time()
		<-bob.Done()
		bob.wantClosed(4419, time.Second)
		if late := time.Since(refreshed); late < auth.Leeway || late > auth.Leeway+2*time.Second {
			t.Errorf("closed %s after the token's end, want %s", late, auth.Leeway)
		}
		warned(2)
	})
}

// Whose application has no newer token is asked for one a few times, not without an end.
func TestTokenEndsAndThereIsNoOther(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		token := n.token(auth.Claims{User: "bob", Expires: time.Now().Add(2 * time.Minute)})
		bob := n.connect("bob", func(c *ClientConfig) { c.Token = token })
		asked := 0
		for open := true; open; {
			select {
			case <-bob.Done():
				open = false
				continue
			case <-time.After(100 * time.Millisecond):
			}
			told := 0
			for _, m := range bob.messages() {
				if m.Type == "expiring" {
					told++
				}
			}
			for ; asked < told; asked++ {
				if _, err := bob.Refresh(background, token); err != nil {
					t.Fatalf("refreshed with what it had: %v", err)
				}
			}
		}
		bob.wantClosed(4419, time.Second)
		if asked < 2 || asked > 10 {
			t.Errorf("told %d times in two minutes that the token ends, want a few", asked)
		}
	})
}

// A reader that stops reading is given up when its queue is full; nobody else
// waits for it, nor misses anything.
func TestTooSlow(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		snail := n.knock(t)
		for _, m := range []string{`{"type":"hello","token":"` + n.token(auth.Claims{User: "snail", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}}) + `"}`,
			`{"type":"join","room":"alice"}`} {
			if _, err := snail.ask(m); err != nil {
				t.Fatal(err)
			}
		}
		alice, bob := n.connect("alice"), n.connect("bob")
		bob.join(auth.RoleViewer)
		alice.golive()
		const events = 60
		data := strings.Repeat("x", rooms.MaxDataBytes-2)
		for range events {
			began := time.Now()
			if _, err := alice.Publish(background, "alice", "x.big", data); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 0 {
				t.Fatalf("publishing waited %s for a reader", took)
			}
		}
		var err error
		for err == nil {
			_, _, err = snail.conn.Read(background)
		}
		if websocket.CloseStatus(err) != 4410 {
			t.Errorf("the snail's connection ended with %v", err)
		}
		synctest.Wait()
		if got := len(bob.events()); got != events+2 {
			t.Errorf("bob was told %d events, want %d", got, events+2)
		}
	})
}

// What a client missed comes with the join, once; what is no longer provable
// is said to be so.
func TestRecovery(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		alice.golive()
		j := bob.join(auth.RoleViewer)
		bob.Abort()
		for i := range 3 {
			if _, err := alice.Chat(background, "alice", fmt.Sprint("line ", i)); err != nil {
				t.Fatal(err)
			}
		}
		again := n.connect("bob")
		back, err := again.Join(background, Join{Room: "alice", Since: &j.Position})
		if err != nil || !back.Recovered || len(back.Events) != 3 || back.Chat != nil || back.Offset != j.Offset+3 {
			t.Fatalf("back with %+v, %v", back, err)
		}
		var first rooms.EventMessage
		if err := json.Unmarshal(back.Events[0], &first); err != nil || first.Offset != j.Offset+1 {
			t.Errorf("the first missed event is %+v, %v", first, err)
		}
		stale := rooms.Position{Epoch: "another", Offset: j.Offset}
		fresh, err := again.Join(background, Join{Room: "alice", Since: &stale})
		if err != nil || fresh.Recovered || len(fresh.Events) != 0 || len(fresh.Chat) != 3 || fresh.Streamer.State != presence.StateLive {
			t.Errorf("after another epoch: %+v, %v", fresh, err)
		}
		again.wantEvents() // nothing of it was told twice
	})
}

// Clients may ping too, as proxies do; each ping is answered with what was in it, also while messages come.
func TestPingsOfAPeerAreAnswered(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		bob.join(auth.RoleViewer)
		alice.join(auth.RoleStreamer)
		for i := range 20 {
			if _, err := alice.Chat(background, "alice", fmt.Sprint("line ", i)); err != nil && codeOf(err) != CodeRateLimited {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(background, time.Second)
			if err := bob.conn.Ping(ctx); err != nil {
				t.Fatalf("ping %d: %v", i, err)
			}
			cancel()
		}
	})
}
