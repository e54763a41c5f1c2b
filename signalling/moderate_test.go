package signalling

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// onModeratedNode is onNode with a database of bans.
func onModeratedNode(t *testing.T, test func(t *testing.T, n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db, dialect, err := migrations.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := migrations.Up(t.Context(), db, dialect); err != nil {
			t.Fatal(err)
		}
		book := moderation.NewBook(&moderation.Store{DB: db}, slog.New(slog.DiscardHandler))
		n := startNode(t, nil, func(c *rooms.Config) { c.Book = book })
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { book.Run(ctx) })
		t.Cleanup(func() { cancel(); running.Wait() })
		synctest.Wait()
		test(t, n)
	})
}

// moderator connects somebody who may moderate alice's room, and joins it.
func (n *node) moderator(user string) *actor {
	n.t.Helper()
	a := n.connect(user, func(c *ClientConfig) {
		c.Token = n.token(auth.Claims{User: user, Grants: []auth.Grant{{Room: "alice", Role: auth.RoleModerator}}})
	})
	a.join(auth.RoleModerator)
	return a
}

func (a *actor) moderate(m Moderate) error {
	m.Room = a.room
	return a.Moderate(context.Background(), m)
}

// wantReason checks what the server said as it closed the connection.
func (a *actor) wantReason(want string) {
	a.t.Helper()
	var closed websocket.CloseError
	if !errors.As(a.Err(), &closed) || closed.Reason != want {
		a.t.Errorf("closed because of %v, want %q", a.Err(), want)
	}
}

func wantCode(t *testing.T, what string, err error, code Code, mention string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, mention) {
		t.Errorf("%s: %v, want %s and %q", what, err, code, mention)
		return &Error{}
	}
	return e
}

func TestBanClosesAndRefuses(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		mod := n.moderator("mod")
		bob, carol := n.connect("bob"), n.connect("carol")
		bob.join(auth.RoleViewer)
		carol.join(auth.RoleViewer)
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		if err := mod.moderate(Moderate{Action: moderation.Ban, User: "bob", Seconds: new(int64(3600)), Reason: "spam"}); err != nil {
			t.Fatal(err)
		}
		bob.wantClosed(4412, time.Second)
		bob.wantReason("banned until " + until + ": spam")
		carol.wait(rooms.EventMemberBanned, time.Second)
		back := n.connect("bob") // to other rooms they may come
		_, err := back.Join(context.Background(), Join{Room: "alice"})
		wantCode(t, "join", err, CodeForbidden, "you are banned until "+until+": spam")
		if _, err := back.Join(context.Background(), Join{Room: "bob", Role: auth.RoleStreamer}); err != nil {
			t.Error(err)
		}
		if err := mod.moderate(Moderate{Action: moderation.Unban, User: "bob"}); err != nil {
			t.Fatal(err)
		}
		back.join(auth.RoleViewer)
	})
}

func TestBanFromTheService(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		bob := n.connect("bob")
		backend := &auth.Identity{User: "backend", Scopes: []auth.Scope{auth.ScopeService}}
		if _, err := n.hub.Moderate(t.Context(), backend, moderation.Act{Action: moderation.Ban, Room: moderation.Everywhere, Target: "bob"}); err != nil {
			t.Fatal(err)
		}
		bob.wantClosed(4412, time.Second)
		_, err := n.tryConnect("bob", func(c *ClientConfig) { c.InHeader = true })
		if err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("a handshake with a token: %v, want 403", err)
		}
		_, err = n.tryConnect("bob")
		if got := websocket.CloseStatus(err); got != 4412 {
			t.Errorf("after hello: %v, want 4412", err)
		}
		n.connect("carol")
	})
}

// Who is put out of one room has only lost the connection to the others.
func TestKickEndsOneBroadcast(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		both := n.connect("alice", func(c *ClientConfig) {
			c.Token = n.token(auth.Claims{User: "alice", Grants: []auth.Grant{{Room: "*", Role: auth.RoleStreamer}}})
		})
		for _, both.room = range []string{"attic", "alice"} {
			both.golive()
		}
		synctest.Wait()
		backend := &auth.Identity{User: "backend", Scopes: []auth.Scope{auth.ScopeService}}
		if _, err := n.hub.Moderate(t.Context(), backend, moderation.Act{Action: moderation.Kick, Room: "alice", Target: "alice"}); err != nil {
			t.Fatal(err)
		}
		both.wantClosed(4411, time.Second)
		both.wantReason("kicked")
		synctest.Wait()
		for room, want := range map[string]presence.State{"alice": presence.StateOffline, "attic": presence.StateReconnecting} {
			if l, _ := n.store.Get(t.Context(), room); l.State != want {
				t.Errorf("room %s is %s, want %s", room, l.State, want)
			}
		}
	})
}

