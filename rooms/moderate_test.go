package rooms

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

var (
	mod     = &auth.Identity{User: "mod", Grants: []auth.Grant{{Room: studio, Role: auth.RoleModerator}}}
	backend = &auth.Identity{User: "backend", Scopes: []auth.Scope{auth.ScopeService}}
)

// openBook returns a book over an empty database.
func openBook(t testing.TB) *moderation.Book {
	t.Helper()
	db, dialect, err := migrations.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := migrations.Up(t.Context(), db, dialect); err != nil {
		t.Fatal(err)
	}
	return moderation.NewBook(&moderation.Store{DB: db}, quiet)
}

func with(b *moderation.Book) func(*Config) { return func(c *Config) { c.Book = b } }

// moderated runs a test on a node with moderators, in a bubble.
func moderated(t *testing.T, test func(t *testing.T, h *house), change ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		b := openBook(t)
		h := running(t, append(change, with(b))...)
		h.run(b.Run)
		synctest.Wait()
		test(t, h)
	})
}

// run starts what ends with the test.
func (h *house) run(do func(context.Context)) {
	t := h.t.(*testing.T)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); do(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (h *house) moderate(by *auth.Identity, a moderation.Act) {
	h.t.Helper()
	if a.Room == "" {
		a.Room = studio
	}
	if _, err := h.hub.Moderate(h.t.Context(), by, a); err != nil {
		h.t.Fatalf("%s by %s: %v", a.Action, by.User, err)
	}
}

func (c *client) wantExpelled(want ...string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.expelled, want) {
		c.t.Errorf("%s was put out %q, want %q", c.id, c.expelled, want)
	}
}

// wantEvents is wantTold without the numbers of viewers, which come when they like.
func (c *client) wantEvents(want ...string) {
	c.t.Helper()
	got := slices.DeleteFunc(c.told(), func(m string) bool { return strings.HasPrefix(m, "viewers=") })
	if !slices.Equal(got, want) {
		c.t.Errorf("%s was told %q, want %q", c.id, got, want)
	}
}

// wantRefused checks a *Refusal.
func wantRefused(t testing.TB, what string, err error, code Code, mention string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != code || !strings.Contains(r.Message, mention) {
		t.Errorf("%s: %v, want %s and %q", what, err, code, mention)
	}
}

// data returns what the client's last event of a name said.
func (c *client) data(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.got) {
		if e, ok := m.(EventMessage); ok && e.Event == name {
			return string(e.Data)
		}
	}
	return ""
}

func TestBan(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b := h.viewer(bob, "n1-b")
		twice := h.viewer(bob, "n1-b2")
		c := h.viewer(carol, "n1-c")
		away := h.connect(bob, "n1-b3")
		away.join(Join{Room: "attic"})
		until := presence.MillisOf(time.Now().Add(time.Hour))
		h.moderate(mod, moderation.Act{Action: moderation.Ban, Target: "bob", Reason: "spam", Until: until})
		want := "studio: banned until " + until.Time().Format(time.RFC3339) + ": spam"
		b.wantExpelled(want)
		twice.wantExpelled(want)
		c.wantExpelled()
		away.wantExpelled()
		synctest.Wait()
		c.wantEvents("member.banned@1")
		if got, want := c.data("member.banned"), fmt.Sprintf(`{"user":{"id":"bob"},"until":%d,"reason":"spam"}`, until); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		for _, role := range []auth.Role{auth.RoleViewer, auth.RoleStreamer} {
			wantRefused(t, string(role), h.connect(bob, "n1-again").ask(Join{Role: role}), CodeForbidden, "spam")
		}
		if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
			t.Errorf("refused, and yet holds the lease: %+v", l)
		}
		pass(time.Hour)
		h.viewer(bob, "n1-b4")

		h.moderate(mod, moderation.Act{Action: moderation.Ban, Target: "bob"})
		h.moderate(mod, moderation.Act{Action: moderation.Unban, Target: "bob"})
		h.moderate(mod, moderation.Act{Action: moderation.Unban, Target: "bob"})
		h.viewer(bob, "n1-b5")
	})
}

