package rooms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// testRelay is what every Relay must pass. open returns an empty one over an
// empty store that keeps its log for PresenceFollower. Deliveries may come
// after the call that caused them has returned, so the tests wait for them.
func testRelay(t *testing.T, open func(t *testing.T) (Relay, presence.Store)) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, relay Relay, store presence.Store)
	}{
		{"an event is delivered as it was published", testPublish},
		{"positions grow by one, whoever publishes", testPositions},
		{"every subscriber sees the same events in the same order", testSameOrder},
		{"a subscriber is reset first and misses nothing from then on", testSubscribeWhilePublishing},
		{"catching up hands over everything published before", testCatchUp},
		{"rooms do not hear each other", testRoomsApart},
		{"unsubscribing ends one receiver and no other", testUnsubscribe},
		{"no call begins after unsubscribing returned", testUnsubscribeWhilePublishing},
		{"a late subscriber gets the last events", testKeptEvents},
		{"an idempotency key publishes once", testKey},
		{"an idempotency key at once, many times", testKeyRace},
		{"an idempotency key does not fit another event", testKeyReused},
		{"what is to be noted is, once and with what members get", testNoted},
		{"who spoke too soon is told how long to wait", testSlow},
		{"of many lines at once one is said, where chat is slow", testSlowRace},
		{"a line that is repeated under its key need not wait", testSlowKey},
		{"a replica that comes late does not know what was deleted", testDeleted},
		{"transitions become events, in order and once", testApply},
		{"transitions are applied once, however many apply", testApplyRace},
		{"a view is the one after the last transition", testViewInSnapshot},
		{"commands reach the sink", testCommand},
		{"an audience is what was reported, and how it went on", testAudience},
		{"what is reported again does not count twice", testAudienceAgain},
		{"the audience of one broadcast is not that of the next", testAudiencesApart},
		{"very many users are counted, if not exactly", testAudienceOfMany},
		{"members are those that the sink knows", testMembersOfSink},
		{"reactions reach the sink", testReact},
		{"reactions are no events, and end with the moment", testReactionsAreNoEvents},
		{"nobody takes a signal for a node that is not there", testSignalToNobody},
		{"a streamer's sessions are kept until they are dropped", testPeerings},
	} {
		t.Run(test.name, func(t *testing.T) {
			relay, store := open(t)
			test.do(t, relay, store)
		})
	}
}

// ear is a Receiver that remembers what it heard and checks that it is called
// as promised: reset first, in order, never twice at a time.
type ear struct {
	t    *testing.T
	busy atomic.Bool

	mu     sync.Mutex
	resets int
	snap   Snapshot
	events []*Event
	closed bool // unsubscribed: no call may begin
}

func (e *ear) call(what string, do func()) {
	if !e.busy.CompareAndSwap(false, true) {
		e.t.Errorf("%s while another call is under way", what)
	}
	defer e.busy.Store(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		e.t.Errorf("%s after Unsubscribe returned", what)
	}
	do()
}

func (e *ear) Reset(s Snapshot) {
	e.call("Reset", func() { e.resets, e.snap, e.events = e.resets+1, s, nil })
}

func (e *ear) Deliver(ev *Event) {
	e.call("Deliver", func() {
		if e.resets == 0 {
			e.t.Error("an event came before the snapshot")
		}
		if want := (Position{e.snap.Epoch, e.snap.Offset + int64(len(e.events)) + 1}); ev.Position != want {
			e.t.Errorf("delivered %+v, want %+v", ev.Position, want)
		}
		e.events = append(e.events, ev)
	})
}

// String says what was heard, for whoever looks into a test that failed.
func (e *ear) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprintf("heard %d snapshots, the last at %+v with %d events and %+v, and %d events after it",
		e.resets, e.snap.Position, len(e.snap.Events), e.snap.View, len(e.events))
}

func (e *ear) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
}

// heard returns snapshot and events so far, once there are n events.
func (e *ear) heard(n int) (snap Snapshot, events []*Event) {
	e.t.Helper()
	eventually(e.t, fmt.Sprint(n, " events are delivered"), func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.events) >= n
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.events) != n {
		e.t.Errorf("%d events were delivered, want %d", len(e.events), n)
	}
	return e.snap, slices.Clone(e.events)
}

