package signalling

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

// reactions returns what the actor was told of reactions so far, and how often.
func (a *actor) reactions() (counts map[string]int, times int) {
	a.t.Helper()
	counts = make(map[string]int)
	for _, m := range a.messages() {
		var told rooms.ReactionsMessage
		if m.Type != "reactions" {
			continue
		}
		if err := m.Decode(&told); err != nil || told.Room != a.room {
			a.t.Fatalf("reactions %s, %v", m.Raw, err)
		}
		for kind, n := range told.Counts {
			counts[kind] += n
		}
		times++
	}
	return counts, times
}

// pass lets time pass, and everything happen that is due by then.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestReactions(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		if got := bob.Welcome.Limits.ReactionKinds; got != 16 {
			t.Errorf("welcome speaks of %d kinds", got)
		}
		alice.golive()
		bob.join(auth.RoleViewer)
		reply, err := bob.Request(background, "publish", Publish{Room: "alice", Event: "reaction", Data: json.RawMessage(`{"kind":"heart"}`)})
		var fields map[string]any
		if err != nil || reply.Decode(&fields) != nil || len(fields) != 2 || fields["type"] != "ok" || fields["re"] == nil {
			t.Errorf("reacting is answered with %s, %v", reply.Raw, err)
		}
		if err := alice.React(background, "alice", "👏"); err != nil {
			t.Error(err)
		}
		pass(1500 * time.Millisecond)
		for _, a := range []*actor{alice, bob} {
			if counts, times := a.reactions(); times != 1 || !maps.Equal(counts, map[string]int{"heart": 1, "👏": 1}) {
				t.Errorf("told %v in %d messages", counts, times)
			}
		}
		bob.wantEvents()
	})
}

func TestReactionsAreRefused(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		as := func(can ...string) func(*ClientConfig) {
			return func(c *ClientConfig) {
				c.Token = n.token(auth.Claims{User: "eve", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer, Can: can}}})
			}
		}
		bob, eve, fan := n.connect("bob"), n.connect("eve", as("chat", "reaction", "x.*")), n.connect("eve", as("react"))
		for _, a := range []*actor{bob, eve, fan} {
			a.join(auth.RoleViewer)
		}
		if err := eve.React(background, "alice", "heart"); codeOf(err) != CodeForbidden || !strings.Contains(err.Error(), "reaction") {
			t.Errorf("whose token has no react: %v", err)
		}
		if err := fan.React(background, "alice", "heart"); err != nil {
			t.Errorf("whose token has nothing else: %v", err)
		}
		if err := bob.React(background, "elsewhere", "heart"); codeOf(err) != CodeNotJoined {
			t.Errorf("in a room that was not joined: %v", err)
		}
		if err := bob.React(background, "alice", "a heart"); codeOf(err) != CodeBadRequest || !strings.Contains(err.Error(), "kind") {
			t.Errorf("with a space: %v", err)
		}
		for i := range rooms.MaxReactionKinds - 1 {
			if err := bob.React(background, "alice", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := bob.React(background, "alice", "one more"); codeOf(err) != CodeBadRequest {
			t.Errorf("with a space, besides: %v", err)
		}
		if err := bob.React(background, "alice", "more"); codeOf(err) != CodeBadRequest || !strings.Contains(err.Error(), "16 kinds") {
			t.Errorf("the 17th kind: %v", err)
		}
		pass(1500 * time.Millisecond)
		if counts, _ := bob.reactions(); len(counts) != 16 || counts["heart"] != 1 {
			t.Errorf("told %v", counts)
		}
	})
}

// The limit on messages applies to reactions, that on chat does not.
func TestReactionsAreLimitedAsMessages(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		bob := n.connect("bob")
		bob.join(auth.RoleViewer)
		pass(time.Second)
		var err error
		taken := 0
		for ; err == nil && taken < 2*burst*DefaultMessages; taken++ {
			err = bob.React(background, "alice", "heart")
		}
		if codeOf(err) != CodeRateLimited || taken != burst*DefaultMessages+1 {
			t.Errorf("after %d: %v", taken, err)
		}
		if _, err := bob.Chat(background, "alice", "hello"); codeOf(err) != CodeRateLimited {
			t.Errorf("chat after that: %v", err)
		}
		pass(time.Second)
		if _, err := bob.Chat(background, "alice", "hello"); err != nil {
			t.Errorf("chat a second later: %v", err)
		}
	})
}

