package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/signalling"
)

// TestChatBothWays has everybody in a room talk: the streamer on one node, a viewer on the other, one behind nginx. Each
// hears everybody, themselves included, once and in the same order.
func TestChatBothWays(t *testing.T) {
	t.Parallel()
	s := startService(t, 2)
	front := s.behind(testserver.Nginx(t, s.shippedConf()).Addr)
	ctx := within(t, time.Minute)
	alice := &viewer{t: t, name: "alice"}
	alice.Client = s.nodes[0].dial("alice", func(c *signalling.ClientConfig) { c.OnMessage = alice.note }).Client
	if _, err := alice.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer}); err != nil {
		t.Fatal(err)
	}
	members := []*viewer{alice, s.nodes[1].watch("bob", "alice"), front.watch("carol", "alice")}
	const rounds = 4 // below the burst that is allowed
	for range rounds {
		for _, m := range members {
			if _, err := m.Chat(ctx, "alice", "said by "+m.name); err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
		}
	}
	said := rounds * len(members)
	for _, m := range members {
		m.await("chat", said)
		for i, e := range chatOf(m) {
			if want := members[i%len(members)].name; e.From == nil || e.From.ID != want || e.From.Role != roleOf(want) {
				t.Errorf("%s: line %d is from %+v, want %s", m.name, i, e.From, want)
			}
		}
	}
	for _, m := range members[1:] {
		m.wantEach(map[string]int{"chat": said})
	}
}

func roleOf(name string) auth.Role {
	if name == "alice" {
		return auth.RoleStreamer
	}
	return auth.RoleViewer
}

func chatOf(v *viewer) (chat []told) {
	for _, e := range v.all() {
		if e.Event == "chat" {
			chat = append(chat, e)
		}
	}
	return chat
}

// TestLastWordLostOnTheWay says something just after the nodes have lost their connections for messages, and then
// nothing more: no later event shows them that one is missing, so it is the new subscription that must make them look.
func TestLastWordLostOnTheWay(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t)
	s := startServiceOn(t, server.URL, 2)
	client := redisClient(t, server.URL)
	viewers := []*viewer{s.nodes[0].watch("bob", "alice"), s.nodes[1].watch("carol", "alice")}
	const words = 20
	for n := 1; n <= words; n++ {
		s.nodes[0].eventually("the nodes listen", 10*time.Second, func() bool {
			list, err := client.Do(t.Context(), "CLIENT", "LIST", "TYPE", "PUBSUB").Text()
			return err == nil && countLines(list) == 2*len(s.nodes)
		})
		if err := client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		s.nodes[n%2].publish("alice", "x.word")
		for _, v := range viewers {
			v.await("x.word", n)
		}
	}
	for _, v := range viewers {
		v.wantEach(map[string]int{"x.word": words})
	}
}

func countLines(text string) (lines int) {
	for _, c := range text {
		if c == '\n' {
			lines++
		}
	}
	return lines
}

