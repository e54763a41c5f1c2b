package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// TestEveryRight asks the program as it is shipped for all that testdata/rights.txt has an answer to. Each cell has a user
// and rooms of its own, so that none is answered by what another did.
func TestEveryRight(t *testing.T) {
	t.Parallel()
	flags := []string{"--max-handshakes-per-ip=0", "--webhook-allow-private"}
	stages := map[string]*stage{
		"-":      newStage(start(t, flags...)),
		"public": newStage(start(t, append(flags, "--public-directory")...)),
	}
	if t.Failed() {
		return
	}
	for _, r := range rights(t, "messages") {
		t.Run("message/"+r.String(), func(t *testing.T) {
			t.Parallel()
			r.wantAnswers(t, stages["-"], (*cell).send)
		})
	}
	for _, r := range rights(t, "routes") {
		t.Run("route/"+r.String(), func(t *testing.T) {
			t.Parallel()
			s := stages[r.how]
			if strings.HasSuffix(r.what, "/drain") { // it admits nobody any more then
				s = &stage{process: start(t, flags...)}
			}
			r.wantAnswers(t, s, (*cell).request)
		})
	}
}

// wantAnswers asks for every actor.
func (r right) wantAnswers(t *testing.T, s *stage, ask func(*cell) string) {
	for _, a := range actors {
		if got := ask(newCell(t, s, r, a)); got != r.answers[a.name] {
			t.Errorf("%s gets %s, want %s", a.name, got, r.answers[a.name])
		}
	}
}

// stage is a node on which there is something of everything that is asked about.
type stage struct {
	*process
	broadcast string // one that has ended
	webhook   string
	delivery  string // of that
	asset     string // a file of the pages
}