func subscribe(t *testing.T, relay Relay, room string) *ear {
	t.Helper()
	e := &ear{t: t}
	if err := relay.Subscribe(context.Background(), room, e); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.resets == 0 {
		t.Fatal("subscribed, but not reset")
	}
	if last := len(e.snap.Events); last > 0 && e.snap.Events[last-1].Position != e.snap.Position {
		t.Errorf("the snapshot at %+v ends with %+v", e.snap.Position, e.snap.Events[last-1].Position)
	}
	t.Cleanup(func() {
		relay.Unsubscribe(room, e)
		if t.Failed() {
			t.Log(e)
		}
	})
	return e
}

func chat(text string) Publication {
	return Publication{Room: studio, Name: EventChat, From: chatFromBob, Data: wire.JSON(ChatData{text})}
}

func publish(t *testing.T, relay Relay, p Publication) Position {
	t.Helper()
	at, err := relay.Publish(context.Background(), p)
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return at
}

// publishAll publishes n events from each of several goroutines.
func publishAll(t *testing.T, relay Relay, goroutines, n int) []Position {
	var all sync.WaitGroup
	positions := make([]Position, goroutines*n)
	for g := range goroutines {
		all.Go(func() {
			for i := range n {
				at, err := relay.Publish(context.Background(), chat(fmt.Sprintf("%d from %d", i, g)))
				if err != nil {
					t.Errorf("publish: %v", err)
				}
				positions[g*n+i] = at
			}
		})
	}
	all.Wait()
	return positions
}

func testPublish(t *testing.T, relay Relay, _ presence.Store) {
	e := subscribe(t, relay, studio)
	if e.snap.Epoch == "" || e.snap.Offset != 0 || len(e.snap.Events) != 0 || e.snap.View != presence.Offline {
		t.Errorf("a new room is %+v", e.snap)
	}
	before := presence.MillisOf(time.Now())
	at := publish(t, relay, chat("hello"))
	_, events := e.heard(1)
	got := events[0]
	if got.Position != at || at.Epoch != e.snap.Epoch || got.Room != studio || got.Name != EventChat || got.After != nil ||
		!reflect.DeepEqual(got.From, chatFromBob) || string(got.Data) != `{"text":"hello"}` || got.At < before {
		t.Errorf("delivered %+v, published at %+v", got, at)
	}
	want := EventMessage{Type: "event", Room: studio, Position: at, Event: EventChat, From: chatFromBob, At: got.At, Data: got.Data}
	if message := decode[EventMessage](t, got.Message()); !reflect.DeepEqual(message, want) {
		t.Errorf("encoded %+v, want %+v", message, want)
	}
}

func testPositions(t *testing.T, relay Relay, _ presence.Store) {
	positions := publishAll(t, relay, 8, 25)
	slices.SortFunc(positions, func(a, b Position) int { return int(a.Offset - b.Offset) })
	for i, p := range positions {
		if p.Offset != int64(i+1) || p.Epoch != positions[0].Epoch {
			t.Fatalf("position %d is %+v", i+1, p)
		}
	}
}

func testSameOrder(t *testing.T, relay Relay, _ presence.Store) {
	ears := []*ear{subscribe(t, relay, studio), subscribe(t, relay, studio), subscribe(t, relay, studio)}
	publishAll(t, relay, 8, 25)
	_, first := ears[0].heard(200)
	for _, e := range ears[1:] {
		_, events := e.heard(200)
		for i := range events {
			if string(events[i].Message()) != string(first[i].Message()) {
				t.Fatalf("event %d is %s here and %s there", i, events[i].Message(), first[i].Message())
			}
		}
	}
}