// TestRedisAwayForLong takes Redis away for longer than a node's lease lasts. Nobody is told anything, no socket ends,
// both nodes say that they are not ready and nothing worse, and afterwards all goes on where it was: also for a streamer
// whose window would have passed by then, because time without Redis does not count.
func TestRedisAwayForLong(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := startServiceOn(t, server.URL, 2)
	alice := s.nodes[0].golive("alice")
	bob, carol := s.nodes[0].watch("bob", "alice"), s.nodes[1].watch("carol", "alice")
	ctx := within(t, time.Minute)
	const outage, window = 10 * time.Second, 8 * time.Second // a lease of 7 s and a refresh of 1 s
	fan := s.nodes[1].watch("frank", "erin")
	erin, lost := s.nodes[0].goLiveFor(ctx, "erin", window)
	erin.Abort()
	fan.await("live.reconnecting", 1)
	status := func(p *process, path string) int { r, _ := p.get(path, ""); return r.StatusCode }
	client := redisClient(t, server.URL)
	sweptAt := func() string {
		return client.HGet(ctx, fmt.Sprintf("%s:{%d}:partition", s.prefix, presence.PartitionOf("erin")), "swept").Val()
	}
	// A window runs only from the first sweep on, and this one must run when Redis goes.
	var swept string
	s.nodes[0].eventually("lapsed windows are looked for", 5*time.Second, func() bool { swept = sweptAt(); return swept != "" })
	server.Stop()
	away := time.Now()
	for _, p := range s.nodes {
		p.eventually("it is not ready", 10*time.Second, func() bool { return status(p, "/readyz") == http.StatusServiceUnavailable })
		if got := status(p, "/healthz"); got != http.StatusOK {
			t.Errorf("/healthz while Redis is away: %d", got)
		}
	}
	time.Sleep(time.Until(away.Add(outage)))
	server.Start()
	s.nodes[1].eventually("lapsed windows are looked for again", 10*time.Second, func() bool {
		now := sweptAt()
		return now != "" && now != swept // "": our own connection is not back yet
	})
	erin = s.nodes[1].dial("erin")
	s.nodes[1].eventually("erin joins", 5*time.Second, func() bool {
		j, err := erin.Join(ctx, signalling.Join{Room: "erin", Role: auth.RoleStreamer})
		if err == nil && (j.Streamer.Broadcast == nil || j.Streamer.Broadcast.ID != lost.ID) {
			t.Fatalf("back, erin is %+v, want her live with %s", j.Streamer, lost.ID)
		}
		return err == nil
	})
	// A server that was restarted may have lost something: everybody gets a snapshot, which may show the return already.
	s.nodes[1].eventually("frank knows that erin is back", 5*time.Second, func() bool { return fan.knows(3) })
	fan.epochs = 1
	want := map[string]int{"streamer.online": 1, "live.started": 1, "live.reconnecting": 1}
	if fan.shown.State == presence.StateReconnecting {
		want["live.resumed"] = 1
	}
	fan.wantEach(want)
	for _, p := range s.nodes {
		p.eventually("it is ready again", 20*time.Second, func() bool { return status(p, "/readyz") == http.StatusOK })
	}
	for _, v := range []*viewer{bob, carol} {
		s.nodes[0].eventually("everybody has a fresh snapshot", 5*time.Second, func() bool { return v.snapshots() == 1 })
	}
	for _, v := range []*viewer{bob, carol} {
		if _, err := v.Chat(ctx, "alice", "Back!"); err != nil {
			t.Errorf("%s: chat once Redis is back: %v", v.name, err)
		}
	}
	if err := alice.End(ctx, "alice"); err != nil {
		t.Errorf("ending the broadcast once Redis is back: %v", err)
	}
	for _, v := range []*viewer{bob, carol} {
		v.await("live.ended", 1)
		var told []string
		for _, e := range v.all() {
			if e.Event != "live.started" { // which bob may have come just in time for
				told = append(told, e.Event)
			}
		}
		if len(told) != 3 {
			t.Errorf("%s was told %q, want two lines of chat and the end: %+v", v.name, told, v.all())
		}
	}
	for name, c := range map[string]*signalling.Client{"alice": alice.Client, "bob": bob.Client, "carol": carol.Client} {
		if err := c.Err(); err != nil {
			t.Errorf("%s's socket ended: %v", name, err)
		}
	}
}

// goLiveFor starts a broadcast that survives its streamer's absence for a time of their own choice.
func (p *process) goLiveFor(ctx context.Context, user string, window time.Duration) (*client, *presence.Broadcast) {
	p.t.Helper()
	c := p.dial(user)
	if _, err := c.Join(ctx, signalling.Join{Room: user, Role: auth.RoleStreamer}); err != nil {
		p.t.Fatal(err)
	}
	ms := window.Milliseconds()
	b, err := c.Start(ctx, signalling.LiveStart{Room: user, WindowMS: &ms})
	if err != nil {
		p.t.Fatal(err)
	}
	return c, b
}
