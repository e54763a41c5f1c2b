package main

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/signalling"
)

// redisClient speaks to a test's Redis as any other program would.
func redisClient(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

// golive connects a streamer who sends nothing by themselves, and starts their broadcast.
func (p *process) golive(user string, change ...func(*signalling.ClientConfig)) *client {
	p.t.Helper()
	c := p.dial(user, append(change, func(c *signalling.ClientConfig) { c.Silent = true })...)
	ctx := within(p.t, 20*time.Second)
	if _, err := c.Join(ctx, signalling.Join{Room: user, Role: auth.RoleStreamer}); err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.Start(ctx, signalling.LiveStart{Room: user}); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// TestPresenceKey looks at what Redis says of a streamer to everybody who asks: it lasts three heartbeats from each one.
func TestPresenceKey(t *testing.T) {
	t.Parallel()
	beat := 4 * time.Second
	if soak() {
		beat = signalling.DefaultHeartbeat
	}
	s := startService(t, 2, "--heartbeat-interval", beat.String())
	client := redisClient(t, testserver.Redis(t))
	key, ctx := s.key("online", "alice"), within(t, 6*beat+time.Minute)
	pttl := func() time.Duration {
		t.Helper()
		left, err := client.PTTL(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	alice := s.nodes[0].golive("alice")
	full := 3 * beat
	if left := pttl(); left > full || left < full-5*time.Second {
		t.Errorf("alice has just come, and her key lasts %s, want %s", left, full)
	}
	time.Sleep(beat / 2)
	low := pttl()
	if low > full-beat/2 {
		t.Errorf("%s later the key lasts %s", beat/2, low)
	}
	began := time.Now()
	if _, err := alice.Heartbeat(ctx); err != nil {
		t.Fatal(err)
	}
	s.nodes[0].eventually("the key lasts longer again", 2*time.Second, func() bool { return pttl() > low+beat/4 })
	t.Logf("the key lasted %s, and %s after a heartbeat %s", low.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), pttl().Round(time.Millisecond))

	for _, p := range s.nodes {
		p.signal(syscall.SIGKILL)
	}
	killed, left := time.Now(), pttl()
	if left <= 0 {
		t.Error("the key went with its node: it is there for when all are gone")
	}
	s.nodes[0].eventually("with all nodes killed, the key is gone", full+time.Second, func() bool { return client.Exists(ctx, key).Val() == 0 })
	t.Logf("all nodes killed: the key had %s left, and was gone after %s", left.Round(time.Millisecond), time.Since(killed).Round(time.Millisecond))
	if state := client.HGet(ctx, s.key("lease", "alice"), "state").Val(); state != "live" {
		t.Errorf("the record says %q; it leaves only by a transition", state)
	}
}

// wire is a connection that can fall silent, without a word to either end.
type wire struct {
	addr string
	cut  atomic.Bool
}

// newWire passes on what is sent to an address.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
			passing.Go(func() { w.pass(near, far) })
			passing.Go(func() { w.pass(far, near) })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return w
}

func (w *wire) pass(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if w.cut.Load() {
			_, _ = io.Copy(io.Discard, from) // until the end of the test
			return
		}
		if err != nil {
			_ = to.Close()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestSilence loses streamers without beats, and without pings: a viewer on the other node is told in the promised time.
func TestSilence(t *testing.T) {
	t.Parallel()
	beat, ping := 8*time.Second, 2*time.Second // so that pings tell before a missing message does
	if soak() {
		beat, ping = signalling.DefaultHeartbeat, signalling.DefaultPing
	}
	const pong = 10 * time.Second
	s := startService(t, 2, "--heartbeat-interval", beat.String(), "--ping-interval", ping.String())
	bob, carol := s.nodes[1].watch("bob", "alice"), s.nodes[1].watch("carol", "dave")

	// Alice's app is frozen: pongs come, messages do not.
	began := time.Now()
	alice := s.nodes[0].golive("alice")
	// Dave's network is gone without a word; his app goes on beating into the void.
	w := newWire(t, s.nodes[0].addr)
	dave := s.behind(w.addr).golive("dave")
	w.cut.Store(true)
	lost := time.Now()
	beating, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		for beating.Err() == nil {
			_ = dave.SendRaw(beating, []byte(`{"type":"heartbeat"}`))
			select {
			case <-beating.Done():
			case <-time.After(beat / 4):
			}
		}
	}()

	wait := func(v *viewer, most time.Duration) told {
		t.Helper()
		s.nodes[0].eventually("live.reconnecting", most, func() bool {
			return slices.ContainsFunc(v.all(), func(e told) bool { return e.Event == "live.reconnecting" })
		})
		return v.await("live.reconnecting", 1)
	}
	silent := wait(carol, ping+pong+5*time.Second)
	if took := silent.at.Sub(lost); took > beat*5/2 {
		t.Errorf("told after %s: by then a missing message tells, whether there are pings or not", took)
	}
	t.Logf("network gone silently: told after %s, promised within %s", silent.at.Sub(lost).Round(10*time.Millisecond), ping+pong+5*time.Second)
	frozen := wait(bob, beat*5/2+5*time.Second)
	took := frozen.at.Sub(began)
	t.Logf("app frozen: told after %s, promised within %s", took.Round(10*time.Millisecond), beat*5/2+5*time.Second)
	if took < beat*5/2 {
		t.Errorf("given up after %s, two throttled beats and some slack are %s", took, beat*5/2)
	}
	<-alice.Done()
	if code := websocket.CloseStatus(alice.Err()); code != 4408 {
		t.Errorf("the frozen app was closed with %d, want 4408", code)
	}
	for _, e := range []told{silent, frozen} {
		if e.Reason != presence.ReasonConnectionLost {
			t.Errorf("%s was lost for %s", e.Room, e.Reason)
		}
	}
}

// TestRedisMistakes is about a Redis that can't be used.
func TestRedisMistakes(t *testing.T) {
	t.Parallel()
	lossy := testserver.OwnRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	for _, test := range []struct {
		name, flags string
		code        int
		says        string
	}{
		{"nobody listens", "--redis redis://user:s3cret@127.0.0.1:1/0", exitFailure, "--redis redis://user:xxxxx@127.0.0.1:1/0: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"no address", "--redis nonsense", exitFailure, "--redis nonsense: it is not an address"},
		{"a cluster", "--redis redis+cluster://127.0.0.1:1", exitFailure, "not supported yet"},
		{"one that drops what it likes", "--redis " + lossy.URL, exitFailure, "allkeys-lru"},
		{"a prefix with braces", "--redis-prefix a{b", exitUsage, "--redis-prefix"},
		{"a proxy that is no network", "--trusted-proxy nonsense", exitUsage, "--trusted-proxy"},
	} {
		code, out, errOut := run(strings.Fields("serve --dev --listen 127.0.0.1:0 " + test.flags)...)
		if code != test.code || !strings.Contains(errOut, test.says) || strings.Count(errOut, "\n") != 1 || strings.Contains(errOut, "s3cret") || out != "" {
			t.Errorf("%s: exit code %d, %q, %q; want %d and one line with %q", test.name, code, out, errOut, test.code, test.says)
		}
	}
	risky := testserver.OwnRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru")
	start(t, "--dev", "--redis", risky.URL).wantLogged("volatile-lru")
}

// TestRedisGoesAndComes takes Redis away and brings it back: /readyz says so, and sockets stay.
func TestRedisGoesAndComes(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t)
	s := startServiceOn(t, server.URL, 1)
	p := s.nodes[0]
	bob := p.watch("bob", "alice")
	ready := func() (int, string) { r, body := p.get("/readyz", ""); return r.StatusCode, body }
	server.Stop()
	p.eventually("it is not ready", 10*time.Second, func() bool {
		status, body := ready()
		return status == 503 && strings.Contains(body, `"redis":"no answer"`)
	})
	if _, err := bob.Chat(within(t, 20*time.Second), "alice", "Hello?"); codeOf(err) != signalling.CodeUnavailable {
		t.Errorf("chat while Redis is away: %v, want unavailable", err)
	}
	server.Start()
	p.eventually("it is ready again", 20*time.Second, func() bool { status, _ := ready(); return status == 200 })
	if err := bob.Err(); err != nil {
		t.Errorf("bob's socket ended: %v", err)
	}
	if _, err := bob.Chat(within(t, 20*time.Second), "alice", "Hello!"); err != nil {
		t.Errorf("chat once Redis is back: %v", err)
	}
}

// TestMessagesLostOnTheWay cuts the nodes' connections for messages again and again under a stream of events: what was
// not heard is read from the log, so that each viewer gets everything once.
func TestMessagesLostOnTheWay(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t)
	s := startServiceOn(t, server.URL, 2)
	client := redisClient(t, server.URL)
	viewers := []*viewer{s.nodes[0].watch("bob", "alice"), s.nodes[1].watch("carol", "alice")}
	const rounds, each = 6, 40
	for round := range rounds {
		for n := range each {
			if n == each/4 {
				if err := client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
					t.Fatal(err)
				}
			}
			s.nodes[n%2].publish("alice", "x.tick")
		}
		for _, v := range viewers {
			v.await("x.tick", (round+1)*each)
		}
	}
	for _, v := range viewers {
		v.wantEach(map[string]int{"x.tick": rounds * each})
	}
}
