package signalling

import (
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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

// A connection at which nothing is due is not looked at; and yet pings come as often as was asked for, whether that is more
// often than one may go unanswered or not.
func TestWheelLeavesAloneWhoIsNotDue(t *testing.T) {
	for _, test := range []struct {
		every  time.Duration
		looked int // at most, in five minutes
	}{
		{2 * time.Second, 160}, {9 * time.Second, 45}, {10 * time.Second, 45}, {15 * time.Second, 60}, {DefaultPing, 45},
	} {
		onNode(t, nil, func(t *testing.T, n *node) {
			// It does not run: the wheel is turned by hand.
			srv := NewServer(Config{Node: "n2", Hub: n.hub, Verifier: n.server.cfg.Verifier, Logger: n.server.cfg.Logger, Ping: test.every})
			s := newSession(srv, "n2-1", "pipe")
			own, peer := net.Pipe()
			s.sock.Conn = own
			var pings atomic.Int64
			go func() {
				for b := make([]byte, 2); ; {
					if _, err := io.ReadFull(peer, b); err != nil {
						return
					}
					if b[0] == pingFrame {
						pings.Add(1)
						s.life.pong(srv.wheel.now())
					}
				}
			}()
			s.identity.Store(&auth.Identity{Expires: time.Now().Add(time.Hour)})
			srv.wheel.look(s)
			looked := 0
			for now := time.Second; now <= 5*time.Minute; now += time.Second {
				var before time.Duration
				if len(srv.wheel.row) > 0 {
					before = srv.wheel.row[0].at
				}
				srv.wheel.at.Store(int64(now))
				srv.wheel.tick(now)
				synctest.Wait()
				if srv.wheel.row[0].at != before {
					looked++
				}
			}
			_ = own.Close()
			if looked > test.looked {
				t.Errorf("pinged every %s, it was looked at %d times in five minutes", test.every, looked)
			}
			if most := int64(5 * time.Minute / test.every); pings.Load() > most+1 || pings.Load() < most-1 {
				t.Errorf("to be pinged every %s, it was %d times in five minutes", test.every, pings.Load())
			}
		})
	}
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
