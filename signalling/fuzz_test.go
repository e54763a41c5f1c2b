package signalling

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
)

// maxExplained is how many bytes the message of an error has at most, whatever it is about.
const maxExplained = 1 << 10

// codes are all that a client may be told.
var codes = []Code{
	CodeBadRequest, CodeUnauthorized, CodeForbidden, CodeNotFound, CodeNotJoined, CodeConflict, CodeTooLarge, CodeRateLimited,
	CodePeerGone, CodePeerLimit, CodeUnavailable, CodeInternal,
}

// FuzzMessage feeds the parser of outside bytes: it never panics, and whatever
// it lets through can be replied to.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","id":"1","token":"x"}`, `{"type":"join","room":"a","since":{"epoch":"e","offset":1}}`,
		`{"type":"live.start","tags":["a"],"window_ms":1}`, `{"type":"publish","event":"chat","data":{"text":"x"}}`,
		`{}`, `[]`, `null`, `{"type":null}`, `{"id":"` + "\xff" + `"}`, `{"type":"join","since":null}`, "\x00", `{"type":"members","first":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := parseEnvelope(raw)
		if err != nil {
			told := errorOf(err)
			if told.Code != CodeBadRequest || told.Message == "" || !told.malformed {
				t.Errorf("%q gives %+v", raw, told)
			}
			return
		}
		if len(e.ID) > MaxRequest {
			t.Errorf("an id of %d bytes passed", len(e.ID))
		}
		reply := wire.JSON(refuse(CodeBadRequest, "type %.40q is unknown", e.Type).reply(e.ID))
		if !json.Valid(reply) || !utf8.Valid(reply) {
			t.Errorf("the reply to %q is no JSON: %q", raw, reply)
		}
		for _, decode := range []any{new(Join), new(LiveStart), new(LiveUpdate), new(Publish), new(Members)} {
			_ = json.Unmarshal(raw, decode)
		}
	})
}

// nextFrame stands between two frames in what FuzzSession is given. JSON has no such byte.
const nextFrame = "\x1e"

// FuzzSession has somebody say anything who is a member of one room as its streamer and of another as a viewer. Each
// message that has an id gets one reply; all that anybody is told can be read by a browser; the session and the hub agree
// on where it is a member; and whoever else is in these rooms stays connected.
func FuzzSession(f *testing.F) {
	samples, err := filepath.Glob("testdata/messages/client.*.json")
	if err != nil || len(samples) == 0 {
		f.Fatal(samples, err)
	}
	for _, name := range samples {
		sample, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, sample); err != nil {
			f.Fatal(err)
		}
		f.Add(line.Bytes())
	}
	offer := `{"type":"signal","id":"1","room":"alice","to":"streamer","session":"s","kind":"offer","data":{"type":"offer","sdp":"v=0"}}`
	for _, seed := range []string{
		`{"type":"live.start","id":"1","room":"mallory","title":"T","tags":["a"],"window_ms":0}` + nextFrame + `{"type":"live.update","id":"2","room":"mallory","title":""}` + "\n" + `{"type":"live.end","id":"3","room":"mallory"}`,
		offer + "\n" + strings.ReplaceAll(offer, "offer", "candidate") + nextFrame + strings.ReplaceAll(offer, `"kind":"offer"`, `"kind":"bye"`),
		strings.Replace(offer, "v=0", "v=0\xff", 1), // it was handed on, and cost the streamer's browser its socket
		strings.Replace(offer, `"v=0"`, `"v=0","x":[1,{}]`, 1),
		`{"type":"publish","id":"1","room":"alice","event":"x.poll","data":"` + "\xff" + `"}`,
		`{"type":"publish","id":"1","room":"alice","event":"chat","data":{"text":"a\u0000b"}}` + nextFrame + `{"type":"publish","room":"alice","event":"reaction","data":{"kind":"heart"}}`,
		`{"type":"leave","id":"1","room":"alice"}` + nextFrame + `{"type":"join","id":"2","room":"alice","since":{"epoch":"","offset":9223372036854775807}}` + nextFrame + `{"type":"join","id":"3","room":"alice","role":"streamer"}`,
		`{"type":"join","id":"1","room":"bob"}` + "\n\n" + `{"type":"leave","id":"1","room":"mallory"}` + "\n" + `{"type":"heartbeat","id":"1"}`,
		`{"type":"members","id":"1","room":"alice","first":1}` + nextFrame + `{"type":"members","id":"2","room":"alice","after":"_w"}`,
		`{"type":"members","id":"3","room":"alice","first":` + strings.Repeat("9", 9000) + `}`, // all of it was in the refusal
		`{"type":"refresh","id":"1","token":"x.y.z"}` + nextFrame + `{"type":"hello","id":"2","token":""}`, `{"type":"nothing","id":"1"}` + nextFrame + `null` + nextFrame + `[]`,
		`{"TYPE":"heartbeat","Id":"a\"\u2028` + "\xff" + `"}`, `{"type":"heartbeat","id":"` + strings.Repeat("x", 65) + `"}`, strings.Repeat("{}\n", 12),
		`{"type":"heartbeat","id":1}`, `{"type":7,"id":"1"}`, `{"type":"join","id":"1","room":{},"role":[]}`, `{"type":"heartbeat","id":"1","id":"2"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 16<<10 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			n := startNode(t, nil)
			alice, mallory := n.connect("alice"), n.connectRaw("mallory")
			alice.golive()
			mallory.say(`{"type":"join","id":"a","room":"mallory","role":"streamer"}`)
			mallory.say(`{"type":"join","id":"b","room":"alice"}`)
			alice.room = "mallory"
			alice.join(auth.RoleViewer)
			mallory.asked = nil
			synctest.Wait()
			mallory.forget()
			for frame := range strings.SplitSeq(string(said), nextFrame) {
				mallory.say(frame)
			}
			synctest.Wait()
			mallory.wantReplies()
			n.wantSame(mallory)
			synctest.Wait()
			alice.wantOpen()
			for _, m := range alice.messages() {
				wantReadable(t, m.Raw)
			}
		})
	})
}