// flood joins so many members and a snail, who reads nothing; each member says
// the same two hundred times. It returns the snail and one of the members.
func (n *node) flood(t *testing.T, fans int, message string) (*stranger, *actor) {
	t.Helper()
	snail := n.knock(t)
	snail.conn.SetReadLimit(-1)
	for _, m := range []string{`{"type":"hello","token":"` + n.token(auth.Claims{User: "snail", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}}) + `"}`,
		`{"type":"join","room":"alice"}`} {
		if _, err := snail.ask(m); err != nil {
			t.Fatal(err)
		}
	}
	var members []*actor
	for i := range fans {
		a := n.connect(fmt.Sprint("fan", i))
		a.join(auth.RoleViewer)
		members = append(members, a)
	}
	pass(time.Second)
	frame := []byte(strings.Repeat(message+"\n", burst*DefaultMessages))
	for _, a := range members {
		if err := a.SendRaw(background, frame); err != nil {
			t.Fatal(err)
		}
	}
	pass(5 * time.Second) // less than a write may take
	return snail, members[0]
}

// Some thousand events end the connection of who does not read. Ten thousand
// reactions are one message a second, and do not.
func TestReactionsToWhoDoesNotRead(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		snail, _ := n.flood(t, 12, `{"type":"publish","room":"alice","event":"x.reaction","data":{"kind":"heart"}}`)
		var err error
		for err == nil {
			_, _, err = snail.conn.Read(background)
		}
		if websocket.CloseStatus(err) != 4410 {
			t.Errorf("as events, they end the connection with %v", err)
		}
	})
	onNode(t, nil, func(t *testing.T, n *node) {
		snail, fan := n.flood(t, 50, `{"type":"publish","room":"alice","event":"reaction","data":{"kind":"heart"}}`)
		counts, times := fan.reactions()
		if want := 50 * burst * DefaultMessages; counts["heart"] != want || times > 2 {
			t.Errorf("a fan was told %v in %d messages, want %d in at most two", counts, times, want)
		}
		if err := fan.React(background, "alice", "last"); err != nil {
			t.Fatal(err)
		}
		heard := 0
		for read := time.Now(); ; {
			_, frame, err := snail.conn.Read(background)
			if err != nil {
				t.Fatalf("the snail's connection ended with %v, after %s", err, time.Since(read))
			}
			for line := range strings.SplitSeq(string(frame), "\n") {
				var m rooms.ReactionsMessage
				if json.Unmarshal([]byte(line), &m) == nil && m.Type == "reactions" {
					if heard += m.Counts["heart"]; m.Counts["last"] == 1 {
						if heard != 50*burst*DefaultMessages {
							t.Errorf("the snail was told of %d", heard)
						}
						return
					}
				}
			}
		}
	})
}

// What is told of reactions leaves half of a queue to events, however long
// nobody reads.
func TestReactionsLeaveRoom(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		s := newSession(n.server, "n1-x", "")
		s.out.mu.Lock()
		s.out.writing = true // somebody is at it, and does not come on
		s.out.mu.Unlock()
		s.identity.Store(&auth.Identity{User: "snail"})
		if err := n.hub.Join(background, s, rooms.Join{Room: "alice", Role: auth.RoleViewer}); err != nil {
			t.Fatal(err)
		}
		waiting := func() int {
			s.out.mu.Lock()
			defer s.out.mu.Unlock()
			return s.out.bytes
		}
		for range 2 * MaxQueued / 1000 {
			counts := make(map[string]int)
			for i := range rooms.MaxReactionKinds {
				counts[fmt.Sprintf("%032d", i)] = 1_000_000_000
			}
			n.hub.Reactions("alice", counts)
			pass(time.Second)
			if bytes := waiting(); bytes > MaxQueued/2 {
				t.Fatalf("%d bytes wait", bytes)
			}
		}
		if bytes := waiting(); bytes < MaxQueued/2-1000 {
			t.Errorf("%d bytes wait, although there is room for more", bytes)
		}
		if err := n.hub.Leave(background, s, "alice", "left"); err != nil {
			t.Fatal(err)
		}
	})
}
