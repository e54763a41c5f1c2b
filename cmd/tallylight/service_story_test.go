package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// atOnce is the promise for what is told at once.
const atOnce = 250 * time.Millisecond

// TestTwoNodes is the main job on two nodes behind the shipped nginx: the streamer on one, viewers on the other and
// behind the balancer. Everything arrives once and in order; how long that took is logged.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	s := startService(t, 2, "--max-chat", "100") // alice says a line a round
	front := s.behind(testserver.Nginx(t, s.shippedConf()).Addr)
	viewers := []*viewer{s.nodes[1].watch("bob", "alice"), front.watch("carol", "alice")}
	via := []string{"on the other node", "behind nginx"}
	took := make(delays)
	measure := func(what, event string, n int, do func()) {
		t.Helper()
		began := time.Now()
		do()
		for i, v := range viewers {
			took.add(what+", "+via[i], v.await(event, n).at.Sub(began))
		}
	}
	ctx := within(t, 2*time.Minute)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const rounds = 30
	for n := 1; n <= rounds; n++ {
		here, there := s.nodes[n%2], s.nodes[(n+1)%2]
		alice := here.dial("alice")
		_, err := alice.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer})
		check(err)
		var b *presence.Broadcast
		measure("start", "live.started", n, func() {
			b, err = alice.Start(ctx, signalling.LiveStart{Room: "alice", Details: presence.Details{Title: "Sketches"}})
			check(err)
		})
		measure("chat", "chat", n, func() { _, err = alice.Chat(ctx, "alice", "Hello!"); check(err) })
		measure("cut", "live.reconnecting", n, alice.Abort)
		var back *client
		measure("resume", "live.resumed", n, func() {
			back = there.dial("alice")
			j, err := back.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer})
			check(err)
			if j.Streamer.State != presence.StateLive || j.Streamer.Broadcast.ID != b.ID {
				t.Errorf("back on the other node, alice joins to %+v, want live with %s", j.Streamer, b.ID)
			}
		})
		// A newer connection on the node where she was: the older one is closed, and nobody is told anything.
		young := here.dial("alice")
		_, err = young.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer})
		check(err)
		select {
		case <-back.Done():
		case <-ctx.Done():
			t.Fatal("the replaced connection on the other node was not closed")
		}
		if code := websocket.CloseStatus(back.Err()); code != 4409 {
			t.Errorf("the replaced connection was closed with %d, want 4409", code)
		}
		measure("end", "live.ended", n, func() { check(young.End(ctx, "alice")) })
		check(young.Leave(ctx, "alice"))
		check(young.Close())
	}
	for _, v := range viewers {
		v.await("streamer.offline", rounds)
		v.wantEach(map[string]int{
			"streamer.online": rounds, "live.started": rounds, "chat": rounds, "live.reconnecting": rounds,
			"live.resumed": rounds, "live.ended": rounds, "streamer.offline": rounds,
		})
	}
	t.Logf("from what alice does until a viewer is told:\n%s", took.table())
	for what := range took {
		if m := took.median(what); m > atOnce {
			t.Errorf("%s took %s, which is promised within %s", what, m, atOnce)
		}
	}
}

// answers is everything that can be asked about who is live, as one text: for nodes to be compared by.
func (p *process) answers(streamers []string) string {
	p.t.Helper()
	var lines []string
	for _, sort := range []string{"viewers", "started"} {
		for after, page := "", 1; ; page++ {
			_, body := p.get("/v1/live?first=2&sort="+sort+"&after="+after, "")
			var live web.LivePage
			if err := json.Unmarshal([]byte(body), &live); err != nil {
				p.t.Fatalf("%v in %s", err, body)
			}
			for _, row := range live.Data {
				lines = append(lines, fmt.Sprintf("%s %d: %+v", sort, page, withoutPeak(row)))
			}
			if after = live.Next; after == "" {
				lines = append(lines, fmt.Sprintf("%s: %d, stale %t", sort, live.Total, live.Stale))
				break
			}
		}
	}
	for _, name := range streamers {
		_, room := p.get("/v1/rooms/"+name, "")
		lines = append(lines, room)
	}
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command(path, "live", "--url", "http://"+p.addr, "--json", "--sort", "started").Output()
	if err != nil {
		p.t.Fatalf("live --json: %v", err)
	}
	var page web.LivePage
	if err := json.Unmarshal(out, &page); err != nil {
		p.t.Fatal(err)
	}
	for _, row := range page.Data {
		lines = append(lines, fmt.Sprintf("live: %+v", withoutPeak(row)))
	}
	return strings.Join(lines, "\n")
}

// withoutPeak drops what a node knows only of the time since it has been there.
func withoutPeak(row web.Row) web.Row {
	row.PeakViewers = 0
	return row
}

// liveWatch runs "live --watch --json" and collects what it says of broadcasts.
type liveWatch struct {
	mu    sync.Mutex
	lines []string
}