// The snapshot holds what is before its position, the deliveries hold what
// comes after: together they are everything.
func testSubscribeWhilePublishing(t *testing.T, relay Relay, _ presence.Store) {
	const events = 150
	var publishing sync.WaitGroup
	publishing.Go(func() { publishAll(t, relay, 3, events/3) })
	var ears []*ear
	for range 20 {
		ears = append(ears, subscribe(t, relay, studio))
	}
	publishing.Wait()
	for _, e := range ears {
		if e.snap.Offset != int64(len(e.snap.Events)) {
			t.Errorf("the snapshot at %d has %d events", e.snap.Offset, len(e.snap.Events))
		}
		e.heard(events - int(e.snap.Offset)) // Deliver has checked the order
	}
}

func testCatchUp(t *testing.T, relay Relay, _ presence.Store) {
	e := subscribe(t, relay, studio)
	var publishing sync.WaitGroup
	publishing.Go(func() { publishAll(t, relay, 2, 50) })
	for range 50 {
		at := publish(t, relay, chat("so far"))
		if err := relay.CatchUp(context.Background(), studio, e); err != nil {
			t.Fatal(err)
		}
		e.mu.Lock()
		last := e.snap.Offset + int64(len(e.events))
		e.mu.Unlock()
		if last < at.Offset {
			t.Fatalf("caught up to %d, published at %d", last, at.Offset)
		}
	}
	publishing.Wait()
	e.heard(150)
}

func testRoomsApart(t *testing.T, relay Relay, _ presence.Store) {
	here, there := subscribe(t, relay, studio), subscribe(t, relay, "attic")
	publish(t, relay, chat("hello"))
	elsewhere := chat("hello from the attic")
	elsewhere.Room = "attic"
	publish(t, relay, elsewhere)
	_, a := here.heard(1)
	_, b := there.heard(1)
	if a[0].Room != studio || b[0].Room != "attic" || a[0].Offset != 1 || b[0].Offset != 1 {
		t.Errorf("heard %+v in the studio and %+v in the attic", a[0], b[0])
	}
}

func testUnsubscribe(t *testing.T, relay Relay, _ presence.Store) {
	going, staying := subscribe(t, relay, studio), subscribe(t, relay, studio)
	publish(t, relay, chat("one"))
	going.heard(1)
	relay.Unsubscribe(studio, going)
	going.close()
	publish(t, relay, chat("two"))
	staying.heard(2)
	relay.Unsubscribe(studio, going) // again does no harm
	publish(t, relay, chat("three"))
	staying.heard(3)
}

func testUnsubscribeWhilePublishing(t *testing.T, relay Relay, _ presence.Store) {
	staying := subscribe(t, relay, studio)
	var publishing sync.WaitGroup
	publishing.Go(func() { publishAll(t, relay, 2, 100) })
	for range 20 {
		e := subscribe(t, relay, studio)
		relay.Unsubscribe(studio, e)
		e.close()
	}
	publishing.Wait()
	staying.heard(200)
}

func testKeptEvents(t *testing.T, relay Relay, _ presence.Store) {
	for n := range 3*LogEvents + 10 {
		publish(t, relay, chat(fmt.Sprint(n+1)))
	}
	snap, _ := subscribe(t, relay, studio).heard(0)
	if snap.Offset != 3*LogEvents+10 || len(snap.Events) != LogEvents {
		t.Fatalf("the snapshot at %d has %d events, want %d", snap.Offset, len(snap.Events), LogEvents)
	}
	for i, e := range snap.Events {
		want := int64(2*LogEvents + 10 + i + 1)
		if e.Offset != want || e.Epoch != snap.Epoch || string(e.Data) != fmt.Sprintf(`{"text":"%d"}`, want) {
			t.Fatalf("event %d of the snapshot is %+v, want the one at %d", i, e, want)
		}
		if m := decode[EventMessage](t, e.Message()); m.Offset != want {
			t.Fatalf("event %d of the snapshot is encoded as %+v", i, m)
		}
	}
}