func TestBanEverywhere(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b, idle := h.viewer(bob, "n1-b"), h.connect(bob, "n1-idle")
		c := h.viewer(carol, "n1-c")
		nobody := h.connect(presence.User{}, "n1-nobody") // who has not said hello
		h.moderate(backend, moderation.Act{Action: moderation.Ban, Room: moderation.Everywhere, Target: "bob"})
		b.wantExpelled("*: banned")
		idle.wantExpelled("*: banned")
		synctest.Wait()
		c.wantEvents()
		nobody.wantExpelled()
		wantRefused(t, "at the door", h.hub.Admits(moderation.Everywhere, "bob", netip.Addr{}), CodeForbidden, "banned")
		wantRefused(t, "elsewhere", h.connect(bob, "n1-b2").ask(Join{Room: "attic"}), CodeForbidden, "banned")
		nobody.user = bob // who says so now, just after that ban
		h.hub.Recheck(nobody)
		nobody.wantExpelled("*: banned")
	})
}

func TestBanOfAnAddress(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b, c, d := h.connect(bob, "n1-b"), h.connect(carol, "n1-c"), h.connect(alice, "n1-a")
		b.addr, c.addr, d.addr = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:1::1")
		for _, c := range []*client{b, c, d} {
			c.join(Join{})
		}
		target := moderation.TargetOf(b.addr)
		h.moderate(backend, moderation.Act{Action: moderation.Ban, Target: target})
		b.wantExpelled("studio: banned")
		c.wantExpelled("studio: banned")
		d.wantExpelled()
		synctest.Wait()
		if got := d.data("member.banned"); got != "" {
			t.Errorf("the room was told of an address: %s", got)
		}
		wantRefused(t, "from there", h.hub.Admits(studio, "dave", c.addr), CodeForbidden, "banned")
	})
}

func TestKick(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b, c := h.viewer(bob, "n1-b"), h.viewer(carol, "n1-c")
		h.moderate(mod, moderation.Act{Action: moderation.Kick, Target: "bob", Reason: "calm down"})
		b.wantExpelled("studio: kicked: calm down")
		c.wantExpelled()
		again := h.viewer(bob, "n1-b2")
		until := presence.MillisOf(time.Now().Add(time.Minute))
		h.moderate(mod, moderation.Act{Action: moderation.Kick, Target: "bob", Until: until})
		again.wantExpelled("studio: kicked until " + until.Time().Format(time.RFC3339))
		wantRefused(t, "a minute", h.connect(bob, "n1-b3").ask(Join{}), CodeForbidden, "until")
		pass(time.Minute)
		h.viewer(bob, "n1-b4")
	})
}

// A node that hears late of a kick does not put out who has come back since.
func TestKickHeardLate(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b := h.viewer(bob, "n1-b")
		h.hub.acted(moderation.Act{At: presence.MillisOf(time.Now().Add(-kickedLately)), Action: moderation.Kick, Room: studio, Target: "bob"})
		b.wantExpelled()
		h.hub.acted(moderation.Act{At: presence.MillisOf(time.Now()), Action: moderation.Kick, Room: studio, Target: "bob"})
		b.wantExpelled("studio: kicked")
	})
}

// The broadcast of who is put out is over at once, whether their socket is here, or on a node that is gone, or they are
// waited for. It ends once.
func TestStreamerIsPutOut(t *testing.T) {
	for _, action := range []moderation.Action{moderation.Ban, moderation.Kick} {
		for _, room := range []string{studio, moderation.Everywhere} {
			for name, before := range map[string]func(h *house, a *client){
				"elsewhere": func(*house, *client) {}, // whoever holds it is not told by us
				"waited for": func(h *house, a *client) {
					a.leave(presence.ReasonConnectionLost)
				},
				"here": func(h *house, a *client) {
					a.onExpelled = func(e Expulsion) { go a.leave(e.Why) }
				},
			} {
				t.Run(fmt.Sprintf("%s %s %s", action, room, name), func(t *testing.T) {
					moderated(t, func(t *testing.T, h *house) {
						c := h.viewer(carol, "n1-c")
						a := h.streamer(alice, "n1-a")
						a.start()
						before(h, a)
						synctest.Wait()
						c.news()
						h.moderate(backend, moderation.Act{Action: action, Room: room, Target: "alice"})
						pass(2 * presence.DefaultWindow)
						var ended []presence.Reason
						for _, m := range c.news() {
							if e, ok := m.(EventMessage); ok && e.Event == "live.ended" {
								ended = append(ended, decode[BroadcastData](t, e.Data).Reason)
							}
						}
						why := map[moderation.Action]presence.Reason{moderation.Ban: presence.ReasonBanned, moderation.Kick: presence.ReasonKicked}[action]
						if !slices.Equal(ended, []presence.Reason{why}) {
							t.Errorf("the broadcast ended with %q, want once with %s", ended, why)
						}
						if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
							t.Errorf("the room is still %s", l.State)
						}
					})
				})
			}
		}
	}
}