func newStage(p *process) *stage {
	p.t.Helper()
	taken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	p.t.Cleanup(taken.Close)
	s := &stage{process: p}
	s.webhook = s.newWebhook(taken.URL, "stream.offline")
	alice := p.dial("alice")
	ctx := within(p.t, 20*time.Second)
	if err := alice.tryJoin("alice", auth.RoleStreamer); err != nil {
		p.t.Fatal(err)
	}
	b, err := alice.Start(ctx, signalling.LiveStart{Room: "alice"})
	if err == nil {
		err = alice.End(ctx, "alice")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	s.broadcast = b.ID
	backend := token(p.t, "backend", backendScope)
	p.eventually("the webhook has a delivery", 20*time.Second, func() bool {
		_, body := p.get("/v1/webhooks/"+s.webhook+"/deliveries", backend)
		var page web.DeliveryPage
		if json.Unmarshal([]byte(body), &page) == nil && len(page.Data) > 0 {
			s.delivery = page.Data[0].ID
		}
		return s.delivery != ""
	})
	_, page := p.get("/", "")
	if s.asset = regexp.MustCompile(`assets/[^"]+`).FindString(page); s.asset == "" {
		p.t.Fatal("the page loads no assets")
	}
	return s
}

// newWebhook registers an endpoint that wants one kind of event.
func (s *stage) newWebhook(url, event string) string {
	s.t.Helper()
	response, body := s.do("POST", "/v1/webhooks", token(s.t, "backend", backendScope), fmt.Sprintf(`{"url":%q,"events":[%q]}`, url, event))
	var hook web.Webhook
	if err := json.Unmarshal([]byte(body), &hook); err != nil || response.StatusCode != http.StatusCreated {
		s.t.Fatalf("registering a webhook: %d %s", response.StatusCode, body)
	}
	return hook.ID
}

// cell is an actor who asks for something.
type cell struct {
	right
	t       *testing.T
	stage   *stage
	actor   actor
	user    string
	own     string // the room that the actor's grant names
	another string
	target  string // upon whom is acted, or to whom something is said
	offset  int64  // of a line of chat
}

var cells atomic.Int64

func newCell(t *testing.T, s *stage, r right, a actor) *cell {
	n := cells.Add(1)
	c := &cell{right: r, t: t, stage: s, actor: a, user: fmt.Sprintf("user%d", n), target: fmt.Sprintf("troll%d", n)}
	c.own, c.another = fmt.Sprintf("room%d-a", n), fmt.Sprintf("other%d", n)
	return c
}

// place is the room that it is about.
func (c *cell) place() string {
	switch c.room {
	case "own":
		return c.own
	case "another":
		return c.another
	}
	return c.room
}

// prepare sees to it that there is what the variant is about.
func (c *cell) prepare() {
	c.t.Helper()
	last := c.variant[strings.LastIndex(c.variant, " ")+1:]
	switch {
	case last == "self":
		c.target = c.user
	case last == "address":
		c.target = "203.0.113." + strconv.Itoa(len(c.user)) // RFC 5737: nobody's
	case last == "streamer" && c.how == "streamer": // which the actor is
		c.target = rooms.ToStreamer
	case last == "streamer":
		c.host()
	case c.what == "signal":
		c.target = c.neighbour(c.target, auth.Role(c.variant)).Welcome.Connection
	case c.variant == "delete" || strings.Contains(c.what, "{offset}"):
		c.offset = c.line()
	}
}

// neighbour is somebody else who is in the room.
func (c *cell) neighbour(user string, role auth.Role) *client {
	c.t.Helper()
	p := &process{t: c.t, addr: c.stage.addr} // whose failures are this test's
	n := p.dial(user, func(cfg *signalling.ClientConfig) { cfg.Token = token(c.t, user, admin) })
	if err := n.tryJoin(c.place(), role); err != nil {
		c.t.Fatalf("%s joins: %v", user, err)
	}
	return n
}

// host makes the target the room's streamer. The directory, which is asked who that is, follows by itself.
func (c *cell) host() {
	c.t.Helper()
	c.neighbour(c.target, auth.RoleStreamer)
	backend := token(c.t, "backend", backendScope)
	c.stage.eventually("the room has a streamer", 20*time.Second, func() bool {
		_, body := c.stage.get("/v1/rooms/"+c.place(), backend)
		return strings.Contains(body, `"state":"`+string(presence.StateOnline)+`"`)
	})
	if c.what == "signal" {
		c.target = rooms.ToStreamer
	}
}

// line returns the offset of a line of chat.
func (c *cell) line() int64 {
	c.t.Helper()
	_, body := c.stage.do("POST", "/v1/rooms/"+c.place()+"/events", token(c.t, "backend", backendScope), `{"event":"chat","data":{"text":"spam"}}`)
	var at rooms.Position
	if err := json.Unmarshal([]byte(body), &at); err != nil || at.Offset == 0 {
		c.t.Fatalf("a line of chat: %s", body)
	}
	return at.Offset
}

// send says the message over a socket of the actor's, and returns how it was answered.
func (c *cell) send() string {
	c.t.Helper()
	s := c.open()
	defer s.close()
	if answer := c.arrive(s); answer != "ok" || c.what == "hello" && c.variant == "-" {
		return answer
	}
	if c.actor.name != noToken && c.how != "-" {
		c.prepare()
		c.join(s)
	}
	return s.say(c.what, c.fields())
}

// join joins the room as the line says, if the actor can.
func (c *cell) join(s *seat) {
	c.t.Helper()
	role, was := strings.CutPrefix(c.how, "was ")
	want := func(what, answer string, may ...string) {
		if !slices.Contains(append(may, "ok"), answer) {
			c.t.Fatalf("%s: %s is answered %s", c.actor.name, what, answer)
		}
	}
	answer := s.say("join", map[string]any{"room": c.place(), "role": role})
	if was {
		want("join", answer)
	} else {
		want("join", answer, string(rooms.CodeForbidden))
	}
	if role == string(auth.RoleStreamer) && answer == "ok" && (c.what == "live.update" || c.what == "live.end") {
		want("live.start", s.say("live.start", map[string]any{"room": c.place()}))
	}
	if was {
		want("refresh", s.say("refresh", map[string]any{"token": c.token()}))
	}
}

// arrive says hello, unless the actor has no token to do so with.
func (c *cell) arrive(s *seat) string {
	token := c.token()
	switch {
	case c.actor.name == noToken && c.what != "hello":
		return "ok"
	case c.actor.name != badToken && strings.HasPrefix(c.how, "was "):
		token = c.anything()
	}
	return s.say("hello", map[string]any{"token": token})
}

// token is the actor's.
func (c *cell) token() string {
	if c.actor.name == noToken {
		return ""
	}
	return c.actor.token(c.t, c.user, c.own)
}

// anything is a token of the actor's user with which any room may be joined.
func (c *cell) anything() string {
	return token(c.t, c.user, func(claims *auth.Claims) {
		claims.Grants = []auth.Grant{{Room: "*", Role: auth.RoleStreamer}, {Room: "*", Role: auth.RoleModerator}}
	})
}

// fields are those of the message.
func (c *cell) fields() map[string]any {
	fields := map[string]any{"room": c.place()}
	switch c.what {
	case "hello":
		return map[string]any{"token": c.token()}
	case "refresh":
		good, other := actor{name: "plain"}, actor{name: badToken}
		return map[string]any{"token": map[string]string{
			"own":     good.token(c.t, c.user, c.own),
			"another": good.token(c.t, c.target, c.own),
			"refused": other.token(c.t, c.user, c.own),
		}[c.variant]}
	case "join":
		fields["role"] = c.variant
	case "live.update":
		fields["title"] = "Etchings"
	case "publish":
		fields["event"], fields["data"] = c.variant, publications[c.variant]
	case "signal":
		fields["to"], fields["session"], fields["kind"] = c.target, "s1", rooms.SignalRequest
	case "moderate":
		fields["action"], _, _ = strings.Cut(c.variant, " ")
		switch fields["action"] {
		case "delete":
			fields["offset"] = c.offset
		case "slow":
			fields["seconds"] = 1
		default:
			fields["user"] = c.target
		}
	}
	return fields
}

// publications are the data of what is published.
var publications = map[string]any{
	"chat":     map[string]any{"text": "Hello!"},
	"reaction": map[string]any{"kind": "heart"},
	"x.poll":   1,
}

// seat is a socket whose messages are written as they come, good or bad.
type seat struct {
	t    *testing.T
	conn *websocket.Conn
	said int
}

func (c *cell) open() *seat {
	c.t.Helper()
	conn, _, err := websocket.Dial(within(c.t, 20*time.Second), "ws://"+c.stage.addr+"/v1/ws", nil)
	if err != nil {
		c.t.Fatalf("%s for %s: %v", c.right, c.actor.name, err)
	}
	conn.SetReadLimit(-1)
	return &seat{t: c.t, conn: conn}
}

func (s *seat) close() { _ = s.conn.CloseNow() }

// say sends a message and returns "ok" if it was done, and otherwise the code of the error or of the close.
func (s *seat) say(kind string, fields map[string]any) string {
	s.t.Helper()
	s.said++
	message := map[string]any{"type": kind, "id": strconv.Itoa(s.said)}
	for name, value := range fields {
		message[name] = value
	}
	raw, err := json.Marshal(message)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx := within(s.t, 20*time.Second)
	_ = s.conn.Write(ctx, websocket.MessageText, raw) // if it fails, reading says why
	for {
		_, frame, err := s.conn.Read(ctx)
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return strconv.Itoa(int(closed.Code))
		}
		if err != nil {
			s.t.Fatalf("%s is not answered: %v", raw, err)
		}
		for line := range strings.SplitSeq(string(frame), "\n") {
			var reply struct {
				Type, Re, Code string
			}
			if json.Unmarshal([]byte(line), &reply) != nil || reply.Re != message["id"] {
				continue
			}
			if reply.Type == "error" {
				return reply.Code
			}
			return "ok"
		}
	}
}

