package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/signalling"
)

// on returns where a party connects: always to this node.
func on(p *process) func() *process { return func() *process { return p } }

// Streamer and viewers are never on the same node, and all that they need of each other finds its way.
func TestSignallingBetweenNodes(t *testing.T) {
	t.Parallel()
	sessions := 20
	if soak() {
		sessions = 1000
	}
	s := startService(t, 2)
	alice := newParty(t, "alice", "alice", on(s.nodes[0]))
	bob := newParty(t, "alice", "bob", on(s.nodes[1]))
	took := delays{}
	var before []footprint
	for i := range sessions + 1 {
		if i == 1 { // with what the first one has made for all, and what is counted once a second
			s.nodes[0].eventually("the viewer is counted", 20*time.Second, func() bool {
				return slices.ContainsFunc(s.keys(), func(key string) bool { return strings.Contains(key, ":distinct:") })
			})
			before = s.footprints()
		}
		began := time.Now()
		viewer := bob.ask()
		awaitOrFail(t, viewer.connected, fmt.Sprintf("session %d: the viewer's connection", i))
		streamer := alice.peer(viewer.session)
		if streamer == nil {
			t.Fatalf("session %d: the streamer knows nothing of it", i)
		}
		awaitOrFail(t, streamer.connected, fmt.Sprintf("session %d: the streamer's connection", i))
		took.add("request to connected", time.Since(began))
		viewer.wantFlow(10 * time.Second)
		took.add("request to video and data", time.Since(began))
		viewer.bye()
		awaitOrFail(t, streamer.ended, fmt.Sprintf("session %d: the end", i))
	}
	t.Logf("%d sessions, none failed\n%s", sessions, took.table())
	for i, after := range s.footprints() {
		was := before[i]
		t.Logf("node %d: goroutines %d, then %d; heap %d, then %d; keys in Redis %d, then %d", i+1,
			was.goroutines, after.goroutines, was.heap, after.heap, len(was.keys), len(after.keys))
		if more := slices.DeleteFunc(slices.Clone(after.keys), func(key string) bool {
			return slices.Contains(was.keys, key) || strings.HasSuffix(key, ":notes") // one of each partition at most, once anything was noted
		}); len(more) > 0 {
			t.Errorf("Redis has %q, which it had not before", more)
		}
		if after.goroutines > was.goroutines+5 { // those of Redis's pool come and go
			t.Errorf("node %d had %d goroutines, and has %d", i+1, was.goroutines, after.goroutines)
		}
		if soak() && after.heap > was.heap+was.heap/10 {
			t.Errorf("node %d had a heap of %d bytes, and has one of %d", i+1, was.heap, after.heap)
		}
	}
}

// footprint is what a node, and Redis, hold.
type footprint struct {
	goroutines int
	// heap is the size at which garbage is collected next, which is a multiple of what the last collection found alive. The
	// size of the heap itself would tell how long ago that was.
	heap int
	keys []string
}

// footprints returns one for each node. In a soak test it waits for a collection of garbage, which comes every two minutes.
func (s *service) footprints() []footprint {
	s.t.Helper()
	var all []footprint
	began := time.Now()
	for _, p := range s.nodes {
		if soak() {
			p.eventually("its garbage is collected", 5*time.Minute, func() bool {
				return p.metric("go_memstats_last_gc_time_seconds") > float64(began.UnixNano())/1e9
			})
		}
		all = append(all, footprint{goroutines: int(p.metric("go_goroutines")), heap: int(p.metric("go_memstats_next_gc_bytes"))})
	}
	for i := range all {
		all[i].keys = s.keys()
	}
	return all
}

// keys returns all of the service's in Redis.
func (s *service) keys() []string {
	s.t.Helper()
	keys, err := redisClient(s.t, testserver.Redis(s.t)).Keys(within(s.t, 20*time.Second), s.prefix+"*").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// metric returns a value that the node tells Prometheus.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	_, page := p.get("/metrics", "")
	for line := range strings.Lines(page) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Fatalf("there is no %s", name)
	return 0
}

// The streamer is told of a viewer who is gone with a node, though nobody is there to tell; and on which node the streamer is
// by then makes no difference.
func TestSignallingWithWhoIsGoneForGood(t *testing.T) {
	t.Parallel()
	s := startService(t, 3)
	at := &atomic.Pointer[process]{}
	at.Store(s.nodes[0])
	alice := newParty(t, "alice", "alice", at.Load)
	bob, carol := newParty(t, "alice", "bob", on(s.nodes[1])), newParty(t, "alice", "carol", on(s.nodes[2]))
	gone, stays := bob.ask(), carol.ask()
	gone.wantFlow(20 * time.Second)
	stays.wantFlow(20 * time.Second)
	session := alice.peer(gone.session)
	s.nodes[1].signal(syscall.SIGKILL)
	began := time.Now()
	at.Store(s.nodes[2])
	alice.cut(0)
	alice.awaitClient(within(t, 20*time.Second))
	select {
	case <-session.ended:
		t.Logf("the streamer was told after %s", time.Since(began).Round(time.Millisecond))
	case <-time.After(time.Minute):
		t.Fatal("the streamer was not told within a minute")
	}
	if took := time.Since(began); took < 30*time.Second {
		t.Errorf("that was after %s already, when the viewer might still have come back", took)
	}
	stays.wantFlow(5 * time.Second)
}

