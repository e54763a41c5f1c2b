package signalling

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
)

func onNodeWith(t *testing.T, rules Rules, test func(t *testing.T, n *node)) {
	t.Helper()
	onNode(t, func(c *Config) { c.Rules = rules }, test)
}

func TestConnectionsOfAUser(t *testing.T) {
	onNodeWith(t, Rules{UserConnections: 3}, func(t *testing.T, n *node) {
		inHeader := func(c *ClientConfig) { c.InHeader = true }
		first := n.connect("bob")
		n.connect("bob", inHeader)
		n.connect("bob")
		_, err := n.tryConnect("bob")
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 4429 || !strings.Contains(closed.Reason, "3 connections") {
			t.Errorf("the fourth, by hello: %v, want 4429", err)
		}
		_, err = n.tryConnect("bob", inHeader)
		var refused *HandshakeError
		if !errors.As(err, &refused) || refused.Status != 503 || refused.Code != CodeRateLimited || refused.RetryAfter == "" {
			t.Errorf("the fourth, by its handshake: %v, want 503", err)
		}
		n.connect("carol")
		first.Abort()
		synctest.Wait()
		n.connect("bob")
		if len(n.server.accounts.of.Of) != 2 {
			t.Errorf("there are %d accounts, want 2", len(n.server.accounts.of.Of))
		}
	})
}

// Nothing is left of who has gone, and has sent little.
func TestAccountsGo(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		for i := range 20 {
			a := n.connect(fmt.Sprint("user-", i%5))
			a.join(auth.RoleViewer)
			a.Abort()
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		n.server.accounts.mu.Lock()
		defer n.server.accounts.mu.Unlock()
		if got := len(n.server.accounts.of.Of); got != 0 {
			t.Errorf("%d accounts are kept", got)
		}
	})
}

// Two connections, or one after another, don't let a user say more than one does.
func TestChatIsTheUsers(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		said := 0
		for range 10 {
			a := n.connect("bob")
			a.join(auth.RoleViewer)
			for range 2 {
				if _, err := a.Chat(background, "alice", "hi"); err == nil {
					said++
				} else if codeOf(err) != CodeRateLimited {
					t.Fatal(err)
				}
			}
			if said%2 == 0 {
				a.Abort()
				synctest.Wait()
			}
		}
		if said != chatBurst {
			t.Errorf("%d lines were taken, want %d", said, chatBurst)
		}
		other := n.connect("carol")
		other.join(auth.RoleViewer)
		if _, err := other.Chat(background, "alice", "hi"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
	})
}

func TestMessagesOfAUser(t *testing.T) {
	onNodeWith(t, Rules{UserMessages: 60}, func(t *testing.T, n *node) {
		flood := func(a *actor, times int) (taken int) {
			for range times {
				if _, err := a.Heartbeat(background); err == nil {
					taken++
				}
			}
			return taken
		}
		one := n.connect("bob")
		if got := flood(one, 150); got != 150 {
			t.Errorf("alone, %d are taken", got)
		}
		two, three := n.connect("bob"), n.connect("bob")
		if got := flood(two, 150) + flood(three, 150); got != 240 {
			t.Errorf("over two more, %d are taken, want what a user may", got)
		}
		two.Abort()
		three.Abort()
		one.Abort()
		synctest.Wait()
		if got := flood(n.connect("bob"), 150); got != 0 {
			t.Errorf("after all have gone, a new one may send %d", got)
		}
		if got := flood(n.connect("carol"), 150); got != 150 {
			t.Errorf("somebody else may send %d", got)
		}
		time.Sleep(10 * time.Second)
		if got := flood(n.connect("bob"), 150); got != 150 {
			t.Errorf("after a rest, %d are taken", got)
		}
	})
}

