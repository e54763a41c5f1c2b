package main

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/signalling"
)

// on returns where a party connects: always to this node.
func on(p *process) func() *process { return func() *process { return p } }

// Streamer and viewers are never on the same node, and all that they need of each other finds its way.
func TestSignallingBetweenNodes(t *testing.T) {
	sessions := 20
	if soak() {
		sessions = 1000
	}
	s := startService(t, 2)
	alice := newParty(t, "alice", "alice", on(s.nodes[0]))
	bob := newParty(t, "alice", "bob", on(s.nodes[1]))
	took := delays{}
	for i := range sessions {
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
	t.Logf("%d sessions, none failed\n%s\n%d goroutines are left here", sessions, took.table(), runtime.NumGoroutine())
}

// Whatever is lost under way, of the connection to the service or of the path between the two, on whichever side, media goes
// on, or comes back by itself.
func TestSignallingThroughDrops(t *testing.T) {
	const backWithin = 5 * time.Second
	for _, side := range []string{"the streamer's", "the viewer's"} {
		t.Run(side, func(t *testing.T) {
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
	const life = 4 * time.Second
	server := testserver.Coturn(t, []string{"the old secret", "the new secret"}, "verbose", "max-allocate-lifetime=4")
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
	if n := strings.Count(server.Log(), "user <"+bob.given[0].Username+">: incoming packet REFRESH processed, success"); n < 4 {
		t.Errorf("the server was asked for more time %d times:\n%s", n, server.Log())
	}
	// A path that is lost then is found again with the credentials of today.
	bob.net.change()
	first.wantLost(20 * time.Second)
	first.wantFlow(20 * time.Second)
	dave := newParty(t, "alice", "dave", on(s.nodes[1]), relayed)
	dave.ask().wantFlow(20 * time.Second) // with alice's renewed credentials as well
	for _, p := range []*party{alice, bob} {
		p.mu.Lock()
		if n := len(p.given); n < 4 {
			t.Errorf("%s was given credentials %d times in %s", p.user, n, 3*life)
		}
		p.mu.Unlock()
	}

	alice.mu.Lock()
	expired := alice.given[0]
	alice.mu.Unlock()
	if got := allocate(t, server, expired); got != "401" {
		t.Errorf("with credentials that have ended, the TURN server answers %s", got)
	}
	forged := dave.latest()
	forged.Credential = "x" + forged.Credential[1:]
	if got := allocate(t, server, forged); got != "401" {
		t.Errorf("with a credential that is none, the TURN server answers %s", got)
	}
	if got := allocate(t, server, dave.latest()); got != "" {
		t.Errorf("with good ones it answers %s", got)
	}
	for _, p := range append(s.nodes, old) {
		for _, c := range alice.given {
			if strings.Contains(p.err.String(), c.Credential) || strings.Contains(p.err.String(), c.Username) {
				t.Errorf("a node logs credentials:\n%s", p.err.String())
			}
		}
	}
}

// latest returns the last credentials that the party was given.
func (p *party) latest() signalling.ICEServer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given[len(p.given)-1]
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

// allocate asks a TURN server for a relayed address and returns the code that it refuses that with; empty: it does not.
func allocate(t *testing.T, server *testserver.CoturnServer, with signalling.ICEServer) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	addr := strings.TrimSuffix(strings.TrimPrefix(server.URL, "turn:"), "?transport=udp")
	client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: addr, Username: with.Username, Password: with.Credential, Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	switch {
	case err == nil:
		_ = relayed.Close()
		return ""
	case strings.Contains(err.Error(), "401"):
		return "401"
	default:
		return err.Error()
	}
}
