package signalling

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

// describe is the data of an offer, or of an answer, of so many bytes.
func describe(bytes int) json.RawMessage {
	data, _ := json.Marshal(map[string]string{"type": "offer", "sdp": strings.Repeat("v", bytes)})
	return data
}

// signal sends to a member and returns the code of what it got; empty: ok.
func (a *actor) signal(kind rooms.SignalKind, session, to string, data json.RawMessage) Code {
	a.t.Helper()
	err := a.Signal(context.Background(), Signal{Room: a.room, To: to, Session: session, Kind: kind, Data: data})
	synctest.Wait()
	if err == nil {
		return ""
	}
	e, ok := err.(*Error)
	if !ok {
		a.t.Fatalf("%s: %v", kind, err)
	}
	return e.Code
}

// signals returns the signals that the actor was told, each as "kind session from data".
func (a *actor) signals() []string {
	a.t.Helper()
	told := []string{}
	for _, m := range a.messages() {
		var s rooms.SignalMessage
		if m.Type != "signal" {
			continue
		}
		if err := m.Decode(&s); err != nil {
			a.t.Fatal(err)
		}
		told = append(told, fmt.Sprintf("%s %s %s %s %s", s.Kind, s.Session, s.From, s.User.Name, s.Data))
	}
	return told
}

func TestSignals(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob, carol := n.connect("alice"), n.connect("bob"), n.connect("carol")
		alice.golive()
		bob.join(auth.RoleViewer)
		carol.join(auth.RoleViewer)
		for _, step := range []struct {
			who  *actor
			kind rooms.SignalKind
			to   string
			data string
		}{
			{bob, rooms.SignalRequest, rooms.ToStreamer, `{"video":true}`},
			{alice, rooms.SignalOffer, bob.Welcome.Connection, `{"type":"offer","sdp":"v=0"}`},
			{bob, rooms.SignalAnswer, alice.Welcome.Connection, `{"type":"answer","sdp":"v=0"}`},
			{alice, rooms.SignalCandidate, bob.Welcome.Connection, `null`},
			{bob, rooms.SignalBye, rooms.ToStreamer, `{"reason":"closed"}`},
		} {
			if code := step.who.signal(step.kind, "s1", step.to, json.RawMessage(step.data)); code != "" {
				t.Fatalf("%s: %s", step.kind, code)
			}
		}
		b, a := bob.Welcome.Connection, alice.Welcome.Connection
		if got, want := alice.signals(), []string{
			"request s1 " + b + ` Bob {"video":true}`, "answer s1 " + b + ` Bob {"type":"answer","sdp":"v=0"}`, "bye s1 " + b + ` Bob {"reason":"closed"}`,
		}; !slices.Equal(got, want) {
			t.Errorf("the streamer was told %q, want %q", got, want)
		}
		if got, want := bob.signals(), []string{
			"offer s1 " + a + ` Alice {"type":"offer","sdp":"v=0"}`, "candidate s1 " + a + " Alice null",
		}; !slices.Equal(got, want) {
			t.Errorf("the viewer was told %q, want %q", got, want)
		}
		if got := carol.signals(); len(got) > 0 {
			t.Errorf("another was told %q", got)
		}
	})
}