// Who has sent much over one connection goes on with less in the next.
func TestHasteIsRemembered(t *testing.T) {
	onNodeWith(t, Rules{UserMessages: 50}, func(t *testing.T, n *node) {
		total := 0
		for range 20 {
			a := n.connect("bob")
			for range 199 {
				if _, err := a.Heartbeat(background); err == nil {
					total++
				}
			}
			a.Abort()
			synctest.Wait()
		}
		if total > 2*4*50 {
			t.Errorf("over 20 connections, %d messages are taken at once", total)
		}
	})
}

func TestBytes(t *testing.T) {
	onNodeWith(t, Rules{Bytes: 20 << 10}, func(t *testing.T, n *node) {
		bob := n.connect("bob")
		heavy := struct{ X string }{strings.Repeat("x", 16<<10)}
		send := func() error { _, err := bob.Request(background, "heartbeat", heavy); return err }
		for i := range 4 {
			if err := send(); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		err := send()
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeRateLimited || e.RetryAfter <= 0 || !strings.Contains(e.Message, "bytes") {
			t.Fatalf("the fifth: %v", err)
		}
		if _, err := bob.Heartbeat(background); err != nil {
			t.Errorf("a light one: %v", err)
		}
		time.Sleep(e.RetryAfter)
		if err := send(); err != nil {
			t.Errorf("after retry_after_ms: %v", err)
		}
		for range 30 { // each costs as much as sixteen light ones to refuse
			if bob.send(background, "heartbeat", "", heavy) != nil {
				break
			}
		}
		bob.wantClosed(4429, time.Second)
	})
}

func TestAnyNumber(t *testing.T) {
	onNodeWith(t, Rules{Rooms: -1, UserConnections: -1, Messages: -1, Bytes: -1, UserMessages: -1, UserBytes: -1, Chat: -1, SignalBytes: -1}, func(t *testing.T, n *node) {
		for range DefaultUserConnections {
			n.connect("bob")
		}
		bob := n.connect("bob")
		for i := range 2 * DefaultRooms {
			if _, err := bob.Join(background, Join{Room: fmt.Sprint("room-", i)}); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 * chatBurst {
			if _, err := bob.Chat(background, "room-1", "hi"); err != nil {
				t.Fatal(err)
			}
		}
		if l := bob.Welcome.Limits; l.Rooms != 0 || l.MessagesPerSecond != 0 || l.MessagesBurst != 0 || l.ChatPerSecond != 0 || l.ChatBurst != 0 {
			t.Errorf("welcome tells of bounds: %+v", l)
		}
	})
}

// Sockets that say nothing are few from one address, and don't count once they have said hello, or left.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Bound{}, Bound{Strangers: 3})
		enter := func(ip string) (*visitors, *full) {
			v, full := come(t, g, ip)
			if full != nil {
				t.Fatal(full)
			}
			return v, g.stranger(v)
		}
		var inside []*visitors
		for range 3 {
			v, full := enter("192.0.2.1")
			if full != nil {
				t.Fatal(full)
			}
			inside = append(inside, v)
		}
		refused := func() bool {
			v, full := enter("192.0.2.1")
			if full == nil {
				g.know(v)
			} else if full.code != CodeRateLimited || full.after <= 0 || !strings.Contains(full.why, "--trusted-proxy") {
				t.Errorf("refused with %+v", full)
			}
			g.leave(v)
			return full != nil
		}
		if !refused() {
			t.Error("the fourth is let in")
		}
		if v, full := enter("192.0.2.2"); full != nil {
			t.Errorf("somebody from elsewhere: %+v", full)
		} else {
			g.know(v)
		}
		g.know(inside[0])
		if refused() {
			t.Error("one has said hello, and the next is not let in")
		}
		if v, full := enter("192.0.2.1"); full != nil {
			t.Errorf("the third: %+v", full)
		} else if !refused() {
			t.Error("the fourth is let in")
		} else {
			g.know(v) // as it leaves
			g.leave(v)
		}
		if refused() {
			t.Error("one has left, and the next is not let in")
		}
	})
}