func testKey(t *testing.T, relay Relay, _ presence.Store) {
	e := subscribe(t, relay, studio)
	p := chat("once")
	p.Key = "k1"
	first := publish(t, relay, p)
	publish(t, relay, chat("in between"))
	if again := publish(t, relay, p); again != first {
		t.Errorf("published again at %+v, want %+v", again, first)
	}
	elsewhere := p
	elsewhere.Room = "attic"
	elsewhere.Data = wire.JSON(ChatData{"a key belongs to its room"})
	publish(t, relay, elsewhere)
	p.Key = "k2"
	if other := publish(t, relay, p); other.Offset != 3 {
		t.Errorf("another key got %+v, want offset 3", other)
	}
	e.heard(3)
}

func testKeyRace(t *testing.T, relay Relay, _ presence.Store) {
	e := subscribe(t, relay, studio)
	p := chat("once")
	p.Key = "k1"
	var all sync.WaitGroup
	positions := make([]Position, 8)
	for i := range positions {
		all.Go(func() { positions[i], _ = relay.Publish(context.Background(), p) })
	}
	all.Wait()
	for _, at := range positions {
		if at != positions[0] || at.Offset != 1 {
			t.Errorf("published at %+v and at %+v", at, positions[0])
		}
	}
	e.heard(1)
}

func testKeyReused(t *testing.T, relay Relay, _ presence.Store) {
	e := subscribe(t, relay, studio)
	p := chat("once")
	p.Key = "k1"
	publish(t, relay, p)
	otherText, otherName := p, p
	otherText.Data = wire.JSON(ChatData{"twice"})
	otherName.Name = "x.note"
	for _, other := range []Publication{otherText, otherName} {
		if at, err := relay.Publish(context.Background(), other); !errors.Is(err, ErrKeyReused) {
			t.Errorf("%s %s under the same key: %+v, %v, want ErrKeyReused", other.Name, other.Data, at, err)
		}
	}
	e.heard(1)
}

