package signalling

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/pace"
)

// come has somebody come from an address.
func come(t *testing.T, g *gate, ip string) (*visitors, *full) {
	t.Helper()
	return g.enter(ip + ":4711")
}

func TestGateBoundsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Bound{Connections: 3}, Bound{Connections: 2})
		a1, full := come(t, g, "192.0.2.1")
		if full != nil {
			t.Fatal(full)
		}
		if _, full = come(t, g, "192.0.2.1"); full != nil {
			t.Fatal(full)
		}
		if _, full = come(t, g, "192.0.2.1"); full == nil || full.code != CodeRateLimited || full.after <= 0 || !strings.Contains(full.why, "--trusted-proxy") {
			t.Errorf("the third from one address gets %+v", full)
		}
		if _, full = come(t, g, "192.0.2.2"); full != nil {
			t.Errorf("somebody from elsewhere gets %+v", full)
		}
		if _, full = come(t, g, "192.0.2.3"); full == nil || full.code != CodeUnavailable || full.after <= 0 {
			t.Errorf("the fourth of all gets %+v", full)
		}
		g.leave(a1)
		if full := g.ask("192.0.2.3:1"); full != nil {
			t.Errorf("once one has left, the next would get %+v", full)
		}
		if _, full = come(t, g, "192.0.2.1"); full != nil {
			t.Errorf("once one has left, the next gets %+v", full)
		}
	})
}

func TestGateBoundsHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Bound{PerSecond: 50}, Bound{PerSecond: 10, Burst: 30})
		in := func(ip string, n int) (admitted int) {
			for range n {
				if v, full := come(t, g, ip); full == nil {
					admitted++
					g.leave(v)
				}
			}
			return admitted
		}
		if n := in("192.0.2.1", 100); n != 30 {
			t.Errorf("%d at once from one address, want 30", n)
		}
		if n := in("192.0.2.2", 25); n != 20 { // what the node's bound leaves
			t.Errorf("and %d from another, want 20", n)
		}
		time.Sleep(time.Second)
		if n := in("192.0.2.1", 100); n != 10 {
			t.Errorf("%d a second from one address, want 10", n)
		}
		time.Sleep(time.Minute)
		if n := in("192.0.2.1", 100); n != 30 {
			t.Errorf("after a pause %d at once, want 30", n)
		}
	})
}

// Ten thousand who come at once are told to come back at different times: as many a second as are let in.
func TestGateSpreadsWhoIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Bound{PerSecond: 1000}, Bound{})
		waiting := map[int]int{0: 10_000}
		for second := 0; len(waiting) > 0; second++ {
			if second > 15 {
				t.Fatalf("after 15 s %v are waiting", waiting)
			}
			for range waiting[second] {
				if _, full := come(t, g, "192.0.2.1"); full != nil {
					after, err := strconv.Atoi(retryAfter(full.after))
					if err != nil || after < 1 {
						t.Fatalf("sent away for %q s", retryAfter(full.after))
					}
					waiting[second+after]++
				}
			}
			delete(waiting, second)
			for at, n := range waiting {
				if n > 1100 && at < second+9 {
					t.Errorf("%d come back in second %d", n, at)
				}
			}
			time.Sleep(time.Second)
		}
		for range 100_000 {
			g.enter("192.0.2.1:1")
		}
		if _, full := come(t, g, "192.0.2.1"); full == nil || full.after > longestWait {
			t.Errorf("the last of very many gets %+v", full)
		}
	})
}

func TestGateTellsAddressesApart(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:9", true},
		{"[2001:db8::1]:1", "[2001:db8::2:3]:1", true},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true},
		{"@", "@", false},
	} {
		g := newGate(Bound{}, Bound{Connections: 1})
		if _, full := g.enter(test.a); full != nil {
			t.Fatal(full)
		}
		if _, full := g.enter(test.b); (full != nil) != test.same {
			t.Errorf("%s and %s: %+v", test.a, test.b, full)
		}
	}
}

// What is kept of addresses goes with those who came from them.
func TestGateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Bound{}, Bound{PerSecond: 1, Burst: 2, Connections: 5})
		var stays *visitors
		for i := range 100 * pace.MinKept {
			v, full := come(t, g, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
			switch {
			case full != nil:
				t.Fatal(full)
			case i == 0:
				stays = v
			default:
				g.leave(v)
			}
			if i%pace.MinKept == 0 {
				time.Sleep(time.Second)
			}
		}
		if len(g.from.Of) > 4*pace.MinKept {
			t.Errorf("%d addresses are kept", len(g.from.Of))
		}
		if v, _ := come(t, g, "10.0.0.0"); v != stays {
			t.Error("one that somebody is connected from was forgotten")
		}
	})
}

// Whatever becomes of a handshake or a connection, it does not count for longer than it lasts.
func TestNodeCountsWhoIsThere(t *testing.T) {
	onNode(t, func(c *Config) { c.Admit = Bound{Connections: 2} }, func(t *testing.T, n *node) {
		_ = n.handshake(t, map[string]string{"Origin": "http://bad.example"})
		if _, err := n.tryConnect("alice", func(c *ClientConfig) { c.Token, c.InHeader = "bad", true }); err == nil {
			t.Fatal("a bad token was taken")
		}
		_ = n.handshake(t, map[string]string{"Sec-WebSocket-Version": "1"}) // which the library refuses
		synctest.Wait()
		if inside := n.server.gate.all.inside; inside != 0 {
			t.Fatalf("nobody is there, and %d are counted", inside)
		}
		alice, bob := n.connect("alice"), n.connect("bob")
		_, err := n.tryConnect("carol")
		var refused *HandshakeError
		if !errors.As(err, &refused) || refused.Status != 503 || refused.Code != CodeUnavailable || refused.RetryAfter == "" {
			t.Errorf("the third gets %v", err)
		}
		if why, after := n.server.Full("192.0.2.1:1"); why == "" || after <= 0 {
			t.Errorf("whoever asks is told %q, %s", why, after)
		}
		alice.Abort()
		_ = bob.Close()
		synctest.Wait()
		n.connect("carol").join(auth.RoleViewer)
		if why, _ := n.server.Full("192.0.2.1:1"); why != "" {
			t.Errorf("there is room, and whoever asks is told %q", why)
		}
		if inside := n.server.gate.all.inside; inside != 1 {
			t.Errorf("one is there, and %d are counted", inside)
		}
	})
}
