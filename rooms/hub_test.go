package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

func TestJoinThenEvents(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	b := a.start()
	h.say("before bob")
	bob := h.connect(bob, "n1-b")
	j := bob.join(Join{Request: "r7"})
	if j.Request != "r7" || j.Room != studio || j.Role != auth.RoleViewer || j.Recovered || j.Events != nil || j.Connections != 1 {
		t.Errorf("joined: %+v", j)
	}
	if j.Offset != 3 || j.Epoch == "" || len(j.Chat) != 1 || j.Chat[0].Offset != 3 {
		t.Errorf("joined at %+v with chat %+v, want at 3 with the line before", j.Position, j.Chat)
	}
	if s := j.Streamer; s.State != presence.StateLive || *s.User != alice || s.Broadcast.ID != b.ID {
		t.Errorf("joined and was shown %+v", s)
	}
	h.say("with bob")
	if err := h.hub.End(t.Context(), a, studio); err != nil {
		t.Fatal(err)
	}
	bob.wantTold("chat@4", "live.ended@5")
	a.wantTold("live.started@2", "chat@3", "chat@4", "live.ended@5")
	bob.leave(presence.ReasonLeft)
	h.say("without bob")
	bob.wantTold()
}

// The streamer's own snapshot shows them as they are now.
func TestStreamerJoinShowsItself(t *testing.T) {
	h := open(t)
	b := h.viewer(bob, "n1-b")
	a := h.connect(alice, "n1-a")
	j := a.join(Join{Role: auth.RoleStreamer})
	if j.Streamer.State != presence.StateOnline || *j.Streamer.User != alice || j.Offset != 1 {
		t.Errorf("alice joined at %d and was shown %+v", j.Offset, j.Streamer)
	}
	b.wantTold("streamer.online@1")
	a.wantTold()
	a.start()
	a.leave(presence.ReasonConnectionLost)
	b.wantTold("live.started@2", "live.reconnecting@3")
	back := h.connect(alice, "n1-a2")
	if j := back.join(Join{Role: auth.RoleStreamer}); j.Streamer.State != presence.StateLive || j.Offset != 4 {
		t.Errorf("alice came back at %d and was shown %+v", j.Offset, j.Streamer)
	}
	b.wantTold("live.resumed@4")
}

func TestJoinAgain(t *testing.T) {
	h := open(t)
	for _, role := range []auth.Role{auth.RoleViewer, auth.RoleStreamer, auth.RoleModerator} {
		c := h.connect(alice, "n1-"+string(role))
		c.join(Join{Role: role})
		again := c.join(Join{Role: role, Request: "again"})
		if again.Request != "again" || again.Role != role {
			t.Errorf("joined again: %+v", again)
		}
		c.news()
		at := h.say("to each once")
		c.wantTold(fmt.Sprintf("chat@%d", at.Offset))
		if members, _ := h.hub.Members(studio, 10, ""); len(members) != 1 {
			t.Errorf("joined twice as %s, the members are %+v", role, members)
		}
		if want := map[auth.Role]int{auth.RoleViewer: 1}[role]; h.hub.Viewers(studio) != want {
			t.Errorf("joined twice as %s, %d view, want %d", role, h.hub.Viewers(studio), want)
		}
		c.leave(presence.ReasonLeft)
		h.wantEmpty()
	}
}

func TestJoinInAnotherRole(t *testing.T) {
	h := open(t)
	b := h.viewer(bob, "n1-b")
	if err := b.ask(Join{Role: auth.RoleStreamer}); !errors.Is(err, ErrRole) {
		t.Errorf("a viewer joins as streamer: %v, want ErrRole", err)
	}
	b.wantTold()
	if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
		t.Errorf("refused, and yet holds the lease: %+v", l)
	}
	h.say("still there")
	b.wantTold("chat@1")
	b.leave(presence.ReasonLeft)
	h.wantEmpty()
}

