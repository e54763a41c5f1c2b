package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
	"github.com/tallylight/tallylight/signalling"
)

// inForceWithin is the promise: on every node, also for sockets that are open.
const inForceWithin = time.Second

func backendScope(c *auth.Claims) { c.Scopes = []auth.Scope{auth.ScopeService} }

// ask moderates over HTTP, and returns what was answered.
func (p *process) ask(method, path, body string, want int) string {
	p.t.Helper()
	response, answer := p.do(method, path, token(p.t, "backend", backendScope, admin), body)
	if response.StatusCode != want {
		p.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, response.StatusCode, answer, want)
	}
	return answer
}

// wantClosed waits until the server has closed a connection, and returns when that was.
func (c *client) wantClosed(code websocket.StatusCode, why string) time.Time {
	c.t.Helper()
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		c.t.Fatalf("not closed within 10 s, want %d", code)
	}
	at := time.Now()
	var closed websocket.CloseError
	if !errors.As(c.Err(), &closed) || closed.Code != code || !strings.HasPrefix(closed.Reason, why) {
		c.t.Errorf("closed with %v, want %d and %q", c.Err(), code, why)
	}
	return at
}

// guest connects a user and joins a room as viewer.
func (p *process) guest(user, room string) *client {
	p.t.Helper()
	c := p.dial(user)
	if err := c.tryJoin(room, auth.RoleViewer); err != nil {
		p.t.Fatalf("%s joins: %v", user, err)
	}
	return c
}

func (c *client) tryJoin(room string, role auth.Role) error {
	_, err := c.Join(within(c.t, 20*time.Second), signalling.Join{Room: room, Role: role})
	return err
}

// moderator connects somebody who may moderate a room, and joins it.
func (p *process) moderator(user, room string) *client {
	p.t.Helper()
	c := p.dial(user, func(c *signalling.ClientConfig) {
		c.Token = token(p.t, user, func(c *auth.Claims) { c.Grants = []auth.Grant{{Room: room, Role: auth.RoleModerator}} })
	})
	if err := c.tryJoin(room, auth.RoleModerator); err != nil {
		p.t.Fatalf("%s joins: %v", user, err)
	}
	return c
}

func (c *client) moderate(m signalling.Moderate) {
	c.t.Helper()
	if err := c.Moderate(within(c.t, 20*time.Second), m); err != nil {
		c.t.Fatalf("%s: %v", m.Action, err)
	}
}

// wantRefused checks that a user is let into a room by no node.
func (s *service) wantRefused(when, user, room string) {
	s.t.Helper()
	for i, p := range s.nodes {
		for _, role := range []auth.Role{auth.RoleViewer, auth.RoleStreamer} {
			c := p.dial(user, func(c *signalling.ClientConfig) {
				c.Token = token(s.t, user, func(c *auth.Claims) { c.Grants = []auth.Grant{{Room: "*", Role: auth.RoleStreamer}} })
			})
			if err := c.tryJoin(room, role); codeOf(err) != signalling.CodeForbidden || !strings.Contains(err.Error(), "banned") {
				s.t.Errorf("%s, %s joins as %s on node %d: %v, want to be forbidden", when, user, role, i+1, err)
			}
			c.Abort()
		}
	}
}