// What somebody claims after a kick is theirs, however late the rest of it is carried out.
func TestKickedStreamerComesBack(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		old := h.streamer(alice, "n1-a")
		old.start()
		synctest.Wait()
		a := moderation.Act{At: presence.MillisOf(time.Now()), Action: moderation.Kick, Room: studio, Target: "alice"}
		a.Holds = h.hub.holdsOf(studio, "alice")
		if len(a.Holds) != 1 {
			t.Fatalf("alice holds %+v", a.Holds)
		}
		old.leave(presence.ReasonKicked)
		back := h.streamer(alice, "n1-a2")
		back.start()
		h.hub.followUp(a)
		synctest.Wait()
		if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateLive {
			t.Errorf("back after a kick, and %s", l.State)
		}
	})
}

// slowStore lets something happen after a join was let in, and before it is done.
type slowStore struct {
	presence.Store
	onClaim func()
}

func (s *slowStore) Claim(ctx context.Context, c presence.Claim) (presence.Claimed, error) {
	claimed, err := s.Store.Claim(ctx, c)
	if s.onClaim != nil {
		s.onClaim()
	}
	return claimed, err
}

// A ban may come just after it was looked whether there is one, when whoever joins is not there yet to be found.
func TestBanWhileJoining(t *testing.T) {
	var store *slowStore
	moderated(t, func(t *testing.T, h *house) {
		store.onClaim = func() {
			h.moderate(backend, moderation.Act{Action: moderation.Ban, Target: "alice"})
		}
		a := h.connect(alice, "n1-a")
		a.onExpelled = func(e Expulsion) { go a.leave(e.Why) }
		if err := a.ask(Join{Role: auth.RoleStreamer}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(a.expelled) == 0 {
			t.Error("banned while joining, and in")
		}
		if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
			t.Errorf("the room is %s", l.State)
		}
	}, func(c *Config) {
		store = &slowStore{Store: c.Store}
		c.Store = store
	})
}

func TestMute(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b, c := h.viewer(bob, "n1-b"), h.viewer(carol, "n1-c")
		until := presence.MillisOf(time.Now().Add(time.Minute))
		h.moderate(mod, moderation.Act{Action: moderation.Mute, Target: "bob", Reason: "caps", Until: until})
		synctest.Wait()
		for _, m := range []*client{b, c} {
			m.wantEvents("member.muted@1")
			m.wantExpelled()
		}
		wantRefused(t, "muted", h.hub.MaySpeak(studio, "bob"), CodeForbidden, "caps")
		for _, who := range [][2]string{{studio, "carol"}, {"attic", "bob"}} {
			if err := h.hub.MaySpeak(who[0], who[1]); err != nil {
				t.Errorf("%s: %v", who, err)
			}
		}
		h.moderate(mod, moderation.Act{Action: moderation.Unmute, Target: "bob"})
		synctest.Wait()
		c.wantEvents("member.unmuted@2")
		h.moderate(mod, moderation.Act{Action: moderation.Mute, Target: "bob", Until: until})
		pass(time.Minute)
		if err := h.hub.MaySpeak(studio, "bob"); err != nil {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestSlow(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b := h.viewer(bob, "n1-b")
		h.moderate(mod, moderation.Act{Action: moderation.Slow, Details: moderation.Details{Seconds: 5}})
		synctest.Wait()
		b.wantEvents("room.updated@1")
		if got := b.data("room.updated"); got != `{"slow_seconds":5}` {
			t.Errorf("told %s", got)
		}
		if j := h.connect(carol, "n1-c").join(Join{}); j.Slow != 5*time.Second {
			t.Errorf("joined a room that is slow by %s", j.Slow)
		}
		if h.hub.Slow(studio, EventChat, false) != 5*time.Second || h.hub.Slow(studio, EventChat, true) != 0 ||
			h.hub.Slow(studio, "x.y", false) != 0 || h.hub.Slow("attic", EventChat, false) != 0 {
			t.Error("the wrong ones have to wait")
		}
		h.moderate(mod, moderation.Act{Action: moderation.Slow})
		if got := h.hub.Slow(studio, EventChat, false); got != 0 {
			t.Errorf("still slow by %s", got)
		}
	})
}