func TestMutedAndSlow(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		mod := n.moderator("mod")
		bob, twice := n.connect("bob"), n.connect("bob")
		bob.join(auth.RoleViewer)
		twice.join(auth.RoleViewer)
		say := func(a *actor) error { _, err := a.Chat(context.Background(), "alice", "hello"); return err }
		if err := mod.moderate(Moderate{Action: moderation.Slow, Seconds: new(int64(10))}); err != nil {
			t.Fatal(err)
		}
		if err := say(bob); err != nil {
			t.Error(err)
		}
		e := wantCode(t, "over another connection", say(twice), CodeRateLimited, "slow")
		if e.RetryAfter <= 9*time.Second || e.RetryAfter > 10*time.Second {
			t.Errorf("to be tried again in %s", e.RetryAfter)
		}
		for range 2 {
			if err := say(mod); err != nil {
				t.Errorf("a moderator has to wait: %v", err)
			}
		}
		if j, err := n.connect("carol").Join(context.Background(), Join{Room: "alice"}); err != nil || j.Slow != 10 {
			t.Errorf("joined with slow_seconds %d, %v", j.Slow, err)
		}
		time.Sleep(e.RetryAfter)
		if err := say(twice); err != nil {
			t.Error(err)
		}
		if err := mod.moderate(Moderate{Action: moderation.Mute, User: "bob", Reason: "caps"}); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "muted", say(bob), CodeForbidden, "you are muted: caps")
		_, err := bob.Publish(context.Background(), "alice", "x.shout", 1)
		wantCode(t, "muted", err, CodeForbidden, "muted")
		bob.wantOpen()
	})
}

func TestModerateNeedsFields(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		mod, bob := n.moderator("mod"), n.connect("bob")
		wantCode(t, "elsewhere", bob.moderate(Moderate{Action: moderation.Kick, User: "carol"}), CodeNotJoined, "join")
		bob.join(auth.RoleViewer)
		wantCode(t, "a viewer", bob.moderate(Moderate{Action: moderation.Kick, User: "carol"}), CodeForbidden, "grant")
		for name, test := range map[string]struct {
			m       Moderate
			mention string
		}{
			"no action":  {Moderate{User: "bob"}, "action must be"},
			"no user":    {Moderate{Action: moderation.Ban}, "ban needs a user"},
			"no offset":  {Moderate{Action: moderation.Delete}, "offset"},
			"no seconds": {Moderate{Action: moderation.Slow}, "slow needs seconds"},
			"negative":   {Moderate{Action: moderation.Ban, User: "bob", Seconds: new(int64(-1))}, "seconds"},
			"too long":   {Moderate{Action: moderation.Ban, User: "bob", Seconds: new(int64(1 << 40))}, "seconds"},
			"an address": {Moderate{Action: moderation.Ban, User: "ip:192.0.2.1/32"}, "user id"},
		} {
			wantCode(t, name, mod.moderate(test.m), CodeBadRequest, test.mention)
		}
		wantCode(t, "no line", mod.moderate(Moderate{Action: moderation.Delete, Offset: 7}), CodeNotFound, "7")
		at, err := bob.Chat(context.Background(), "alice", "secret")
		if err != nil {
			t.Fatal(err)
		}
		if err := mod.moderate(Moderate{Action: moderation.Delete, Offset: at.Offset}); err != nil {
			t.Error(err)
		}
		bob.wait(rooms.EventChatDeleted, time.Second)
		for range actsBurst + 1 {
			err = errors.Join(err, mod.moderate(Moderate{Action: moderation.Unban, User: "carol"}))
		}
		wantCode(t, "many", err, CodeRateLimited, "moderate")
	})
}

// A close reason has at most 123 bytes, is text, and says the end before anything that may be cut.
func TestCloseReasonIsCutWhole(t *testing.T) {
	e := rooms.Expulsion{Room: "alice", Why: presence.ReasonBanned, Term: moderation.Term{Until: 1769860800000, Reason: strings.Repeat("é", 200)}}
	for n := range 4 {
		e.Reason = strings.Repeat("x", n) + strings.Repeat("✏", 100)
		reason := causeOfExpulsion(e).reason
		if len(reason) > 123 || len(reason) < 120 || !utf8.ValidString(reason) || !strings.HasPrefix(reason, "banned until 2026-01-31T12:00:00Z: x"[:35+min(n, 1)]) {
			t.Errorf("%d bytes: %q", len(reason), reason)
		}
	}
}