// Each abuse gets its error, and nobody else notices.
func TestSignalsThatAreRefused(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob, carol := n.connect("alice"), n.connect("bob"), n.connect("carol")
		alice.golive()
		bob.join(auth.RoleViewer)
		carol.join(auth.RoleViewer)
		mute := n.connect("mute", func(c *ClientConfig) {
			c.Token = n.token(auth.Claims{User: "mute", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer, Can: []string{"chat"}}}})
		})
		mute.join(auth.RoleViewer)
		stranger := n.connect("dave")
		if code := bob.signal(rooms.SignalRequest, "s1", rooms.ToStreamer, nil); code != "" {
			t.Fatal(code)
		}
		before := len(alice.messages()) + len(bob.messages())
		const toStreamer = rooms.ToStreamer
		for name, test := range map[string]struct {
			who         *actor
			kind        rooms.SignalKind
			session, to string
			data        json.RawMessage
			want        Code
		}{
			"another viewer":           {carol, rooms.SignalRequest, "s2", bob.Welcome.Connection, nil, CodeForbidden},
			"another viewer's session": {carol, rooms.SignalCandidate, "s1", toStreamer, nil, CodeForbidden},
			"to end another's":         {carol, rooms.SignalBye, "s1", toStreamer, nil, CodeForbidden},
			"nobody":                   {carol, rooms.SignalRequest, "s2", "n1-nobody", nil, CodePeerGone},
			"a session that is not":    {carol, rooms.SignalAnswer, "s2", toStreamer, describe(1), CodePeerGone},
			"who has not joined":       {stranger, rooms.SignalRequest, "s2", toStreamer, nil, CodeNotJoined},
			"whose token forbids it":   {mute, rooms.SignalRequest, "s2", toStreamer, nil, CodeForbidden},
			"a long sdp":               {carol, rooms.SignalOffer, "s2", toStreamer, describe(MaxSDP + 1), CodeTooLarge},
			"no sdp":                   {carol, rooms.SignalOffer, "s2", toStreamer, json.RawMessage(`{"type":"offer"}`), CodeBadRequest},
			"sdp that is none":         {carol, rooms.SignalOffer, "s2", toStreamer, json.RawMessage(`{"sdp":7}`), CodeBadRequest},
			"no data for an offer":     {carol, rooms.SignalOffer, "s2", toStreamer, nil, CodeBadRequest},
			"a long candidate":         {bob, rooms.SignalCandidate, "s1", toStreamer, json.RawMessage(`"` + strings.Repeat("c", MaxSignal-1) + `"`), CodeTooLarge},
			"a long request":           {carol, rooms.SignalRequest, "s2", toStreamer, json.RawMessage(`"` + strings.Repeat("c", MaxSignal) + `"`), CodeTooLarge},
			"no kind":                  {carol, "", "s2", toStreamer, nil, CodeBadRequest},
			"a kind that nodes use":    {carol, "left", "s1", toStreamer, nil, CodeBadRequest},
			"no session":               {carol, rooms.SignalRequest, "", toStreamer, nil, CodeBadRequest},
			"a long session":           {carol, rooms.SignalRequest, strings.Repeat("s", 65), toStreamer, nil, CodeBadRequest},
			"a session in two lines":   {carol, rooms.SignalRequest, "s\n2", toStreamer, nil, CodeBadRequest},
			"to no one":                {carol, rooms.SignalRequest, "s2", "", nil, CodeBadRequest},
			"to a very long id":        {carol, rooms.SignalRequest, "s2", strings.Repeat("n", maxMember+1), nil, CodeBadRequest},
			"the streamer to streamer": {alice, rooms.SignalOffer, "s2", alice.Welcome.Connection, describe(1), CodeForbidden},
			"into another's session":   {alice, rooms.SignalOffer, "s1", carol.Welcome.Connection, describe(1), CodeForbidden},
		} {
			if got := test.who.signal(test.kind, test.session, test.to, test.data); got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
		if after := len(alice.messages()) + len(bob.messages()); after != before {
			t.Errorf("others were told %d messages about that: %q, %q", after-before, alice.signals(), bob.signals())
		}
		for name, test := range map[string]struct {
			kind rooms.SignalKind
			data json.RawMessage
		}{
			"as long as it may be": {rooms.SignalCandidate, json.RawMessage(`"` + strings.Repeat("c", MaxSignal-2) + `"`)},
			"the longest sdp":      {rooms.SignalAnswer, describe(MaxSDP)},
		} {
			if got := bob.signal(test.kind, "s1", toStreamer, test.data); got != "" {
				t.Errorf("%s: %q", name, got)
			}
		}
	})
}

// Long descriptions are bounded by their bytes, and more for a streamer, who has as many peers.
func TestSignalsOfManyBytes(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		alice.golive()
		bob.join(auth.RoleViewer)
		if code := bob.signal(rooms.SignalRequest, "s1", rooms.ToStreamer, nil); code != "" {
			t.Fatal(code)
		}
		sent := func(who *actor, to string) (taken int) {
			for range 50 {
				switch code := who.signal(rooms.SignalAnswer, "s1", to, describe(60<<10)); code {
				case "":
					taken++
				case CodeRateLimited:
					return taken
				default:
					t.Fatal(code)
				}
			}
			return taken
		}
		if n := sent(bob, rooms.ToStreamer); n != (burst*DefaultSignalBytes)/(60<<10) {
			t.Errorf("a viewer said %d long answers at once", n)
		}
		if n := sent(alice, bob.Welcome.Connection); n != streamersShare*(burst*DefaultSignalBytes)/(60<<10+30) {
			t.Errorf("a streamer said %d long answers at once", n)
		}
		time.Sleep(2 * time.Second)
		if n := sent(bob, rooms.ToStreamer); n != 2 {
			t.Errorf("two seconds later a viewer said %d", n)
		}
	})
}

// Who reads slowly is not told too much by others, and does not lose the connection by it: that would be a way to end it.
func TestSignalsToWhoDoesNotRead(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		snail := n.knock(t)
		snail.conn.SetReadLimit(-1)
		var joined Joined
		for _, m := range []string{`{"type":"hello","token":"` + n.token(auth.Claims{User: "snail", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}}) + `"}`,
			`{"type":"join","room":"alice","id":"1"}`} {
			reply, err := snail.ask(m)
			if err != nil {
				t.Fatal(err)
			}
			_ = json.Unmarshal([]byte(reply), &joined)
		}
		alice := n.connect("alice")
		alice.golive()
		busy := 0
		for range 20 {
			switch code := alice.signal(rooms.SignalOffer, "s1", joined.Member, describe(60<<10)); code {
			case CodeRateLimited:
				busy++
			case "":
			default:
				t.Fatal(code)
			}
		}
		if busy < 17 { // one is under way, and two fill half of the queue
			t.Errorf("of twenty long offers %d were refused", busy)
		}
		// There is room for what the service itself says, and the connection lives.
		if _, err := alice.Chat(background, "alice", "still there?"); err != nil {
			t.Fatal(err)
		}
		for {
			_, frame, err := snail.conn.Read(background)
			if err != nil {
				t.Fatalf("the snail's connection ended with %v", err)
			}
			if bytes.Contains(frame, []byte("still there?")) {
				return
			}
		}
	})
}