func TestStreamerConflict(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	b := h.connect(bob, "n1-b")
	if err := b.ask(Join{Role: auth.RoleStreamer}); !errors.Is(err, presence.ErrConflict) {
		t.Errorf("bob joins as streamer: %v, want a conflict", err)
	}
	h.say("hello")
	b.wantTold()
	if err := h.hub.Leave(t.Context(), b, studio, presence.ReasonLeft); !errors.Is(err, ErrNotJoined) {
		t.Errorf("bob leaves: %v, want ErrNotJoined", err)
	}
	if members, _ := h.hub.Members(studio, 10, ""); len(members) != 1 || members[0].ID != "n1-a" {
		t.Errorf("the members are %+v, want alice", members)
	}
	a.leave(presence.ReasonLeft)
	h.wantEmpty()
	b.join(Join{Role: auth.RoleStreamer})
}

// A newer connection of alice takes over. The room hears nothing of it, and
// the old one can do nothing any more.
func TestTakeover(t *testing.T) {
	h := open(t)
	b := h.viewer(bob, "n1-b")
	old := h.streamer(alice, "n1-a1")
	broadcast := old.start()
	b.wantTold("streamer.online@1", "live.started@2")

	young := h.connect(alice, "n1-a2")
	j := young.join(Join{Role: auth.RoleStreamer})
	if j.Streamer.State != presence.StateLive || j.Streamer.Broadcast.ID != broadcast.ID || j.Offset != 2 {
		t.Errorf("took over at %d: %+v", j.Offset, j.Streamer)
	}
	old.wantCut(CutReplaced)
	young.wantCut()
	b.wantTold()

	if _, err := h.hub.Start(t.Context(), old, studio, presence.Start{}); !errors.Is(err, presence.ErrFenced) {
		t.Errorf("the old one starts: %v, want ErrFenced", err)
	}
	if err := h.hub.End(t.Context(), old, studio); !errors.Is(err, presence.ErrFenced) {
		t.Errorf("the old one ends: %v, want ErrFenced", err)
	}
	old.leave(presence.ReasonConnectionLost)
	old.news()
	b.wantTold()
	if err := h.hub.End(t.Context(), young, studio); err != nil {
		t.Errorf("the young one ends: %v", err)
	}
	b.wantTold("live.ended@3")
	old.wantTold()
}

// The connection that was replaced may be another node's, or gone: the new one
// is in all the same.
func TestTakeoverFromElsewhere(t *testing.T) {
	h := open(t)
	if _, err := h.store.Claim(t.Context(), presence.Claim{Room: studio, User: alice, Connection: "n0-a", Node: "n0"}); err != nil {
		t.Fatal(err)
	}
	bystander := h.viewer(bob, "n0-a") // the same name, on this node
	h.streamer(alice, "n1-a")
	bystander.wantCut()
}

func TestCommand(t *testing.T) {
	h := open(t)
	a, b := h.viewer(alice, "n1-a"), h.viewer(bob, "n1-b")
	h.hub.Command(Command{Node: "n2", Connection: "n1-a", Cut: CutReplaced})
	h.hub.Command(Command{Node: "n1", Connection: "n1-nobody", Cut: CutReplaced})
	a.wantCut()
	h.hub.Command(Command{Connection: "n1-a", Cut: CutReplaced})
	a.wantCut(CutReplaced)
	b.wantCut()
	h.hub.Unregister(b)
	h.hub.Command(Command{Node: "n1", Connection: "n1-b", Cut: CutReplaced})
	b.wantCut()
}

func TestLeaveReasons(t *testing.T) {
	for _, test := range []struct {
		why  presence.Reason
		want []string
	}{
		{presence.ReasonLeft, []string{"live.ended@3", "streamer.offline@4"}},
		{presence.ReasonKicked, []string{"live.ended@3", "streamer.offline@4"}},
		{presence.ReasonBanned, []string{"live.ended@3", "streamer.offline@4"}},
		{presence.ReasonRevoked, []string{"live.ended@3", "streamer.offline@4"}},
		{presence.ReasonConnectionLost, []string{"live.reconnecting@3"}},
		{presence.ReasonDrain, []string{"live.reconnecting@3"}},
	} {
		t.Run(string(test.why), func(t *testing.T) {
			h := open(t)
			b := h.viewer(bob, "n1-b")
			a := h.streamer(alice, "n1-a")
			a.start()
			a.news()
			b.news()
			a.leave(test.why)
			a.wantTold()
			messages := b.news()
			b.unread = len(b.got) - len(messages)
			b.wantTold(test.want...)
			if data := decode[BroadcastData](t, messages[0].(EventMessage).Data); data.Reason != test.why {
				t.Errorf("told the reason %s, want %s", data.Reason, test.why)
			}
			if err := h.hub.Leave(t.Context(), a, studio, test.why); !errors.Is(err, ErrNotJoined) {
				t.Errorf("left again: %v, want ErrNotJoined", err)
			}
		})
	}
}