// performance lets alice come, be live and go in a room, and returns the names
// of the transitions.
func performance(t *testing.T, store presence.Store, room string) []string {
	t.Helper()
	ctx := context.Background()
	claim := func(connection string) presence.Hold {
		claimed, err := store.Claim(ctx, presence.Claim{Room: room, User: alice, Connection: connection, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		return presence.Hold{Room: room, Fence: claimed.Lease.Fence}
	}
	h := claim("c1")
	title := "Etchings"
	_, err1 := store.Start(ctx, h, presence.Start{Details: presence.Details{Title: "Sketches"}})
	_, err2 := store.Update(ctx, h, presence.Changes{Title: &title})
	err3 := store.Release(ctx, h, presence.ReasonConnectionLost)
	h = claim("c2")
	err4 := store.Release(ctx, h, presence.ReasonLeft)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return []string{"streamer.online", "live.started", "live.updated", "live.reconnecting", "live.resumed", "live.ended", "streamer.offline"}
}

func apply(t *testing.T, relay Relay, room string) {
	t.Helper()
	if err := relay.Apply(context.Background(), presence.PartitionOf(room)); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func namesOf(events []*Event) (names []string) {
	for _, e := range events {
		names = append(names, e.Name)
	}
	return names
}

func testApply(t *testing.T, relay Relay, store presence.Store) {
	e := subscribe(t, relay, studio)
	publish(t, relay, chat("she is late"))
	want := append([]string{EventChat}, performance(t, store, studio)...)
	apply(t, relay, studio)
	apply(t, relay, studio)
	_, events := e.heard(len(want))
	if got := namesOf(events); !slices.Equal(got, want) {
		t.Fatalf("heard %q, want %q", got, want)
	}
	made, err := store.Read(context.Background(), presence.PartitionOf(studio), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i, tr := range made {
		got := events[i+1]
		if got.At != tr.At || got.From != nil || !reflect.DeepEqual(*got.After, tr.After) {
			t.Errorf("%s became %+v", tr.Kind, got)
		}
		if tr.Broadcast == nil {
			if data := decode[UserData](t, got.Data); data.User != tr.User {
				t.Errorf("%s tells of %+v", tr.Kind, data)
			}
		} else if data := decode[BroadcastData](t, got.Data); !reflect.DeepEqual(data, BroadcastData{tr.Broadcast, tr.Reason, tr.Until}) {
			t.Errorf("%s tells of %+v", tr.Kind, data)
		}
	}
}

func testApplyRace(t *testing.T, relay Relay, store presence.Store) {
	e := subscribe(t, relay, studio)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for {
				if err := relay.Apply(context.Background(), presence.PartitionOf(studio)); err != nil {
					t.Errorf("apply: %v", err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	var want []string
	for range 20 {
		want = append(want, performance(t, store, studio)...)
	}
	close(stop)
	all.Wait()
	apply(t, relay, studio)
	_, events := e.heard(len(want))
	if got := namesOf(events); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func testViewInSnapshot(t *testing.T, relay Relay, store presence.Store) {
	ctx := context.Background()
	claimed, err := store.Claim(ctx, presence.Claim{Room: studio, User: alice, Connection: "c1", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	h := presence.Hold{Room: studio, Fence: claimed.Lease.Fence}
	l, err := store.Start(ctx, h, presence.Start{Details: presence.Details{Title: "Sketches"}})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, relay, studio)
	publish(t, relay, chat("there she is"))
	if snap, _ := subscribe(t, relay, studio).heard(0); !reflect.DeepEqual(snap.View, l.View()) || snap.Offset != 3 {
		t.Errorf("the snapshot at %d shows %+v, want %+v", snap.Offset, snap.View, l.View())
	}
	if err := store.Release(ctx, h, presence.ReasonLeft); err != nil {
		t.Fatal(err)
	}
	apply(t, relay, studio)
	if snap, _ := subscribe(t, relay, studio).heard(0); snap.View != presence.Offline || snap.Offset != 5 {
		t.Errorf("the snapshot at %d shows %+v, want offline", snap.Offset, snap.View)
	}
}

// basin is a Sink that remembers.
type basin struct {
	mu       sync.Mutex
	commands []Command
	reacted  []Reactions
}

func (b *basin) Command(c Command) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commands = append(b.commands, c)
}

func (b *basin) Reactions(room string, counts map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reacted = append(b.reacted, Reactions{room, maps.Clone(counts)})
}

// wantReacted waits for all reactions so far, in their order.
func (b *basin) wantReacted(t *testing.T, want ...Reactions) {
	t.Helper()
	eventually(t, fmt.Sprint("reactions were ", want), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return reflect.DeepEqual(b.reacted, want)
	})
}

func (b *basin) TakeSignal(_ Signal, answered func(error)) { answered(nil) }

func (b *basin) OtherViewers(string, int) {}
func (b *basin) Repeat(string)            {}

func (b *basin) Members(room string, first int, after string) ([]Member, bool) {
	return []Member{{ID: room + after, User: alice, Role: auth.RoleViewer}}, first == 1
}

func testCommand(t *testing.T, relay Relay, _ presence.Store) {
	b := &basin{}
	relay.Attach(b)
	want := Command{Node: "n1", Connection: "n1-c1", Cut: CutReplaced}
	if err := relay.Command(context.Background(), want); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command arrives", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.commands) == 1 && b.commands[0] == want
	})
}

func react(t *testing.T, relay Relay, all ...Reactions) {
	t.Helper()
	if err := relay.React(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func testReact(t *testing.T, relay Relay, _ presence.Store) {
	b := &basin{}
	relay.Attach(b)
	for _, room := range []string{studio, "attic"} {
		subscribe(t, relay, room)
	}
	// Kinds may be whatever Check lets through.
	here := Reactions{studio, map[string]int{"heart": 12, "👩‍🎨": 1, `{"epoch":"\"<`: 3}}
	there := Reactions{"attic", map[string]int{"heart": 1, "epoch": 2, "offset": 3, "type": 4}}
	react(t, relay, here, there)
	react(t, relay, here)
	react(t, relay)
	b.wantReacted(t, here, there, here)
}

func testReactionsAreNoEvents(t *testing.T, relay Relay, _ presence.Store) {
	b := &basin{}
	relay.Attach(b)
	e := subscribe(t, relay, studio)
	wow := Reactions{studio, map[string]int{"wow": 1}}
	at := publish(t, relay, chat("one"))
	react(t, relay, wow)
	if next := publish(t, relay, chat("two")); next.Epoch != at.Epoch || next.Offset != at.Offset+1 {
		t.Errorf("an event at %+v, and the next at %+v", at, next)
	}
	b.wantReacted(t, wow)
	e.heard(2)
	late := subscribe(t, relay, studio)
	if snap, _ := late.heard(0); snap.Offset != 2 || len(snap.Events) != 2 || e.resets != 1 {
		t.Errorf("a late subscriber gets %+v, and the first one was reset %d times", snap, e.resets)
	}
	react(t, relay, wow)
	b.wantReacted(t, wow, wow) // once, however many receivers there are
}

func testMembersOfSink(t *testing.T, relay Relay, _ presence.Store) {
	relay.Attach(&basin{})
	want := Roster{Members: []Member{{ID: "studio-9", User: alice, Role: auth.RoleViewer}}, More: true}
	if got := relay.Members(t.Context(), "studio", 1, "-9"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func testSignalToNobody(t *testing.T, relay Relay, _ presence.Store) {
	relay.Attach(&basin{})
	answers := make(chan error, 2)
	relay.Signal(t.Context(), "nobody", Signal{Room: studio, Session: "s1", Kind: SignalRequest, To: "nobody-c1"}, func(err error) { answers <- err })
	if err := <-answers; !errors.Is(err, ErrPeerGone) {
		t.Errorf("got %v, want %v", err, ErrPeerGone)
	}
}

func testPeerings(t *testing.T, relay Relay, _ presence.Store) {
	ctx := t.Context()
	want := func(room string, want ...Peering) {
		t.Helper()
		got, err := relay.Peerings(ctx, room)
		slices.SortFunc(got, func(a, b Peering) int { return strings.Compare(a.Session, b.Session) })
		if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s has %+v, %v, want %+v", room, got, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want(studio)
	one, two := Peering{Session: "s1", User: "bob", Member: "n1-b"}, Peering{Session: "s2", Member: "n1-c"}
	must(relay.KeepPeerings(ctx, studio, []Peering{one, two}))
	must(relay.KeepPeerings(ctx, "other", []Peering{two}))
	want(studio, one, two)
	one.Member = "n2-b"
	must(relay.KeepPeerings(ctx, studio, []Peering{one}))
	want(studio, one, two)
	must(relay.DropPeering(ctx, studio, "s1"))
	must(relay.DropPeering(ctx, studio, "s1"))
	want(studio, two)
	must(relay.DropPeering(ctx, studio, "s2"))
	want(studio)
	want("other", two)
	must(relay.DropPeerings(ctx, "other"))
	must(relay.DropPeerings(ctx, "other"))
	want("other")
}

func testNoted(t *testing.T, relay Relay, store presence.Store) {
	line := chat("hello")
	publish(t, relay, line) // nobody asked for this one
	line.Noted, line.Key = true, "k"
	at := publish(t, relay, line)
	if again := publish(t, relay, line); again != at {
		t.Errorf("published at %+v, then at %+v", at, again)
	}
	line.From, line.Key = nil, ""
	publish(t, relay, line)
	notes, err := store.Notes(t.Context(), presence.PartitionOf(studio), 10)
	if err != nil || len(notes) != 2 {
		t.Fatalf("noted %+v, %v", notes, err)
	}
	if n := notes[0]; n.Kind != presence.NoteChat || n.Room != studio {
		t.Errorf("noted %+v", n)
	}
	got := decode[EventMessage](t, notes[0].Data)
	if got.Position != at || !reflect.DeepEqual(got.From, chatFromBob) || string(got.Data) != `{"text":"hello"}` || got.At == 0 {
		t.Errorf("noted %s", notes[0].Data)
	}
	if got := decode[EventMessage](t, notes[1].Data); got.From != nil || got.Offset != at.Offset+1 {
		t.Errorf("noted %s", notes[1].Data)
	}
}

func slowLine(user string, slow time.Duration) Publication {
	return Publication{Room: studio, Name: EventChat, From: &Sender{ID: user, Role: auth.RoleViewer}, Data: wire.JSON(ChatData{"hello"}), Slow: slow}
}

func testSlow(t *testing.T, relay Relay, _ presence.Store) {
	const slow = 500 * time.Millisecond
	say := func(p Publication) (time.Duration, bool) {
		t.Helper()
		_, err := relay.Publish(t.Context(), p)
		var soon *TooSoon
		if !errors.As(err, &soon) {
			if err != nil {
				t.Fatal(err)
			}
			return 0, true
		}
		return soon.Wait, false
	}
	began := time.Now()
	if wait, ok := say(slowLine("bob", slow)); !ok {
		t.Errorf("the first line has to wait %s", wait)
	}
	if wait, ok := say(slowLine("bob", slow)); ok && time.Since(began) < slow || !ok && (wait <= 0 || wait > slow) {
		t.Errorf("the second, at once: said %v, to wait %s", ok, wait)
	}
	other := slowLine("bob", slow)
	other.Room = "attic"
	for name, p := range map[string]Publication{"another's": slowLine("carol", slow), "in another room": other, "of who need not wait": slowLine("bob", 0)} {
		if wait, ok := say(p); !ok {
			t.Errorf("a line %s has to wait %s", name, wait)
		}
	}
	time.Sleep(slow)
	if wait, ok := say(slowLine("bob", slow)); !ok {
		t.Errorf("%s later a line has to wait %s", time.Since(began), wait)
	}
	if wait, ok := say(slowLine("bob", time.Hour)); ok || wait < time.Hour-time.Minute || wait > time.Hour {
		t.Errorf("once the room is slower: said %v, to wait %s", ok, wait)
	}
}

func testSlowRace(t *testing.T, relay Relay, _ presence.Store) {
	var said atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := relay.Publish(context.Background(), slowLine("bob", time.Minute)); err == nil {
				said.Add(1)
			}
		})
	}
	all.Wait()
	if n := said.Load(); n != 1 {
		t.Errorf("%d lines were said at once, want 1", n)
	}
}

func testSlowKey(t *testing.T, relay Relay, _ presence.Store) {
	p := slowLine("bob", time.Minute)
	p.Key = "bob 1"
	first, err := relay.Publish(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := relay.Publish(t.Context(), p); err != nil || again != first {
		t.Errorf("repeated it is at %+v, %v, want %+v", again, err, first)
	}
	p.Key = "bob 2"
	var soon *TooSoon
	if _, err := relay.Publish(t.Context(), p); !errors.As(err, &soon) {
		t.Errorf("under another key: %v", err)
	}
}

func testDeleted(t *testing.T, relay Relay, _ presence.Store) {
	for _, p := range []Publication{
		{Room: studio, Name: EventChat, From: chatFromBob, Data: wire.JSON(ChatData{"secret"})},
		{Room: studio, Name: EventChat, From: chatFromBob, Data: wire.JSON(ChatData{"hello"})},
		{Room: studio, Name: EventChatDeleted, Data: wire.JSON(DeletedData{1})},
		{Room: studio, Name: EventChatDeleted, Data: wire.JSON(DeletedData{3})}, // no line
		{Room: studio, Name: EventChatDeleted, Data: wire.JSON(DeletedData{99})},
	} {
		if _, err := relay.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	r := newRoom(studio, newLedger(), func(string) {}, nil)
	if err := relay.Subscribe(t.Context(), studio, r); err != nil {
		t.Fatal(err)
	}
	defer relay.Unsubscribe(studio, r)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if chat := r.log.chat(10, 1<<20, now); len(chat) != 1 || chat[0].Offset != 2 {
		t.Errorf("of two lines, one deleted, %d are shown", len(chat))
	}
	events, ok := r.log.since(Position{r.log.epoch, 0}, now)
	if !ok || len(events) != 5 {
		t.Fatalf("recovered %d events, %v", len(events), ok)
	}
	for i, e := range events {
		if e.Offset != int64(i+1) || strings.Contains(string(e.Message()), "secret") {
			t.Errorf("event %d is %s", i+1, e.Message())
		}
	}
}