func (p *process) liveWatch() *liveWatch {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(path, "live", "--url", "http://"+p.addr, "--watch", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	w := &liveWatch{}
	var reading sync.WaitGroup
	reading.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			w.note(s.Text())
		}
	})
	p.t.Cleanup(func() { _ = cmd.Process.Kill(); reading.Wait(); _ = cmd.Wait() })
	return w
}

func (w *liveWatch) note(line string) {
	var c struct {
		Event string `json:"event"` // the stream's names too
		web.LiveChange
	}
	if json.Unmarshal([]byte(line), &c) != nil || c.Event == web.StreamViewers {
		return
	}
	if c.Event == web.StreamSnapshot {
		line = c.Event
	} else {
		line = fmt.Sprintf("%s: %s %d %s %s", c.Row.Broadcast, c.Event, c.Version, c.Row.State, c.Reason)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
}

// of returns what was said, ordered by broadcast: between rooms there is no order.
func (w *liveWatch) of() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := slices.Clone(w.lines)
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(broadcastIn(a), broadcastIn(b)) })
	return lines
}

func broadcastIn(line string) string {
	broadcast, _, _ := strings.Cut(line, ":")
	return broadcast
}

// TestNodesAnswerAlike asks both nodes everything, before and after things change and one node dies.
func TestNodesAnswerAlike(t *testing.T) {
	t.Parallel()
	s := startService(t, 2)
	ctx := within(t, 2*time.Minute)
	watches := []*liveWatch{s.nodes[0].liveWatch(), s.nodes[1].liveWatch()}
	for i, w := range watches {
		s.nodes[i].eventually("live --watch has begun", 10*time.Second, func() bool { return len(w.of()) == 1 })
	}
	alike := func(when string, want ...string) {
		t.Helper()
		var answers [2]string
		ok := func() bool {
			for i, p := range s.nodes {
				answers[i] = p.answers([]string{"alice", "bob", "carol", "dave"})
			}
			for _, w := range want {
				if !strings.Contains(answers[0], w) {
					return false
				}
			}
			return answers[0] == answers[1]
		}
		for deadline := time.Now().Add(10 * time.Second); !ok(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s, one node says\n%s\nand the other\n%s\nwant %q", when, answers[0], answers[1], want)
			}
		}
	}
	alike("with nobody live", "started: 0, stale false")
	streamers := make(map[string]*client)
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		c := s.nodes[i%2].dial(name)
		if _, err := c.Join(ctx, signalling.Join{Room: name, Role: auth.RoleStreamer}); err != nil {
			t.Fatal(err)
		}
		if name != "dave" { // who is only online
			if _, err := c.Start(ctx, signalling.LiveStart{Room: name, Details: presence.Details{Title: "Title of " + name, Tags: []string{"ink", name}}}); err != nil {
				t.Fatal(err)
			}
		}
		streamers[name] = c
	}
	alike("with three live", "started: 3, stale false", "Title of carol", `"state":"online"`)
	var audience []*viewer
	for i, room := range []string{"alice", "alice", "alice", "bob"} {
		audience = append(audience, s.nodes[i%2].watch("eve", room))
	}
	alike("with viewers on both nodes", "Viewers:3", "Viewers:1")
	_ = audience[0].Close()
	alike("once one has left", "Viewers:2")
	streamers["bob"].Abort()
	alike("with bob reconnecting", "State:reconnecting")
	if err := streamers["carol"].End(ctx, "carol"); err != nil {
		t.Fatal(err)
	}
	alike("once carol has ended", "started: 2")
	record := func(p *process) string {
		_, body := p.get("/v1/broadcasts", token(t, "admin", admin))
		return body
	}
	s.nodes[0].eventually("the record is there, the same on both nodes", 10*time.Second, func() bool {
		one := record(s.nodes[0])
		return one == record(s.nodes[1]) && strings.Count(one, `"state":"ended"`) == 1 && strings.Count(one, `"title":"Title of`) == 3
	})
	same := func() bool { return len(watches[0].of()) == 6 && slices.Equal(watches[0].of(), watches[1].of()) }
	for deadline := time.Now().Add(10 * time.Second); !same(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the watchers were told\n%s\nand\n%s", strings.Join(watches[0].of(), "\n"), strings.Join(watches[1].of(), "\n"))
		}
	}

	// One node dies. Its viewers stop counting once its lease has ended; nobody has to repair anything.
	_, before := s.nodes[0].get("/v1/rooms/alice", "")
	s.nodes[1].signal(syscall.SIGKILL)
	killed := time.Now()
	// A lease lasts 8 s and is looked at every 2 s; the rest is for a busy machine.
	s.nodes[0].eventually("the dead node's viewers no longer count", 20*time.Second, func() bool {
		_, body := s.nodes[0].get("/v1/rooms/alice", "")
		return strings.Contains(body, `"viewers":1`)
	})
	t.Logf("before: %sthe dead node's viewer was gone after %s", before, time.Since(killed).Round(10*time.Millisecond))
}