// A viewer's or a moderator's leave says nothing of the streamer.
func TestLeaveOfOthers(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	a.start()
	a.news()
	for _, role := range []auth.Role{auth.RoleViewer, auth.RoleModerator} {
		c := h.connect(alice, "n1-"+string(role))
		c.join(Join{Role: role})
		c.leave(presence.ReasonConnectionLost)
	}
	a.wantTold()
	a.wantCut()
}

func TestLastLeaveForgetsTheRoom(t *testing.T) {
	h := open(t)
	a, b := h.viewer(alice, "n1-a"), h.viewer(bob, "n1-b")
	at := h.say("hello")
	a.leave(presence.ReasonLeft)
	if h.hub.Viewers(studio) != 1 {
		t.Errorf("%d view, want bob", h.hub.Viewers(studio))
	}
	b.leave(presence.ReasonLeft)
	h.wantEmpty()
	if h.hub.Viewers(studio) != 0 {
		t.Errorf("%d view an empty room", h.hub.Viewers(studio))
	}
	h.say("nobody hears this")
	j := a.join(Join{Since: &at})
	if !j.Recovered || len(j.Events) != 1 || j.Offset != 2 {
		t.Errorf("back at %d, recovered %v, %d events; want the one missed", j.Offset, j.Recovered, len(j.Events))
	}
}

// Nothing at all may be done without having joined.
func TestNotJoined(t *testing.T) {
	h := open(t)
	b := h.viewer(bob, "n1-b")
	stranger := h.connect(carol, "n1-c")
	ctx := t.Context()
	for who, want := range map[*client]error{b: ErrRole, stranger: ErrNotJoined} {
		_, startErr := h.hub.Start(ctx, who, studio, presence.Start{})
		_, updateErr := h.hub.Update(ctx, who, studio, presence.Changes{})
		endErr := h.hub.End(ctx, who, studio)
		for _, err := range []error{startErr, updateErr, endErr} {
			if !errors.Is(err, want) {
				t.Errorf("%s gets %v, want %v", who.id, err, want)
			}
		}
	}
	if err := h.hub.End(ctx, b, "attic"); !errors.Is(err, ErrNotJoined) {
		t.Errorf("in a room without members: %v, want ErrNotJoined", err)
	}
	if err := h.hub.Leave(ctx, b, "attic", presence.ReasonLeft); !errors.Is(err, ErrNotJoined) {
		t.Errorf("leaving a room without members: %v, want ErrNotJoined", err)
	}
}

func TestBroadcastThroughTheHub(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	title := "Etchings"
	if b, err := h.hub.Update(t.Context(), a, studio, presence.Changes{Title: &title}); b != nil || err != nil {
		t.Errorf("updated nothing: %+v, %v", b, err)
	}
	first := a.start()
	if again := a.start(); again.ID != first.ID {
		t.Errorf("started again: %+v, want %+v", again, first)
	}
	if b, err := h.hub.Update(t.Context(), a, studio, presence.Changes{Title: &title}); err != nil || b.Title != title || b.Version != 2 {
		t.Errorf("updated: %+v, %v", b, err)
	}
	for range 2 {
		if err := h.hub.End(t.Context(), a, studio); err != nil {
			t.Errorf("end: %v", err)
		}
	}
	a.wantTold("live.started@2", "live.updated@3", "live.ended@4")
}