// restart ends all nodes and starts them anew.
func (s *service) restart() {
	s.t.Helper()
	for _, p := range s.nodes {
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
	for i := range s.nodes {
		s.nodes[i] = start(s.t, append(slices.Clone(s.flags), "--node", fmt.Sprint("n", i+1))...)
	}
	for _, p := range s.nodes {
		p.eventually("it is ready", 20*time.Second, func() bool { r, _ := p.get("/readyz", ""); return r.StatusCode == 200 })
	}
}

func TestModerationOnPostgres(t *testing.T) {
	t.Parallel()
	testModeration(t, startService(t, 2, "--database", testserver.Postgres(t)))
}

func TestModerationOnSQLite(t *testing.T) {
	t.Parallel()
	testModeration(t, startService(t, 2)) // which share a file
}

// testModeration tells the story of a moderator on one node and of those who are on another.
func testModeration(t *testing.T, s *service) {
	took := delays{}
	n1, n2 := s.nodes[0], s.nodes[1]
	mod := n1.moderator("mod", "alice")
	carol := n2.watch("carol", "alice")

	for i := range 5 {
		eve := fmt.Sprint("eve-", i)
		open := n2.guest(eve, "alice")
		began := time.Now()
		mod.moderate(signalling.Moderate{Room: "alice", Action: moderation.Ban, User: eve, Reason: "spam"})
		took.add("ban, reply", time.Since(began))
		took.add("ban, socket on the other", open.wantClosed(4412, "banned: spam").Sub(began))
	}
	carol.await(rooms.EventMemberBanned, 5)
	s.wantRefused("just banned", "eve-0", "alice")

	open := n2.guest("frank", "alice")
	began := time.Now()
	mod.moderate(signalling.Moderate{Room: "alice", Action: moderation.Kick, User: "frank"})
	took.add("kick, socket on the other", open.wantClosed(4411, "kicked").Sub(began))
	frank := n2.guest("frank", "alice")

	began = time.Now()
	mod.moderate(signalling.Moderate{Room: "alice", Action: moderation.Mute, User: "frank", Seconds: new(int64(3600))})
	carol.await(rooms.EventMemberMuted, 1)
	took.add("mute, told on the other", time.Since(began))
	n2.eventually("frank may not speak any more", inForceWithin, func() bool {
		_, err := frank.Chat(within(t, 10*time.Second), "alice", "hello")
		return codeOf(err) == signalling.CodeForbidden && strings.Contains(err.Error(), "muted until")
	})
	mod.moderate(signalling.Moderate{Room: "alice", Action: moderation.Unmute, User: "frank"})
	n2.eventually("frank may speak again", inForceWithin, func() bool {
		_, err := frank.Chat(within(t, 10*time.Second), "alice", "hello")
		return err == nil
	})

	// A line that is deleted is gone for all who come, on any node, and for those who come back.
	line, err := frank.Chat(within(t, 10*time.Second), "alice", "a secret")
	if err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	mod.moderate(signalling.Moderate{Room: "alice", Action: moderation.Delete, Offset: line.Offset})
	carol.await(rooms.EventChatDeleted, 1)
	took.add("delete, told on the other", time.Since(began))
	mod.waitEvent(t, rooms.EventChatDeleted)
	for _, p := range s.nodes {
		for _, since := range []*rooms.Position{nil, {Epoch: line.Epoch, Offset: line.Offset - 1}} {
			joined, err := p.dial("grace").Join(within(t, 10*time.Second), signalling.Join{Room: "alice", Since: since})
			all := fmt.Sprintf("%s %s", joined.Chat, joined.Events)
			if err != nil || strings.Contains(all, "secret") || joined.Recovered != (since != nil) || since != nil && !strings.Contains(all, `"deleted":true`) {
				t.Errorf("after the line was deleted, since %v: %v, recovered %v with %s", since, err, joined.Recovered, all)
			}
		}
	}

	mod.moderate(signalling.Moderate{Room: "alice", Action: moderation.Slow, Seconds: new(int64(3600))})
	carol.await(rooms.EventRoomUpdated, 1)
	time.Sleep(inForceWithin)
	twice := []*client{n1.guest("heidi", "alice"), n2.guest("heidi", "alice")}
	if _, err := twice[0].Chat(within(t, 10*time.Second), "alice", "first"); err != nil {
		t.Errorf("the first line where chat is slow: %v", err)
	}
	_, err = twice[1].Chat(within(t, 10*time.Second), "alice", "second")
	var soon *signalling.Error
	if !errors.As(err, &soon) || soon.Code != signalling.CodeRateLimited || soon.RetryAfter < 59*time.Minute {
		t.Errorf("the second line, on the other node: %v", err)
	}

	// Everywhere, and by address.
	mallory := n2.guest("mallory", "elsewhere")
	idle := n2.dial("mallory")
	began = time.Now()
	n1.ask("POST", "/v1/rooms/*/bans", `{"user":"mallory"}`, http.StatusCreated)
	took.add("ban everywhere, on the other", mallory.wantClosed(4412, "banned").Sub(began))
	idle.wantClosed(4412, "banned")
	for _, p := range s.nodes {
		if _, err := p.tryDial("mallory"); websocket.CloseStatus(err) != 4412 {
			t.Errorf("hello of who is banned: %v", err)
		}
		if _, err := p.tryDial("mallory", func(c *signalling.ClientConfig) { c.InHeader = true }); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("the handshake of who is banned: %v", err)
		}
		if r, body := p.get("/v1/validate", token(t, "mallory")); r.StatusCode != http.StatusForbidden || !strings.Contains(body, "banned") {
			t.Errorf("/v1/validate of who is banned: %d %s", r.StatusCode, body)
		}
	}
	there := n2.guest("ivan", "attic")
	n1.ask("POST", "/v1/rooms/attic/bans", `{"ip":"127.0.0.1"}`, http.StatusCreated)
	there.wantClosed(4412, "banned")
	s.wantRefused("from an address", "judy", "attic")
	n1.ask("DELETE", "/v1/rooms/attic/bans/ip:127.0.0.1", "", http.StatusNoContent)
	judy := n2.dial("judy")
	n2.eventually("judy is let in", inForceWithin, func() bool { return judy.tryJoin("attic", auth.RoleViewer) == nil })

	// Who ends by themselves does so on all nodes, and what does not survives a restart of them all.
	until := time.Now().Add(10 * time.Second).UTC().Truncate(time.Second).Add(time.Second)
	n1.ask("POST", "/v1/rooms/alice/bans", `{"user":"kim","expires_at":"`+until.Format(time.RFC3339)+`"}`, http.StatusCreated)
	s.wantRefused("for a moment", "kim", "alice")
	s.restart()
	s.wantRefused("after a restart", "eve-0", "alice")
	time.Sleep(time.Until(until))
	for _, p := range s.nodes {
		p.guest("kim", "alice")
	}

	var audit struct {
		Data []struct{ Actor, Action, Room, Target, Reason string }
	}
	if err := json.Unmarshal([]byte(s.nodes[1].ask("GET", "/v1/audit?room=alice&first=100", "", http.StatusOK)), &audit); err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, a := range slices.Backward(audit.Data) {
		acts = append(acts, strings.TrimSpace(fmt.Sprint(a.Actor, " ", a.Action, " ", a.Target, " ", a.Reason)))
	}
	want := []string{
		"mod ban eve-0 spam", "mod ban eve-1 spam", "mod ban eve-2 spam", "mod ban eve-3 spam", "mod ban eve-4 spam", "mod kick frank",
		"mod mute frank", "mod unmute frank", "mod delete frank", "mod slow", "backend ban kim",
	}
	if !slices.Equal(acts, want) {
		t.Errorf("the audit has %q, want %q", acts, want)
	}
	for what := range took {
		if worst := took.quantile(what, 1); worst > inForceWithin {
			t.Errorf("%s took %s", what, worst)
		}
	}
	t.Logf("\n%s", took.table())
}