func TestDelete(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		b := h.viewer(bob, "n1-b")
		before := h.say("first")
		h.say("secret")
		h.say("third")
		remove := moderation.Act{Action: moderation.Delete, Details: moderation.Details{Offset: 2}}
		h.moderate(mod, remove)
		b.wantEvents("chat@1", "chat@2", "chat@3", "chat.deleted@4")
		h.moderate(mod, remove) // again: nothing more is to be told
		b.wantEvents()

		j := h.connect(carol, "n1-c").join(Join{})
		if len(j.Chat) != 2 || j.Chat[0].Offset != 1 || j.Chat[1].Offset != 3 {
			t.Errorf("the snapshot has %d lines", len(j.Chat))
		}
		j = h.connect(carol, "n1-c2").join(Join{Since: &before})
		if !j.Recovered || len(j.Events) != 3 || string(j.Events[0].Data) != `{"text":"","deleted":true}` || strings.Contains(string(j.Events[0].Message()), "secret") {
			t.Errorf("recovered %v with %d events, the first of which is %s", j.Recovered, len(j.Events), j.Events[0].Message())
		}
		var m EventMessage
		if err := json.Unmarshal(j.Events[0].Message(), &m); err != nil || m.Offset != 2 || m.Event != EventChat || m.From == nil || m.From.ID != "bob" {
			t.Errorf("in its place there is %+v, %v", m, err)
		}
		for _, offset := range []int64{4, 5, 99} {
			_, err := h.hub.Moderate(t.Context(), mod, moderation.Act{Action: moderation.Delete, Room: studio, Details: moderation.Details{Offset: offset}})
			wantRefused(t, fmt.Sprint("offset ", offset), err, CodeNotFound, fmt.Sprint(offset))
		}
		acts, err := h.hub.cfg.Book.Store().Audit(t.Context(), moderation.AuditQuery{First: 10})
		if err != nil || len(acts) != 1 || acts[0].Target != "bob" || acts[0].Offset != 2 {
			t.Errorf("the audit has %+v, %v", acts, err)
		}
	})
}

// The room is told of an act once, whoever tells it, also by another node than the one that acted and has died.
func TestToldOnceAndByOthers(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		c := h.viewer(carol, "n1-c")
		// As written by a node that died just then.
		if _, err := h.hub.cfg.Book.Store().Do(t.Context(), moderation.Act{Actor: "mod", Action: moderation.Mute, Room: studio, Target: "bob"}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		c.wantEvents("member.muted@1")
		acts, _ := h.hub.cfg.Book.Store().Since(t.Context(), 0, 1)
		h.hub.followUp(acts[0])
		pass(time.Second)
		c.wantEvents()
	})
	moderated(t, func(t *testing.T, h *house) {
		c := h.viewer(carol, "n1-c")
		if _, err := h.hub.cfg.Book.Store().Do(t.Context(), moderation.Act{Actor: "mod", Action: moderation.Mute, Room: studio, Target: "bob"}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		c.wantEvents()
	}, func(c *Config) { c.Rank = func(int) int { return 2 } })
}