// Members are paged by id; nobody is told twice, nobody left out.
func TestMembers(t *testing.T) {
	h := open(t)
	if members, more := h.hub.Members(studio, 10, ""); members == nil || len(members) != 0 || more {
		t.Errorf("an empty room has %+v, %v", members, more)
	}
	h.streamer(alice, "n1-e")
	for _, id := range []string{"d", "a", "c", "b"} {
		h.viewer(bob, "n1-"+id)
	}
	for size := 1; size <= 6; size++ {
		var ids []string
		for after, more := "", true; more; {
			var page []Member
			page, more = h.hub.Members(studio, size, after)
			if len(page) == 0 || len(page) > size {
				t.Fatalf("a page of %d", len(page))
			}
			for _, m := range page {
				ids = append(ids, m.ID)
				if want := (Member{m.ID, bob, auth.RoleViewer}); m.ID != "n1-e" && m != want {
					t.Errorf("listed %+v, want %+v", m, want)
				}
			}
			after = page[len(page)-1].ID
		}
		if want := []string{"n1-a", "n1-b", "n1-c", "n1-d", "n1-e"}; !slices.Equal(ids, want) {
			t.Errorf("in pages of %d: %q, want %q", size, ids, want)
		}
	}
}

// The central invariant: whoever joins while thousands of events are published
// gets a snapshot and then the very next event, and so on. Many join at once,
// so that an event finds its way into any gap there is.
func TestJoinWhilePublishing(t *testing.T) {
	h := open(t)
	stop := make(chan struct{})
	var publishing, joining sync.WaitGroup
	for range 2 {
		publishing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					h.say("hello")
				}
			}
		})
	}
	h.viewer(bob, "n1-stays") // so that all join one replica
	clients := make([]*client, 16)
	for i := range clients {
		c := h.connect(carol, fmt.Sprint("n1-", i))
		clients[i] = c
		joining.Go(func() {
			for range 200 {
				_ = c.ask(Join{})
				if i%4 > 0 { // some just ask again
					_ = h.hub.Leave(t.Context(), c, studio, presence.ReasonLeft)
				}
			}
			_ = c.ask(Join{})
		})
	}
	joining.Wait()
	close(stop)
	publishing.Wait()
	last := h.say("the last one")
	for _, c := range clients {
		c.wantGapless()
		if at, ok := c.got[len(c.got)-1].(EventMessage); !ok || at.Position != last {
			t.Errorf("%s was told %+v at last, want the event at %+v", c.id, c.got[len(c.got)-1], last)
		}
	}
}

// Joins race with the leave of the last member, and so with the end of the
// replica and of its subscription.
func TestJoinWhileTheLastLeaves(t *testing.T) {
	h := open(t)
	stop := make(chan struct{})
	var publishing, visiting sync.WaitGroup
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				h.say("hello")
			}
		}
	})
	clients := make([]*client, 6)
	for i := range clients {
		c := h.connect(carol, fmt.Sprint("n1-", i))
		clients[i] = c
		visiting.Go(func() {
			for range 100 {
				if err := c.ask(Join{}); err != nil {
					t.Errorf("join: %v", err)
				}
				at := h.say("am I heard?")
				c.mu.Lock()
				heard := slices.ContainsFunc(c.got, func(m any) bool {
					e, ok := m.(EventMessage)
					return ok && e.Position == at
				})
				c.mu.Unlock()
				if !heard {
					t.Errorf("%s is a member, but was not told of %+v", c.id, at)
				}
				if err := h.hub.Leave(t.Context(), c, studio, presence.ReasonLeft); err != nil {
					t.Errorf("leave: %v", err)
				}
			}
		})
	}
	visiting.Wait()
	close(stop)
	publishing.Wait()
	for _, c := range clients {
		if n := c.wantGapless(); n < 100 {
			t.Errorf("%s was told of %d events", c.id, n)
		}
	}
	h.wantEmpty()
}

// relayWith is a Relay whose Subscribe can be held up or refused.
type relayWith struct {
	Relay
	subscribe func(ctx context.Context) error
}

func (r relayWith) Subscribe(ctx context.Context, room string, recv Receiver) error {
	if err := r.subscribe(ctx); err != nil {
		return err
	}
	return r.Relay.Subscribe(ctx, room, recv)
}