// TestBannedStreamer bans and kicks streamers who are live on another node, waited for, or whose node has just died. Their
// broadcast ends once, with the reason for it, and not before anybody who watches hears of it.
func TestBannedStreamer(t *testing.T) {
	t.Parallel()
	s := startService(t, 3)
	n1, n2 := s.nodes[0], s.nodes[1]
	took := delays{}
	for _, test := range []struct {
		name   string
		path   string
		why    presence.Reason
		status int
	}{
		{"ban", "bans", presence.ReasonBanned, http.StatusCreated}, {"kick", "kick", presence.ReasonKicked, http.StatusNoContent},
	} {
		for _, state := range []string{"live", "waited for", "node died"} {
			user := strings.ReplaceAll(test.name+"-"+state, " ", "-")
			viewers := []*viewer{n1.watch("carol", user), n2.watch("dave", user)}
			host := n2
			if state == "node died" {
				host = start(t, append(slices.Clone(s.flags), "--node", "doomed-"+test.name)...)
			}
			streamer := host.golive(user)
			want := map[string]int{"streamer.online": 1, "live.started": 1, "live.ended": 1, "streamer.offline": 1}
			viewers[0].await("live.started", 1)
			switch state {
			case "waited for":
				streamer.Abort()
				viewers[0].await("live.reconnecting", 1)
				want["live.reconnecting"] = 1
			case "node died":
				host.signal(syscall.SIGKILL)
				<-host.exited
			}
			began := time.Now()
			n1.ask("POST", "/v1/rooms/"+user+"/"+test.path, `{"user":"`+user+`"}`, test.status)
			if test.name == "ban" {
				want[rooms.EventMemberBanned] = 1
			}
			for _, v := range viewers {
				ended := v.await("live.ended", 1)
				took.add(test.name+", "+state, ended.at.Sub(began))
				if ended.Reason != test.why {
					t.Errorf("%s of who is %s: ended with %s, want %s", test.name, state, ended.Reason, test.why)
				}
				v.await("streamer.offline", 1)
				if test.name == "ban" {
					v.await(rooms.EventMemberBanned, 1)
				}
			}
			if state == "live" {
				streamer.wantClosed(map[string]websocket.StatusCode{"ban": 4412, "kick": 4411}[test.name], "")
			}
			time.Sleep(300 * time.Millisecond) // for whatever should not come
			for _, v := range viewers {
				for event := range want {
					v.await(event, want[event])
				}
				v.wantEach(want)
			}
		}
	}
	t.Logf("until live.ended is told:\n%s", took.table())
}

