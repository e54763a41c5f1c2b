package signalling

import (
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// Whoever is gone is not in the wheel any more, and whoever is there is, once.
func TestWheelHoldsWhoIsThere(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		row := func() []due {
			time.Sleep(3 * time.Second)
			synctest.Wait()
			return n.server.wheel.row
		}
		var actors []*actor
		for range 20 {
			actors = append(actors, n.connect("alice"))
		}
		actors[3].golive()
		if got := row(); len(got) != len(actors) {
			t.Fatalf("%d are in the wheel, want %d", len(got), len(actors))
		}
		for _, i := range []int{19, 0, 7, 18, 1, 2} {
			actors[i].Abort()
			_ = row()
		}
		got := row()
		if len(got) != 14 {
			t.Fatalf("%d are in the wheel, want 14", len(got))
		}
		for i, d := range got {
			if d.s.slot != i+1 || d.s.gone.Load() {
				t.Errorf("place %d has one of place %d, gone: %t", i+1, d.s.slot, d.s.gone.Load())
			}
		}
		n.server.draining.Store(true)
		late := newSession(n.server, "late", "pipe")
		late.identity.Store(&auth.Identity{})
		n.server.wheel.look(late)
		late.visitors, _ = n.server.gate.enter("pipe")
		n.server.forget(late)
		if got := row(); len(got) != 14 {
			t.Errorf("%d are in the wheel after one that came too late, want 14", len(got))
		}
		n.server.draining.Store(false)
	})
}

// A connection at which nothing is due is not looked at: in a minute that is three pings, and what became of them.
func TestWheelLeavesAloneWhoIsNotDue(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		srv := NewServer(Config{Node: "n2", Hub: n.hub, Verifier: n.server.cfg.Verifier, Logger: n.server.cfg.Logger}) // does not run
		s := newSession(srv, "n2-1", "pipe")
		own, peer := net.Pipe()
		defer own.Close()
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		s.sock.Conn = own
		s.identity.Store(&auth.Identity{Expires: time.Now().Add(time.Hour)})
		srv.wheel.look(s)
		looked := 0
		for now := time.Second; now <= 120*time.Second; now += time.Second {
			var before time.Duration
			if len(srv.wheel.row) > 0 {
				before = srv.wheel.row[0].at
			}
			srv.wheel.at.Store(int64(now))
			srv.wheel.tick(now)
			synctest.Wait()
			s.life.pong(now)
			if srv.wheel.row[0].at != before {
				looked++
			}
		}
		if looked < 9 || looked > 16 {
			t.Errorf("in two minutes it was looked at %d times", looked)
		}
	})
}

// Whoever begins to stream hears from the node in time from then on, whatever the next deadline was before. (Over TCP: where
// all writing waits, each write has the wheel look.)
func TestWheelLearnsOfEarlierDeadlines(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Heartbeat, c.Ping = 500*time.Millisecond, time.Hour })
	web := httptest.NewServer(n.server)
	defer web.Close()
	heard := make(chan string, 100)
	alice, err := Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http"), ClientConfig{
		Silent: true, OnMessage: func(m Message) { heard <- m.Type },
		Token: n.token(auth.Claims{User: "alice", Grants: []auth.Grant{{Room: "alice", Role: auth.RoleStreamer}}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Abort()
	time.Sleep(200 * time.Millisecond) // ticks at which nothing is due for long
	if _, err := alice.Join(t.Context(), Join{Room: "alice", Role: auth.RoleStreamer}); err != nil {
		t.Fatal(err)
	}
	for tooLate := time.After(10 * time.Second); ; {
		select {
		case kind := <-heard:
			if kind == "heartbeat" {
				return
			}
		case <-tooLate:
			t.Fatal("she hears nothing")
		}
	}
}