func TestWhoMayModerate(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		h.streamer(alice, "n1-a")
		synctest.Wait()
		owner := &auth.Identity{User: "alice", Grants: []auth.Grant{{Room: studio, Role: auth.RoleStreamer}}}
		viewer := &auth.Identity{User: "bob", Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}}
		all := &auth.Identity{User: "super", Grants: []auth.Grant{{Room: "*", Role: auth.RoleModerator}}}
		ban := func(room, target string) moderation.Act {
			return moderation.Act{Action: moderation.Ban, Room: room, Target: target}
		}
		for _, test := range []struct {
			name    string
			by      *auth.Identity
			a       moderation.Act
			code    Code
			mention string
		}{
			{"a viewer", viewer, ban(studio, "carol"), CodeForbidden, "grant"},
			{"a moderator elsewhere", mod, ban("attic", "carol"), CodeForbidden, "grant"},
			{"a moderator everywhere", mod, ban("*", "carol"), CodeForbidden, "scope"},
			{"a moderator of all rooms, everywhere", all, ban("*", "carol"), CodeForbidden, "scope"},
			{"the streamer", mod, ban(studio, "alice"), CodeForbidden, "streamer"},
			{"mute the streamer", mod, moderation.Act{Action: moderation.Mute, Room: studio, Target: "alice"}, CodeForbidden, "streamer"},
			{"kick the streamer", mod, moderation.Act{Action: moderation.Kick, Room: studio, Target: "alice"}, CodeForbidden, "streamer"},
			{"themselves", mod, ban(studio, "mod"), CodeBadRequest, "yourself"},
			{"themselves, with a scope", backend, ban("*", backend.User), CodeBadRequest, "yourself"}, // which locked them out
			{"an address", owner, ban(studio, "ip:192.0.2.1/32"), CodeForbidden, "scope"},
			{"unmute themselves", mod, moderation.Act{Action: moderation.Unmute, Room: studio, Target: "mod"}, CodeForbidden, "somebody else"},
			{"no room", mod, ban("no room", "carol"), CodeBadRequest, "room"},
			{"no user", mod, ban(studio, ""), CodeBadRequest, "ban needs a user"},
			{"no offset", mod, moderation.Act{Action: moderation.Delete, Room: studio}, CodeBadRequest, "offset"},
			{"too slow", mod, moderation.Act{Action: moderation.Slow, Room: studio, Details: moderation.Details{Seconds: 3601}}, CodeBadRequest, "3600"},
			{"slow everywhere", backend, moderation.Act{Action: moderation.Slow, Room: "*"}, CodeBadRequest, "one room"},
			{"no action", mod, moderation.Act{Action: "praise", Room: studio}, CodeBadRequest, "action"},
			{"the audit's own", mod, moderation.Act{Action: moderation.Drain, Room: studio}, CodeBadRequest, "action"},
			{"two lines", mod, moderation.Act{Action: moderation.Ban, Room: studio, Target: "carol", Reason: "a\nb"}, CodeBadRequest, "one line"},
			{"a long reason", mod, moderation.Act{Action: moderation.Ban, Room: studio, Target: "carol", Reason: strings.Repeat("é", 201)}, CodeTooLarge, "201"},
			{"an end in the past", mod, moderation.Act{Action: moderation.Ban, Room: studio, Target: "carol", Until: presence.MillisOf(time.Now())}, CodeBadRequest, "future"},
			{"an end too far", mod, moderation.Act{Action: moderation.Ban, Room: studio, Target: "carol", Until: presence.MillisOf(time.Now().Add(MaxTerm + time.Hour))}, CodeBadRequest, "future"},
		} {
			_, err := h.hub.Moderate(t.Context(), test.by, test.a)
			wantRefused(t, test.name, err, test.code, test.mention)
		}
		h.moderate(owner, ban(studio, "carol"))
		h.moderate(all, ban(studio, "carol"))
		h.moderate(owner, ban(studio, "mod"))
		_, err := h.hub.Moderate(t.Context(), mod, moderation.Act{Action: moderation.Unban, Room: studio, Target: "mod"})
		wantRefused(t, "a banned moderator", err, CodeForbidden, "you are banned")
		h.moderate(backend, ban(studio, "alice"))
	})
}