// Whatever is lost under way, of the connection to the service or of the path between the two, on whichever side, media goes
// on, or comes back by itself.
func TestSignallingThroughDrops(t *testing.T) {
	t.Parallel()
	const backWithin = 5 * time.Second
	for _, side := range []string{"the streamer's", "the viewer's"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			s := startService(t, 3)
			at := map[string]*atomic.Pointer[process]{"alice": {}, "bob": {}}
			at["alice"].Store(s.nodes[0])
			at["bob"].Store(s.nodes[1])
			alice := newParty(t, "alice", "alice", at["alice"].Load)
			bob := newParty(t, "alice", "bob", at["bob"].Load)
			who := map[string]*party{"the streamer's": alice, "the viewer's": bob}[side]
			viewer := bob.ask()
			viewer.wantFlow(20 * time.Second)
			took := delays{}

			// The connection to the service is gone for five seconds: nobody need notice.
			who.cut(5 * time.Second)
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
				viewer.wantFlow(time.Second)
			}
			who.awaitClient(within(t, 20*time.Second))

			// Its node is killed: neither.
			old := at[who.user].Swap(s.nodes[2])
			old.signal(syscall.SIGKILL)
			<-old.exited
			viewer.wantFlow(time.Second)
			who.awaitClient(within(t, 20*time.Second))

			// The path is lost, over which only the two can find each other again by way of the service.
			who.net.change()
			viewer.wantLost(10 * time.Second)
			took.add("lost path to media again", viewer.wantFlow(backWithin))

			// And both at once: what counts is when the connection to the service is back.
			who.net.change()
			who.cut(5 * time.Second)
			viewer.wantLost(10 * time.Second)
			who.awaitClient(within(t, 20*time.Second))
			took.add("back to media again", viewer.wantFlow(backWithin))
			if alice.peer(viewer.session) == nil || bob.peer(viewer.session) != viewer || viewer.over.Load() {
				t.Error("the session is not the one that it was")
			}
			t.Logf("\n%s", took.table())
		})
	}
}

func awaitOrFail(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("not within 20 s: %s", what)
	}
}

// relayed has a party use nothing but TURN.
func relayed(p *party) { p.policy = webrtc.ICETransportPolicyRelay }

// With credentials of the service, a real TURN server relays, also made with the secret of before while secrets are rotated;
// a session goes on when its credentials have ended, and those that have serve for nothing new.
func TestSignallingWithTURN(t *testing.T) {
	t.Parallel()
	const life = 4 * time.Second
	server := testserver.Coturn(t, append(testserver.SharedSecrets("the old secret", "the new secret"), "verbose", "max-allocate-lifetime=4")...)
	flags := []string{"--turn-url", server.URL, "--turn-life", life.String(), "--turn-secret"}
	s := startService(t, 2, append(flags, "the new secret")...)
	old := start(t, append(append(slices.Clone(s.flags), "--turn-secret", "the old secret"), "--node", "n3")...)

	alice := newParty(t, "alice", "alice", on(s.nodes[0]), relayed)
	bob := newParty(t, "alice", "bob", on(s.nodes[1]), relayed)
	carol := newParty(t, "alice", "carol", on(old), relayed)
	first := bob.ask()
	first.wantFlow(20 * time.Second)
	carol.ask().wantFlow(20 * time.Second)
	for _, pair := range selectedPairs(t, first) {
		if pair.Typ != webrtc.ICECandidateTypeRelay {
			t.Errorf("the connection is over %s", pair)
		}
	}

	// The server has to be asked for more time every two seconds, and is, over the lives of three credentials.
	for range 3 {
		time.Sleep(life) // there is nothing to wait for: that it goes on is what is to be seen
		first.wantFlow(time.Second)
	}
	if n := strings.Count(server.Log(), "user <"+bob.credentials()[0].Username+">: incoming packet REFRESH processed, success"); n < 4 {
		t.Errorf("the server was asked for more time %d times:\n%s", n, server.Log())
	}
	// A path that is lost then is found again with the credentials of today.
	bob.net.change()
	first.wantLost(20 * time.Second)
	first.wantFlow(20 * time.Second)
	dave := newParty(t, "alice", "dave", on(s.nodes[1]), relayed)
	dave.ask().wantFlow(20 * time.Second) // with alice's renewed credentials as well
	for _, p := range []*party{alice, bob} {
		if n := len(p.credentials()); n < 4 {
			t.Errorf("%s was given credentials %d times in %s", p.user, n, 3*life)
		}
	}

	given := dave.credentials()
	latest := given[len(given)-1]
	forged := latest
	forged.Credential = "x" + forged.Credential[1:]
	for name, refused := range map[string]signalling.ICEServer{"that have ended": alice.credentials()[0], "that are forged": forged} {
		if err := server.Allocate(refused.Username, refused.Credential); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("with credentials %s, the TURN server answers %v", name, err)
		}
	}
	if err := server.Allocate(latest.Username, latest.Credential); err != nil {
		t.Errorf("with good ones it answers %v", err)
	}
	for _, p := range append(s.nodes, old) {
		for _, c := range alice.credentials() {
			if strings.Contains(p.err.String(), c.Credential) || strings.Contains(p.err.String(), c.Username) {
				t.Errorf("a node logs credentials:\n%s", p.err.String())
			}
		}
	}
}

// credentials returns all that the party was given, the last one last.
func (p *party) credentials() []signalling.ICEServer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.given)
}

// selectedPairs returns both ends of the path that is in use.
func selectedPairs(t *testing.T, x *peer) []*webrtc.ICECandidate {
	t.Helper()
	pair, err := x.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		t.Fatalf("no pair of candidates: %v, %v", pair, err)
	}
	return []*webrtc.ICECandidate{pair.Local, pair.Remote}
}