// rawActor says what it likes.
type rawActor struct {
	t     testing.TB
	conn  *websocket.Conn
	asked map[string]int // how many messages had an id

	mu     sync.Mutex
	told   [][]byte
	closed error
}

// connectRaw is like connect, for somebody who does not keep to the protocol.
func (n *node) connectRaw(user string) *rawActor {
	n.t.Helper()
	token := n.token(auth.Claims{User: user, Grants: []auth.Grant{{Room: user, Role: auth.RoleStreamer}, {Room: "*", Role: auth.RoleViewer}}})
	conn, _, err := websocket.Dial(context.Background(), "ws://pipe/v1/ws", &websocket.DialOptions{
		HTTPClient: n.net.client(n.t, nil), HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	a := &rawActor{t: n.t, conn: conn}
	go a.read()
	n.t.Cleanup(func() { _ = conn.CloseNow() })
	return a
}

func (a *rawActor) read() {
	for {
		_, frame, err := a.conn.Read(context.Background())
		a.mu.Lock()
		if err != nil {
			a.closed = err
			a.mu.Unlock()
			return
		}
		a.told = append(a.told, bytes.Split(frame, []byte("\n"))...)
		a.mu.Unlock()
	}
}

func (a *rawActor) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = nil
}

// say sends a frame, and notes which replies should come.
func (a *rawActor) say(frame string) {
	if a.asked == nil {
		a.asked = make(map[string]int)
	}
	for line := range strings.SplitSeq(frame, "\n") {
		var m struct{ Type, ID string }
		if json.Unmarshal([]byte(strings.TrimSpace(line)), &m) == nil && m.ID != "" && len(m.ID) <= MaxRequest {
			a.asked[m.ID]++
		}
	}
	_ = a.conn.Write(context.Background(), websocket.MessageText, []byte(frame)) // it may be closed by now
}

// wantReplies looks at all that was told since forget. Who is closed need not have got all replies.
func (a *rawActor) wantReplies() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	answered := make(map[string]int)
	for _, raw := range a.told {
		wantReadable(a.t, raw)
		var m struct {
			Envelope
			Code    Code
			Message string
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			a.t.Fatalf("told %q: %v", raw, err)
		}
		if m.Type == "error" && (!slices.Contains(codes, m.Code) || m.Code == CodeInternal || m.Message == "" || len(m.Message) > maxExplained) {
			a.t.Errorf("told %.2000q", raw)
		}
		if m.Re != "" {
			answered[m.Re]++
		}
	}
	for id, n := range answered {
		if n > a.asked[id] {
			a.t.Errorf("%q was answered %d times, and asked %d", id, n, a.asked[id])
		}
	}
	if a.closed != nil {
		known := slices.ContainsFunc(causes, func(c cause) bool { return c.code == websocket.CloseStatus(a.closed) })
		if !known {
			a.t.Errorf("closed with %v", a.closed)
		}
		return
	}
	for id, n := range a.asked {
		if answered[id] != n {
			a.t.Errorf("%q was answered %d times, and asked %d", id, answered[id], n)
		}
	}
}

// wantReadable looks at a message as a browser would: a text frame that is not UTF-8 costs it the socket (RFC 6455 §8.1).
func wantReadable(t testing.TB, raw []byte) {
	t.Helper()
	if !utf8.Valid(raw) || !json.Valid(raw) || bytes.ContainsRune(raw, '\n') {
		t.Errorf("told %.2000q", raw)
	}
}

// wantSame compares where a session thinks that it is a member with what the hub thinks.
func (n *node) wantSame(a *rawActor) {
	n.t.Helper()
	for _, s := range n.server.all() {
		if s.User().ID != "mallory" {
			continue
		}
		streaming, own := int32(0), map[string]auth.Role{}
		for _, m := range s.joined {
			own[m.room] = m.role
			if m.role == auth.RoleStreamer {
				streaming++
			}
		}
		for _, room := range append([]string{"alice", "bob", "mallory"}, slices.Collect(maps.Keys(own))...) {
			role := auth.Role("")
			for _, m := range n.hub.Roster(context.Background(), room, 100, "").Members {
				if m.ID == s.id {
					role = m.Role
				}
			}
			if role != own[room] {
				n.t.Errorf("in room %s as %q, and the session has %q", room, role, own[room])
			}
		}
		if got := s.life.streaming.Load(); got != streaming {
			n.t.Errorf("streams in %d rooms, and joined %d", got, streaming)
		}
	}
}