// Without the database nothing is changed, and the moderator hears of it. What is known stays in force.
func TestModerateWithoutADatabase(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		h.moderate(mod, moderation.Act{Action: moderation.Ban, Target: "bob"})
		c := h.viewer(carol, "n1-c")
		h.hub.cfg.Book.Store().DB.Close()
		_, err := h.hub.Moderate(t.Context(), mod, moderation.Act{Action: moderation.Ban, Room: studio, Target: "carol"})
		if !errors.Is(err, presence.ErrUnavailable) {
			t.Errorf("banned without a database: %v", err)
		}
		c.wantExpelled()
		wantRefused(t, "bob", h.connect(bob, "n1-b").ask(Join{}), CodeForbidden, "banned")
	})
	h := open(t)
	if _, err := h.hub.Moderate(t.Context(), backend, moderation.Act{Action: moderation.Ban, Room: studio, Target: "bob"}); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("banned on a node without moderation: %v", err)
	}
}

// What could not be told while the store was away is told once it is back.
func TestToldOnceTheStoreIsBack(t *testing.T) {
	var relay *awayRelay
	moderated(t, func(t *testing.T, h *house) {
		c := h.viewer(carol, "n1-c")
		relay.away.Store(true)
		h.moderate(mod, moderation.Act{Action: moderation.Ban, Target: "bob"})
		pass(10 * time.Second)
		if got := c.data(EventMemberBanned); got != "" {
			t.Fatalf("told %s", got)
		}
		relay.away.Store(false)
		pass(2 * tryAgainEvery)
		if got := c.data(EventMemberBanned); got == "" {
			t.Error("the store is back, and the room was not told")
		}
	}, func(c *Config) {
		relay = &awayRelay{Relay: c.Relay}
		c.Relay = relay
	})
}

type awayRelay struct {
	Relay
	away atomic.Bool
}

func (r *awayRelay) Publish(ctx context.Context, p Publication) (Position, error) {
	if r.away.Load() {
		return Position{}, presence.ErrUnavailable
	}
	return r.Relay.Publish(ctx, p)
}

// A node whose book is filled late puts those out whom it should not have let in.
func TestBookFilledLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBook(t)
		db := b.Store().DB
		for _, a := range []moderation.Act{
			{Action: moderation.Ban, Room: studio, Target: "bob"}, {Action: moderation.Ban, Room: moderation.Everywhere, Target: "carol"},
		} {
			if _, err := b.Store().Do(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		rename(t, db, "bans", "elsewhere")
		h := running(t, with(b))
		h.run(b.Run)
		in, out, idle := h.viewer(alice, "n1-a"), h.viewer(bob, "n1-b"), h.connect(carol, "n1-c")
		pass(time.Second)
		out.wantExpelled()
		rename(t, db, "elsewhere", "bans")
		pass(time.Second)
		in.wantExpelled()
		out.wantExpelled("studio: banned")
		idle.wantExpelled("*: banned")
	})
}

func rename(t *testing.T, db *sql.DB, from, to string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
		t.Fatal(err)
	}
}

func TestEndBroadcasts(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		c := h.viewer(carol, "n1-c")
		a := h.streamer(alice, "n1-a")
		b := a.start()
		synctest.Wait()
		end := func(room string) map[string]*presence.Broadcast {
			t.Helper()
			ended, err := h.hub.EndBroadcasts(t.Context(), moderation.Act{Actor: "boss", Target: "alice", Room: room, Reason: "time is up"})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return ended
		}
		if ended := end("attic"); len(ended) != 0 {
			t.Errorf("ended %v elsewhere", ended)
		}
		if ended := end(""); len(ended) != 1 || ended[studio].ID != b.ID {
			t.Errorf("ended %v", ended)
		}
		if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOnline {
			t.Errorf("the streamer is %s, want online", l.State)
		}
		if !strings.Contains(c.data("live.ended"), `"ended_by_admin"`) {
			t.Errorf("told %s", c.data("live.ended"))
		}
		b = a.start()
		a.leave(presence.ReasonConnectionLost)
		synctest.Wait()
		if ended := end(studio); len(ended) != 1 || ended[studio].ID != b.ID {
			t.Errorf("ended %v while waiting for its streamer", ended)
		}
		if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
			t.Errorf("the room is %s, want offline", l.State)
		}
	})
}
