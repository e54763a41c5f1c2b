package signalling

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// A drain sends everybody away at a moment of their own, all within the time,
// and each two seconds after its own delay.
func TestDrain(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		const within = 20 * time.Second
		actors := make([]*actor, 40)
		for i := range actors {
			actors[i] = n.connect("bob")
		}
		began := time.Now()
		drained := make(chan time.Duration)
		go func() { n.server.Drain(background, within); drained <- time.Since(began) }()
		synctest.Wait()
		if !n.server.Draining() {
			t.Error("the server does not say that it drains")
		}
		_, err := n.tryConnect("carol")
		var refused *HandshakeError
		if !errors.As(err, &refused) || refused.Status != 503 || refused.Code != CodeUnavailable || refused.RetryAfter == "" {
			t.Errorf("a newcomer gets %v", err)
		}
		if _, err := actors[0].Join(background, Join{Room: "new"}); codeOf(err) != CodeUnavailable {
			t.Errorf("joining on a node that drains: %v", err)
		}
		delays := make(map[int64]bool)
		for _, a := range actors {
			var r Reconnect
			for _, m := range a.messages() {
				if m.Type == "reconnect" {
					if err := m.Decode(&r); err != nil {
						t.Fatal(err)
					}
				}
			}
			if r.Reason != "drain" {
				t.Fatalf("told %+v", r)
			}
			delays[r.AfterMS] = true
			a.wantClosed(1012, within)
			if took, want := time.Since(began), time.Duration(r.AfterMS)*time.Millisecond+closeLead; took < want {
				t.Errorf("closed %s after the beginning, told to come back after %d ms", took, r.AfterMS)
			}
		}
		if len(delays) < len(actors)/2 {
			t.Errorf("%d clients share %d delays", len(actors), len(delays))
		}
		if took := <-drained; took > within {
			t.Errorf("draining took %s, want at most %s", took, within)
		}
	})
}

// A second signal ends a drain at once, even with a peer that reads nothing.
func TestDrainHalted(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob")
		n.knock(t) // reads nothing
		halt, haltNow := context.WithCancel(background)
		drained := make(chan struct{})
		go func() { n.server.Drain(halt, time.Hour); close(drained) }()
		time.Sleep(5 * time.Second)
		bob.wantOpen()
		began := time.Now()
		haltNow()
		<-drained
		if took := time.Since(began); took > time.Second {
			t.Errorf("halting took %s", took)
		}
		bob.wantClosed(1001, time.Second)
	})
}

// While a node drains, a close is a handover and no transition: the broadcast
// goes on, for the streamer to come back to anywhere. If nobody does, everybody
// is told at last.
func TestDrainHandsOver(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice := n.connect("alice")
		broadcast := alice.golive().ID
		n.server.Drain(background, 3*time.Second)
		l, err := n.store.Get(background, "alice")
		if err != nil || l.State != presence.StateLive || l.Broadcast.ID != broadcast || !l.Handed {
			t.Errorf("after the drain the lease is %+v, %v", l, err)
		}
		time.Sleep(handoverLead + closeLead)
		l, err = n.store.Get(background, "alice")
		if err != nil || l.State != presence.StateReconnecting || l.Reason != presence.ReasonDrain {
			t.Errorf("when nobody has come, the lease is %+v, %v", l, err)
		}
	})
}

func TestOrigins(t *testing.T) {
	for _, test := range []struct {
		name    string
		allowed []string
		origin  string
		ok      bool
	}{
		{"no browser", []string{"https://good.example"}, "", true},
		{"same host", nil, "http://pipe", true},
		{"another host", nil, "http://bad.example", false},
		{"another port", nil, "http://pipe:81", false},
		{"on the list", []string{"https://a.example", "https://good.example"}, "https://good.example", true},
		{"on the list, in capitals", []string{"https://good.example"}, "https://GOOD.example", true},
		{"not on the list", []string{"https://good.example"}, "https://bad.example", false},
		{"another scheme", []string{"https://good.example"}, "http://good.example", false},
		{"same host, but a list", []string{"https://good.example"}, "http://pipe", false},
		{"a suffix", []string{"https://good.example"}, "https://good.example.bad.example", false},
		{"opaque", nil, "null", false},
		{"a pattern", []string{"https://*.good.example"}, "https://a.good.example", true},
		{"beside a pattern", []string{"https://*.good.example"}, "https://bad.example", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			origins, err := auth.ParseOrigins(test.allowed)
			if err != nil {
				t.Fatal(err)
			}
			onNode(t, func(c *Config) { c.Origins = origins }, func(t *testing.T, n *node) {
				status := n.handshake(t, map[string]string{"Origin": test.origin})
				if ok := status == 101; ok != test.ok || (!ok && status != 403) {
					t.Errorf("answered %d", status)
				}
			})
		})
	}
}

func TestSubprotocol(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		for offered, want := range map[string]int{"": 101, "tallylight.v1": 101, "chat,tallylight.v1": 101, "chat": 400, "tallylight.v2": 400} {
			if status := n.handshake(t, map[string]string{"Sec-WebSocket-Protocol": offered}); status != want {
				t.Errorf("offering %q: %d, want %d", offered, status, want)
			}
		}
	})
}

// An app may send its first messages without waiting for welcome.
func TestPipelinedAfterHeader(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		for range 50 {
			bob := n.connect("bob", func(c *ClientConfig) { c.InHeader = true })
			if _, err := bob.Join(background, Join{Room: "alice", Role: auth.RoleViewer}); err != nil {
				t.Fatal(err)
			}
			bob.Abort()
		}
	})
}

// Whoever ends a session may be held up before it begins to finish it. When
// the reader ended meanwhile, the server took the session for finished, and a
// drain returned before it had left its rooms.
func TestDrainWaitsForWhoeverEnds(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob")
		bob.join(auth.RoleViewer)
		session := n.server.all()[0]
		session.ended.Store(true) // somebody is about to finish it
		session.cause = &causeGone
		bob.Abort()
		synctest.Wait() // and the reader has seen the end
		drained := make(chan struct{})
		go func() { n.server.Drain(background, 0); close(drained) }()
		time.Sleep(time.Minute)
		select {
		case <-drained:
			t.Error("the drain is over, and bob's session is not finished")
		default:
		}
		go session.takeApart()
		<-drained
		if n := n.hub.Viewers("alice"); n != 0 {
			t.Errorf("after the drain, %d viewers are left", n)
		}
	})
}