// Candidates in a flood are refused once they are too many; others go on as if nothing was.
func TestSignalsInAFlood(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob, carol := n.connect("alice"), n.connect("bob"), n.connect("carol")
		alice.golive()
		bob.join(auth.RoleViewer)
		carol.join(auth.RoleViewer)
		for who, session := range map[*actor]string{bob: "s1", carol: "s2"} {
			if code := who.signal(rooms.SignalRequest, session, rooms.ToStreamer, nil); code != "" {
				t.Fatal(code)
			}
		}
		const flood = 10_000
		var frame strings.Builder
		for i := range flood {
			fmt.Fprintf(&frame, `{"type":"signal","room":"alice","to":"streamer","session":"s1","kind":"candidate","data":"%d"}`+"\n", i)
			if frame.Len() > 100<<10 || i == flood-1 {
				_ = bob.SendRaw(context.Background(), []byte(frame.String()))
				frame.Reset()
			}
		}
		synctest.Wait()
		bob.wantClosed(4429, time.Minute)
		if code := carol.signal(rooms.SignalCandidate, "s2", rooms.ToStreamer, nil); code != "" {
			t.Errorf("another gets %s", code)
		}
		alice.wantOpen()
		told := alice.signals()
		if n := len(told); n < 100 || n > 3*burst*DefaultMessages {
			t.Errorf("%d reached the streamer", n)
		}
	})
}

func turnOn(life time.Duration) func(*Config) {
	return func(c *Config) {
		c.ICE = ICE{STUN: []string{"stun:s"}, TURN: []string{"turn:t1", "turn:t2"}, Secrets: []string{"new", "old"}, Life: life}
	}
}

// Credentials are each connection's own, as coturn checks them.
func TestICEServers(t *testing.T) {
	onNode(t, turnOn(time.Hour), func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		for who, role := range map[*actor]auth.Role{alice: auth.RoleStreamer, bob: auth.RoleViewer} {
			ice := who.join(role).ICE
			if len(ice) != 2 || !slices.Equal(ice[0].URLs, []string{"stun:s"}) || ice[0].Username+ice[0].Credential != "" {
				t.Fatalf("got %+v", ice)
			}
			turn, expires := ice[1], time.Now().Add(time.Hour)
			if want := strconv.FormatInt(expires.Unix(), 10) + ":" + who.Welcome.Connection; turn.Username != want {
				t.Errorf("username is %q, want %q", turn.Username, want)
			}
			if turn.Credential != credential("new", turn.Username) || turn.ExpiresAt.Time().Unix() != expires.Unix() {
				t.Errorf("got %+v", turn)
			}
		}
	})
	onNode(t, nil, func(t *testing.T, n *node) {
		if ice := n.connect("bob").join(auth.RoleViewer).ICE; ice != nil {
			t.Errorf("nothing is set up, and somebody is told %+v", ice)
		}
	})
}

// The value is what openssl makes of it: printf 1790003600:n1-c1 | openssl dgst -sha1 -hmac secret -binary | base64
func TestCredential(t *testing.T) {
	if got, want := credential("secret", "1790003600:n1-c1"), "X83cvMZxsM6An9gfxFdLKc5q3/U="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Before they end there are new ones, for as long as the connection lasts; who is in no room gets none.
func TestICEServersAreRenewed(t *testing.T) {
	onNode(t, turnOn(10*time.Minute), func(t *testing.T, n *node) {
		bob, idle := n.connect("bob"), n.connect("idle")
		last := bob.join(auth.RoleViewer).ICE[1]
		given := map[string]bool{last.Username: true}
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
			synctest.Wait()
			for _, m := range bob.messages() {
				var renewed ICEServers
				if m.Type != "ice_servers" {
					continue
				}
				if err := m.Decode(&renewed); err != nil {
					t.Fatal(err)
				}
				if last = renewed.Servers[1]; !given[last.Username] {
					given[last.Username] = true
				}
			}
			if left := time.Until(last.ExpiresAt.Time()); left < 170*time.Second {
				t.Fatalf("credentials are good for %s more, and there are no others", left)
			}
		}
		if n := len(given); n != 9 { // at first, and every seven minutes
			t.Errorf("credentials were given %d times: %q", n, slices.Sorted(maps.Keys(given)))
		}
		for _, m := range idle.messages() {
			if m.Type == "ice_servers" {
				t.Errorf("who is in no room was told %s", m.Raw)
			}
		}
	})
}