// All who join while a subscription is under way get its error, and whoever
// comes later tries anew.
func TestJoinWhileSubscribingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		away, tries := errors.New("away"), 0
		h.hub.cfg.Relay = relayWith{h.relay, func(context.Context) error {
			time.Sleep(time.Second)
			if tries++; tries == 1 {
				return away
			}
			return nil
		}}
		var joining sync.WaitGroup
		for i := range 5 {
			joining.Go(func() {
				if err := h.connect(bob, fmt.Sprint("n1-", i)).ask(Join{}); !errors.Is(err, away) {
					t.Errorf("join: %v, want what went wrong", err)
				}
			})
		}
		joining.Wait()
		h.wantEmpty()
		h.viewer(bob, "n1-later")
		if tries != 2 {
			t.Errorf("subscribed %d times, want once for all and once again", tries)
		}
	})
}

// The first to join goes away meanwhile; the second still gets in. Nobody who
// gave up leaves anything behind.
func TestJoinGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.hub.cfg.Relay = relayWith{h.relay, func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Second):
				return nil
			}
		}}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, second, third := h.connect(alice, "n1-a"), h.connect(bob, "n1-b"), h.connect(carol, "n1-c")
		var joining sync.WaitGroup
		joining.Go(func() { _ = h.hub.Join(short, first, Join{Room: studio, Role: auth.RoleViewer}) })
		synctest.Wait()
		joining.Go(func() {
			if err := h.hub.Join(short, third, Join{Room: studio, Role: auth.RoleViewer}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("carol gives up with %v", err)
			}
		})
		joining.Go(func() { second.join(Join{}) })
		joining.Wait()
		h.say("hello")
		second.wantTold("chat@1")
		third.wantTold()
		second.leave(presence.ReasonLeft)
		_ = h.hub.Leave(t.Context(), first, studio, presence.ReasonLeft) // in or not, by chance
		h.wantEmpty()
	})
}

// The relay lost its way and says everything anew: so do we, unasked.
func TestResetWithMembers(t *testing.T) {
	h := open(t)
	b := h.viewer(bob, "n1-b")
	a := h.streamer(alice, "n1-a")
	h.say("hello")
	a.news()
	b.news()
	line := &Event{Position: Position{"elsewhere", 90}, Room: studio, Name: EventChat, At: presence.MillisOf(time.Now()), Data: []byte(`{"text":"far"}`)}
	line.encode()
	view := presence.View{State: presence.StateLive, User: &alice, Broadcast: &presence.Broadcast{ID: "b1", Version: 4}}
	h.hub.find(studio).Reset(Snapshot{Position: line.Position, Events: []*Event{line}, View: view})
	for c, role := range map[*client]auth.Role{a: auth.RoleStreamer, b: auth.RoleViewer} {
		news := c.news()
		if len(news) != 1 {
			t.Fatalf("%s was told %+v", c.id, news)
		}
		j, ok := news[0].(Joined)
		if !ok || j.Request != "" || j.Recovered || j.Events != nil || j.Role != role || j.Position != line.Position ||
			len(j.Chat) != 1 || j.Streamer.Broadcast.ID != "b1" || j.Connections != 1 {
			t.Errorf("%s was told %+v", c.id, news[0])
		}
	}
}

// What happens to a streamer without anybody's doing on this node reaches its
// rooms all the same: here, the end of the window.
func TestHubFollowsPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		b := h.viewer(bob, "n1-b")
		a := h.streamer(alice, "n1-a")
		a.start()
		a.leave(presence.ReasonConnectionLost)
		pass(presence.DefaultWindow - time.Millisecond)
		messages := []string{"streamer.online@1", "live.started@2", "live.reconnecting@3"}
		told := slices.DeleteFunc(b.told(), func(s string) bool { return s == "viewers=1" })
		if !slices.Equal(told, messages) {
			t.Errorf("told %q inside the window, want %q", told, messages)
		}
		pass(time.Second)
		b.wantTold("live.ended@4", "streamer.offline@5")
	})
}

// beatStore counts how often it is told of beats.
type beatStore struct {
	presence.Store
	mu    sync.Mutex
	beats [][]presence.Hold
	down  bool
}

func (b *beatStore) Beat(ctx context.Context, holds []presence.Hold) ([]presence.Hold, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, presence.ErrUnavailable
	}
	b.beats = append(b.beats, holds)
	return b.Store.Beat(ctx, holds)
}

func (b *beatStore) news() [][]presence.Hold {
	b.mu.Lock()
	defer b.mu.Unlock()
	beats := b.beats
	b.beats = nil
	return beats
}