// TestModerationWithoutMessages bans somebody while no message passes between the nodes: because they do not hear each other
// at all, then because Redis is away, and then after it has lost all it knew. The database is enough.
func TestModerationWithoutMessages(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "shared.db")
	deaf := []*service{startService(t, 1, "--database", database), startService(t, 1, "--database", database)}
	took := delays{}
	for i := range 5 {
		eve := fmt.Sprint("eve-", i)
		open := deaf[1].nodes[0].guest(eve, "alice")
		began := time.Now()
		deaf[0].nodes[0].ask("POST", "/v1/rooms/alice/bans", `{"user":"`+eve+`"}`, http.StatusCreated)
		took.add("ban, no message", open.wantClosed(4412, "banned").Sub(began))
	}

	server := testserver.OwnRedis(t, "--save", "")
	s := startServiceOn(t, server.URL, 2, "--database", database)
	open := s.nodes[1].guest("mallory", "alice")
	server.Stop()
	began := time.Now()
	s.nodes[0].ask("POST", "/v1/rooms/alice/bans", `{"user":"mallory"}`, http.StatusCreated)
	took.add("ban, Redis away", open.wantClosed(4412, "banned").Sub(began))
	server.Start() // with nothing
	for _, p := range s.nodes {
		p.eventually("it is ready again", 30*time.Second, func() bool { r, _ := p.get("/readyz", ""); return r.StatusCode == http.StatusOK })
	}
	s.wantRefused("Redis has lost everything", "mallory", "alice")
	s.wantRefused("Redis has lost everything", "eve-0", "alice")
	for what := range took {
		if worst := took.quantile(what, 1); worst > inForceWithin {
			t.Errorf("%s took %s", what, worst)
		}
	}
	t.Logf("\n%s", took.table())
}
