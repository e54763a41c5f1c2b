package rooms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
)

// pair is two nodes of one service, and what their sinks were told.
type pair struct {
	a, b         *redisNode
	sinkA, sinkB *sink
}

func openPair(t *testing.T) pair {
	t.Parallel() // it takes a refresh of their leases until they know each other
	prefix := testserver.RedisPrefix()
	p := pair{sinkA: newSink(), sinkB: newSink()}
	p.a, p.b = openRedis(t, prefix, "n1", p.sinkA), openRedis(t, prefix, "n2", p.sinkB)
	for _, n := range []*redisNode{p.a, p.b} {
		eventually(t, "the nodes know each other", func() bool { return len(n.nodes.Living()) == 2 })
	}
	return p
}

// sink is a Sink that remembers.
type sink struct {
	basin    // of reactions
	mu       sync.Mutex
	commands []Command
	others   map[string]int
	repeats  []string
	members  map[string][]string // room → ids, in order
	mute     chan struct{}       // not nil: until it is closed, nothing is said of members
	signals  []Signal
	answer   func(Signal, func(error)) // of a signal; nil: it is taken
}

func newSink() *sink { return &sink{others: make(map[string]int)} }

func (s *sink) Command(c Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, c)
}

func (s *sink) TakeSignal(sig Signal, answered func(error)) {
	s.mu.Lock()
	s.signals = append(s.signals, sig)
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		answered(nil)
		return
	}
	answer(sig, answered)
}

func (s *sink) OtherViewers(room string, viewers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set(s.others, room, viewers)
}

func (s *sink) Repeat(room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repeats = append(s.repeats, room)
}

func (s *sink) Members(room string, first int, after string) ([]Member, bool) {
	s.mu.Lock()
	mute := s.mute
	ids := slices.DeleteFunc(slices.Clone(s.members[room]), func(id string) bool { return id <= after })
	s.mu.Unlock()
	if mute != nil {
		<-mute
	}
	page := []Member{}
	for _, id := range ids[:min(first, len(ids))] {
		page = append(page, Member{ID: id, User: alice, Role: auth.RoleViewer})
	}
	return page, len(ids) > first
}

func (s *sink) obeyed() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

func (s *sink) wantOthers(t *testing.T, want map[string]int) {
	t.Helper()
	eventually(t, fmt.Sprint("viewers on other nodes are ", want), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return maps.Equal(s.others, want)
	})
}

func TestRedisEveryNodeHearsTheSame(t *testing.T) {
	p := openPair(t)
	here, there := subscribe(t, p.a.relay, studio), subscribe(t, p.b.relay, studio)
	var publishing sync.WaitGroup
	for _, n := range []*redisNode{p.a, p.b} {
		publishing.Go(func() { publishAll(t, n.relay, 4, 50) })
	}
	want := performance(t, p.a.store, studio)
	var applying sync.WaitGroup
	for _, n := range []*redisNode{p.a, p.b, p.a, p.b} { // whoever applies, it is told once
		applying.Go(func() { apply(t, n.relay, studio) })
	}
	publishing.Wait()
	applying.Wait()
	_, a := here.heard(400 + len(want))
	_, b := there.heard(400 + len(want))
	var told []string
	for i := range a {
		if string(a[i].Message()) != string(b[i].Message()) {
			t.Fatalf("event %d is %s on one node and %s on the other", i, a[i].Message(), b[i].Message())
		}
		if a[i].Name != EventChat {
			told = append(told, a[i].Name)
		}
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// A node whose connection for messages is cut misses nothing: what it did not hear, it reads.
func TestRedisFillsGaps(t *testing.T) {
	server := testserver.OwnRedis(t)
	listening, talking := onServer(t, server, "n1"), onServer(t, server, "n2")
	e := subscribe(t, listening.relay, studio)
	cutter := cutterOf(t, server)
	const rounds, each = 8, 60 // fewer than the log keeps
	for round := range rounds {
		var publishing sync.WaitGroup
		publishing.Go(func() { publishAll(t, talking.relay, 2, each/2) })
		cutter()
		publishing.Wait()
		e.heard((round + 1) * each) // Deliver has checked that there was no gap and no repeat
	}
	if e.resets != 1 {
		t.Errorf("the receiver was reset %d times; everything was in the log", e.resets)
	}
}

// More is missed than the log keeps: then the snapshot is the truth, and the sequence goes on after it.
func TestRedisResetsAfterTooMuch(t *testing.T) {
	server := testserver.OwnRedis(t)
	listening, talking := onServer(t, server, "n1"), onServer(t, server, "n2")
	e := subscribe(t, listening.relay, studio)
	publish(t, talking.relay, chat("heard"))
	e.heard(1)
	// Nothing is heard as long as the listener is stopped.
	listening.stop()
	publishAll(t, talking.relay, 1, 2*LogEvents)
	listening.again(t)
	eventually(t, "the receiver is reset", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.resets == 2
	})
	publish(t, talking.relay, chat("heard again"))
	snap, events := e.heard(1)
	if snap.Offset != 2*LogEvents+1 || len(snap.Events) != LogEvents || events[0].Offset != snap.Offset+1 {
		t.Errorf("the snapshot at %d has %d events, the next is at %d", snap.Offset, len(snap.Events), events[0].Offset)
	}
}

// Redis comes back empty: the room is a new one, and its members get the snapshot of that.
func TestRedisWipedRoom(t *testing.T) {
	p := openPair(t)
	e := subscribe(t, p.a.relay, studio)
	publish(t, p.b.relay, chat("one"))
	e.heard(1)
	base := p.a.relay.parts[presence.PartitionOf(studio)].base
	if err := p.a.relay.cfg.Conn.Client().Del(t.Context(), base+"room:"+studio, base+"events:"+studio).Err(); err != nil {
		t.Fatal(err)
	}
	at := publish(t, p.b.relay, chat("two"))
	eventually(t, "the receiver is reset", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.resets == 2 && e.snap.Epoch == at.Epoch && e.snap.Offset == at.Offset && len(e.snap.Events) == 1
	})
}