// Beats go to the store once a second, however many come, and only under the
// fence of a lease that is held here.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		store := &beatStore{Store: h.store}
		h.hub.cfg.Store = store
		ctx, cancel := context.WithCancel(t.Context())
		var hub sync.WaitGroup
		hub.Go(func() { h.hub.Run(ctx) })
		defer func() { cancel(); hub.Wait() }()
		seen := func() presence.Millis {
			l, _ := h.store.Get(t.Context(), studio)
			return l.LastSeen
		}

		old := h.streamer(alice, "n1-a1")
		b := h.viewer(bob, "n1-b")
		joined := seen()
		pass(100 * time.Millisecond)
		for range 100 {
			h.hub.Beat(old, studio)
			h.hub.Beat(old, "attic") // not there
			h.hub.Beat(b, studio)    // no streamer
		}
		if len(store.news()) != 0 {
			t.Error("a beat went to the store by itself")
		}
		pass(time.Second)
		if beats := store.news(); len(beats) != 1 || len(beats[0]) != 1 || beats[0][0] != old.h.hub.find(studio).member("n1-a1").hold(studio) {
			t.Errorf("the store was told %+v, want one hold", beats)
		}
		if now := seen(); now <= joined {
			t.Errorf("last seen at %d, as at the join", now)
		}
		pass(3 * time.Second)
		if beats := store.news(); len(beats) != 0 {
			t.Errorf("without a beat, the store was told %+v", beats)
		}

		h.streamer(alice, "n1-a2") // takes over
		taken := seen()
		pass(100 * time.Millisecond)
		h.hub.Beat(old, studio)
		pass(time.Second)
		if now := seen(); now != taken {
			t.Errorf("the replaced connection's beat moved last seen by %d ms", now-taken)
		}
		old.wantCut(CutReplaced, CutReplaced) // at once, and again as if the first had been lost
		store.mu.Lock()
		store.down = true
		store.mu.Unlock()
		h.hub.Beat(old, studio)
		pass(time.Second) // goes unheard; the next one will do
	})
}

// failing is a Store that does not answer.
type failing struct{ presence.Store }

func (failing) Claim(context.Context, presence.Claim) (presence.Claimed, error) {
	return presence.Claimed{}, presence.ErrUnavailable
}

func (failing) Release(context.Context, presence.Hold, presence.Reason) error {
	return presence.ErrUnavailable
}

// While the store is away, viewers come and go; streamers are told, and
// whoever leaves is out of the room even so. That it also happened to the lease
// they learn by asking again.
func TestStoreAway(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	h.hub.cfg.Store = failing{h.store}
	b := h.viewer(bob, "n1-b")
	c := h.connect(alice, "n1-a2")
	if err := c.ask(Join{Role: auth.RoleStreamer}); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("join: %v, want ErrUnavailable", err)
	}
	for range 2 {
		if err := h.hub.Leave(t.Context(), a, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrUnavailable) {
			t.Errorf("leave: %v, want ErrUnavailable", err)
		}
	}
	if err := a.ask(Join{Role: auth.RoleStreamer}); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("join before the lease was given up: %v, want ErrUnavailable", err)
	}
	h.say("hello")
	a.wantTold()
	b.wantTold("chat@2")
	b.leave(presence.ReasonLeft)
	h.wantEmpty()
}

// A streamer leaves while the store is away, and comes back over another connection before it has returned. That their
// broadcast goes on is what the first connection is told when it asks again, whoever found out first.
func TestLeaveMeetsNewerConnection(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	a.start()
	h.hub.cfg.Store = failing{h.store}
	if err := h.hub.Leave(t.Context(), a, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("leave: %v, want ErrUnavailable", err)
	}
	h.hub.cfg.Store = h.store
	h.streamer(alice, "n1-a2")
	h.hub.settle(t.Context())
	h.hub.settle(t.Context())
	for range 3 {
		if err := h.hub.Leave(t.Context(), a, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrFenced) {
			t.Errorf("leave, once it is known: %v, want ErrFenced", err)
		}
	}
	if l, err := h.store.Get(t.Context(), studio); err != nil || l.State != presence.StateLive {
		t.Errorf("the lease is %+v, %v", l, err)
	}
}