// request asks the HTTP API in the actor's name, and returns the status.
func (c *cell) request() string {
	c.t.Helper()
	c.prepare()
	method, route, _ := strings.Cut(c.what, " ")
	request, err := http.NewRequestWithContext(within(c.t, 20*time.Second), method, "http://"+c.stage.addr+c.path(route), strings.NewReader(c.body()))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.actor.name != noToken {
		request.Header.Set("Authorization", "Bearer "+c.token())
	}
	if route == web.SocketPath { // RFC 6455 §4.1
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			request.Header.Set(name, value)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	c.wantProblem(response)
	return strconv.Itoa(response.StatusCode)
}

// path fills in what a route is about.
func (c *cell) path(route string) string {
	id := map[string]string{"self": c.user, "another": c.target}[c.room]
	switch {
	case strings.HasPrefix(route, "/v1/webhooks/"):
		id = c.stage.webhook
		if strings.HasPrefix(c.what, "DELETE") {
			id = c.stage.newWebhook("http://127.0.0.1:9/", "stream.reconnecting") // which is never told: nobody is lost here
		}
	case strings.HasPrefix(route, "/v1/broadcasts/"):
		id = c.stage.broadcast
	case strings.HasPrefix(route, "/v1/nodes/"):
		var health web.Health
		_, body := c.stage.get("/healthz", "")
		if err := json.Unmarshal([]byte(body), &health); err != nil {
			c.t.Fatal(err)
		}
		id = health.Node
	}
	target := c.target
	if c.variant == "address" {
		target = "ip:" + target
	}
	return strings.NewReplacer("{room}", c.place(), "{id}", id, "{user}", target, "{target}", target, "{offset}", strconv.FormatInt(c.offset, 10),
		"{delivery}", c.stage.delivery, "{revocation}", "sub:"+target, "assets/{file}", c.stage.asset).Replace(route)
}

// body is what a request carries, if it has to.
func (c *cell) body() string {
	var body any
	switch strings.Replace(c.what, "/v1/rooms/{room}", "…", 1) {
	case "POST /v1/streamers/query":
		body = map[string]any{"ids": []string{c.user}}
	case "POST …/events":
		body = map[string]any{"event": c.variant, "data": publications[c.variant]}
	case "POST …/kick", "POST …/mute":
		body = map[string]any{"user": c.target}
	case "POST …/bans":
		body = map[string]any{map[bool]string{true: "ip", false: "user"}[c.variant == "address"]: c.target}
	case "PUT …/settings":
		body = map[string]any{"slow_seconds": 1}
	case "POST /v1/revocations":
		body = map[string]any{"sub": c.target}
	case "POST /v1/webhooks":
		body = map[string]any{"url": "http://127.0.0.1:9/", "events": []string{"stream.reconnecting"}}
	case "POST /v1/webhooks/{id}/replay":
		body = map[string]any{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
	default:
		return ""
	}
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(raw)
}

// wantProblem checks that a refusal has the code that belongs to its status.
func (c *cell) wantProblem(response *http.Response) {
	c.t.Helper()
	code := map[int]rooms.Code{
		http.StatusBadRequest: rooms.CodeBadRequest, http.StatusUnauthorized: rooms.CodeUnauthorized, http.StatusForbidden: rooms.CodeForbidden,
		http.StatusNotFound: rooms.CodeNotFound, http.StatusConflict: rooms.CodeConflict,
	}[response.StatusCode]
	if response.StatusCode < http.StatusBadRequest {
		return
	}
	var p web.Problem
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil || p.Code != code {
		c.t.Errorf("%s: %d has code %q (%v), want %q", c.actor.name, response.StatusCode, p.Code, err, code)
	}
}