// onServer is openRedis on a server of the test's own.
func onServer(t *testing.T, server *testserver.RedisServer, node string) *redisNode {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), server.URL, "test", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return openConn(t, conn, node, &basin{})
}

// again lets a node run that was stopped. Its relay has ended for good, so only its connection for messages is made
// anew, as after a loss that took long.
func (n *redisNode) again(t *testing.T) {
	t.Helper()
	n.relay.mu.Lock()
	n.relay.ended = false
	n.relay.life, n.relay.cancel = context.WithCancel(context.Background())
	n.relay.mu.Unlock()
	n.run(t)
}

// cutterOf returns a function that cuts all connections for messages.
func cutterOf(t *testing.T, server *testserver.RedisServer) func() {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), server.URL, "cutter", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() {
		t.Helper()
		if err := conn.Client().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedisCommandsReachTheirNode(t *testing.T) {
	p := openPair(t)
	one := Command{Node: "n2", Connection: "n2-c1", Cut: CutReplaced}
	all := Command{Connection: "n1-c7", Cut: CutReplaced}
	for _, c := range []Command{one, all} {
		if err := p.a.relay.Command(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both commands reach n2", func() bool { return len(p.sinkB.obeyed()) == 2 })
	if got := p.sinkB.obeyed(); !slices.Contains(got, one) || !slices.Contains(got, all) {
		t.Errorf("n2 obeyed %+v", got)
	}
	eventually(t, "what is for all reaches n1", func() bool { return len(p.sinkA.obeyed()) == 1 })
	if got := p.sinkA.obeyed()[0]; got != all {
		t.Errorf("n1 obeyed %+v", got)
	}
}

// Viewers are added up over the living nodes, whatever happens to the others.
func TestRedisViewers(t *testing.T) {
	t.Parallel()
	prefix := testserver.RedisPrefix()
	sinkA, sinkB := newSink(), newSink()
	a := openRedis(t, prefix, "n1", sinkA)
	report := func(n *redisNode, room string, viewers int) {
		t.Helper()
		report(t, n.relay, Attendance{Room: room, Viewers: viewers})
	}
	report(a, studio, 3)
	b := openRedis(t, prefix, "n2", sinkB)
	report(b, studio, 4)
	report(b, "attic", 1)
	sinkB.wantOthers(t, map[string]int{studio: 3}) // said before it came
	sinkA.wantOthers(t, map[string]int{studio: 4, "attic": 1})
	report(b, studio, 5)
	report(b, "attic", 0)
	sinkA.wantOthers(t, map[string]int{studio: 5})

	// A node that dies counts no more, and what it had said is cleared away.
	c := openRedis(t, prefix, "n3", newSink())
	report(c, studio, 100)
	sinkA.wantOthers(t, map[string]int{studio: 105})
	killed(t, c, a)
	sinkA.wantOthers(t, map[string]int{studio: 5})
	sinkB.wantOthers(t, map[string]int{studio: 3})
	viewers := a.relay.parts[presence.PartitionOf(studio)].base + "viewers"
	eventually(t, "the dead node's numbers are cleared away", func() bool {
		fields, err := a.relay.cfg.Conn.Client().HGetAll(t.Context(), viewers).Result()
		return err == nil && maps.Equal(fields, map[string]string{"n1 " + studio: "3", "n2 " + studio: "5"})
	})
}

// Of many rooms that are reported at once, each has an outcome of its own, and what was not taken is said again.
func TestRedisViewersOfManyRooms(t *testing.T) {
	p := openPair(t)
	client, broken := p.a.relay.cfg.Conn.Client(), p.a.relay.parts[presence.PartitionOf("room-7")].base+"viewers"
	var all []Attendance
	want, failing := map[string]int{}, map[string]bool{}
	for i := range 3 * reportedAtOnce {
		room := fmt.Sprint("room-", i)
		all = append(all, Attendance{Room: room, Viewers: i % 3})
		failing[room] = presence.PartitionOf(room) == presence.PartitionOf("room-7")
		if i%3 > 0 && !failing[room] {
			want[room] = i % 3
		}
	}
	if err := client.Set(t.Context(), broken, "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	errs := p.a.relay.Report(t.Context(), all)
	for i, a := range all {
		if news := a.Viewers > 0; (errs[i] != nil) != (failing[a.Room] && news) {
			t.Errorf("reporting %d in %s: %v", a.Viewers, a.Room, errs[i])
		}
	}
	p.sinkB.wantOthers(t, want)
	if err := client.Del(t.Context(), broken).Err(); err != nil {
		t.Fatal(err)
	}
	for i, a := range all {
		if all[i].Viewers = 2 * a.Viewers; a.Viewers > 0 {
			want[a.Room] = 2 * a.Viewers
		}
	}
	report(t, p.a.relay, all...)
	p.sinkB.wantOthers(t, want)
}

// killed ends a node as if without a word, and lets its lease lapse.
func killed(t *testing.T, dead, other *redisNode) {
	t.Helper()
	dead.relay.counts.mu.Lock()
	clear(dead.relay.counts.reported) // or it would take back its numbers in good order
	dead.relay.counts.mu.Unlock()
	dead.stop()
	key := other.relay.cfg.Conn.Base("nodes") + "leases"
	if err := other.relay.cfg.Conn.Client().ZAdd(t.Context(), key, lapsed(dead.relay.cfg.Node+"~1")).Err(); err != nil {
		t.Fatal(err)
	}
}

// A node that stops takes its numbers with it: nobody else would.
func TestRedisViewersOfANodeThatStops(t *testing.T) {
	p := openPair(t)
	report(t, p.b.relay, Attendance{Room: studio, Viewers: 3}, Attendance{Room: "attic", Viewers: 3})
	p.sinkA.wantOthers(t, map[string]int{studio: 3, "attic": 3})
	p.b.stop()
	p.sinkA.wantOthers(t, map[string]int{})
	for _, room := range []string{studio, "attic"} {
		key := p.a.relay.parts[presence.PartitionOf(room)].base + "viewers"
		if n := p.a.relay.cfg.Conn.Client().HLen(t.Context(), key).Val(); n != 0 {
			t.Errorf("%d numbers are left in %s", n, key)
		}
	}
}

// A node whose numbers were lost in Redis, or cleared away while it was frozen, says them again.
func TestRedisViewersAreRepeated(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t)
	conn, err := redisconn.Open(t.Context(), server.URL, "test", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h := open(t)
	n := openConn(t, conn, "n1", h.hub)
	h.hub.cfg.Relay = n.relay
	h.viewer(bob, "n1-b")
	tell := func() { h.hub.tellAllViewers(t.Context(), time.Now()) }
	number := func() string {
		n, _ := conn.Client().HGet(t.Context(), n.relay.parts[presence.PartitionOf(studio)].base+"viewers", "n1 "+studio).Result()
		return n
	}
	tell()
	if number() != "1" {
		t.Fatalf("Redis has %q viewers, want 1", number())
	}
	server.Stop()
	server.Start() // empty
	eventually(t, "the number is there again", func() bool { tell(); return number() == "1" })
}

// A message is lost although the connection stays: the next one shows it, and what is missing is read.
func TestRedisNoticesAGap(t *testing.T) {
	p := openPair(t)
	e, marker := subscribe(t, p.a.relay, studio), subscribe(t, p.a.relay, "attic")
	publish(t, p.b.relay, chat("one"))
	e.heard(1)
	relay := p.a.relay
	relay.mu.Lock()
	feed := relay.feeds[studio]
	delete(relay.feeds, studio) // deaf for this room
	relay.mu.Unlock()
	for range 3 {
		publish(t, p.b.relay, chat("not heard"))
	}
	last := chat("over")
	last.Room = "attic"
	publish(t, p.b.relay, last)
	marker.heard(1) // and so the three before it have come, and gone
	relay.mu.Lock()
	relay.feeds[studio] = feed
	relay.mu.Unlock()
	e.heard(1)
	publish(t, p.b.relay, chat("heard again"))
	e.heard(5)
	if e.resets != 1 {
		t.Errorf("the receiver was reset %d times", e.resets)
	}
}

// A node that was frozen was taken for dead and its viewers cleared away, at whatever moment: it says them again.
func TestRedisViewersAfterAFreeze(t *testing.T) {
	p := openPair(t)
	say := func() { // as a hub does every second of a room that it was told of
		t.Helper()
		report(t, p.a.relay, Attendance{Room: studio, Viewers: 3})
	}
	say()
	p.sinkB.wantOthers(t, map[string]int{studio: 3})
	for range 20 {
		p.b.relay.counts.clear(t.Context(), "n1")
		p.sinkB.wantOthers(t, map[string]int{})
		eventually(t, "n1 is to say it again", func() bool {
			p.a.relay.counts.mu.Lock()
			defer p.a.relay.counts.mu.Unlock()
			return p.a.relay.counts.unsure[studio]
		})
		say()
		p.sinkB.wantOthers(t, map[string]int{studio: 3})
	}
}

// Whoever invents a new key for everything must not fill Redis, and what is remembered ends by itself.
func TestRedisBoundsKeys(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	for i := range maxKeys + 20 {
		p := chat("once")
		p.Key = fmt.Sprint("k", i)
		publish(t, n.relay, p)
	}
	base, client := n.relay.parts[presence.PartitionOf(studio)].base, n.relay.cfg.Conn.Client()
	if kept := client.HLen(t.Context(), base+"used:"+studio).Val(); kept != maxKeys {
		t.Errorf("%d keys are remembered, want %d", kept, maxKeys)
	}
	p := chat("another")
	p.Key = fmt.Sprint("k", maxKeys+19)
	if _, err := n.relay.Publish(t.Context(), p); !errors.Is(err, ErrKeyReused) {
		t.Errorf("the last key was forgotten: %v", err)
	}
	if err := client.ZIncrBy(t.Context(), base+"usedat:"+studio, -float64(KeyAge.Milliseconds())-1000, p.Key).Err(); err != nil {
		t.Fatal(err)
	}
	if at := publish(t, n.relay, p); at.Offset != maxKeys+21 {
		t.Errorf("under a key older than %s: %+v, want a new event", KeyAge, at)
	}
	for _, key := range []string{"used:", "usedat:", "events:", "room:"} {
		if lasts := client.PTTL(t.Context(), base+key+studio).Val(); lasts <= 0 {
			t.Errorf("%s%s never ends", key, studio)
		}
	}
}

// A room whose streamer is there is not forgotten, however long nothing happens in it.
func TestRedisKeepsHeldRooms(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	key, client := n.relay.parts[presence.PartitionOf(studio)].base+"room:"+studio, n.relay.cfg.Conn.Client()
	claimed, err := n.store.Claim(t.Context(), presence.Claim{Room: studio, User: alice, Connection: "c1", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, n.relay, studio)
	publish(t, n.relay, chat("hello"))
	if lasts := client.PTTL(t.Context(), key).Val(); lasts != -1 {
		t.Errorf("with its streamer there, the room is forgotten after %s", lasts)
	}
	if err := n.store.Release(t.Context(), presence.Hold{Room: studio, Fence: claimed.Lease.Fence}, presence.ReasonLeft); err != nil {
		t.Fatal(err)
	}
	apply(t, n.relay, studio)
	if lasts := client.PTTL(t.Context(), key).Val(); lasts <= 0 || lasts > roomIdle {
		t.Errorf("once it is empty, the room is forgotten after %s", lasts)
	}
}
