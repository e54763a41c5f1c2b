package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
)

// fleet is the nodes of a service, over a Redis of their own that a test may harm.
type fleet struct {
	t      *testing.T
	server *testserver.RedisServer
	conn   *redisconn.Conn
	nodes  map[string]*member
}

// member is what a node has of presence. Its directory follows; its registry is only refreshed when a test says so.
type member struct {
	*Redis
	name      string
	directory *Directory
	nodes     *Nodes

	mu   sync.Mutex
	lost []string // "<connection> replaced" or "<connection> lost"
}

func openFleet(t *testing.T, names ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, server: testserver.OwnRedis(t), nodes: make(map[string]*member)}
	f.conn = f.connect()
	for _, name := range names {
		f.join(name)
	}
	return f
}

func (f *fleet) connect() *redisconn.Conn {
	f.t.Helper()
	conn, err := redisconn.Open(f.t.Context(), f.server.URL, "tallylight", quiet)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	return conn
}

// join adds a node whose directory is loaded.
func (f *fleet) join(name string) *member {
	f.t.Helper()
	conn := f.connect()
	m := &member{name: name, nodes: NewNodes(conn, name, quiet)}
	var err error
	m.Redis, err = NewRedis(f.t.Context(), RedisConfig{Conn: conn, Node: name, Nodes: m.nodes, Logger: quiet, Heartbeat: time.Minute})
	if err != nil {
		f.t.Fatal(err)
	}
	m.directory = NewDirectory(m.Redis, quiet)
	m.OnRecovery(m.directory.Knowledge, func(int) {}, m.note)
	m.nodes.refresh(f.t.Context())
	background(f.t, m.listener.Run)
	background(f.t, m.directory.Run)
	<-m.directory.Ready()
	f.nodes[name] = m
	return m
}

func (m *member) note(l Lease, replaced bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = append(m.lost, l.Connection+map[bool]string{true: " replaced", false: " lost"}[replaced])
}

func (m *member) lostSoFar() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprint(m.lost)
}

// joins claims a room over a connection of the node.
func (m *member) joins(t *testing.T, room string, user User, connection string) *streamer {
	t.Helper()
	claimed, err := m.Claim(context.Background(), Claim{Room: room, User: user, Connection: connection, Node: m.name})
	if err != nil {
		t.Fatalf("%s joins %s over %s: %v", user.ID, room, connection, err)
	}
	return &streamer{t: t, s: m.Redis, hold: Hold{room, claimed.Lease.Fence}, was: claimed}
}

// knows waits until a node's directory shows a room in a state.
func (m *member) knows(t *testing.T, room string, want State) View {
	t.Helper()
	var v View
	eventually(t, fmt.Sprintf("%s shows %s as %s", m.name, room, want), func() bool {
		v = m.directory.Room(room).View
		return v.State == want
	})
	return v
}

func (m *member) sweepAll(t *testing.T) {
	t.Helper()
	if _, err := m.Sweep(context.Background(), everyPartition()...); err != nil {
		t.Errorf("sweeping: %v", err)
	}
}

func (f *fleet) flush() {
	f.t.Helper()
	if err := f.conn.Client().FlushAll(f.t.Context()).Err(); err != nil {
		f.t.Fatal(err)
	}
}

// kindsSince returns the kinds of the transitions in a room's partition that can be read now.
func (m *member) kinds(t *testing.T, room string) []Kind {
	t.Helper()
	made, err := m.Read(t.Context(), PartitionOf(room), 0, 1000)
	if err != nil && !errors.Is(err, ErrTrimmed) {
		t.Fatal(err)
	}
	var kinds []Kind
	for _, tr := range made {
		if tr.Room == room && tr.Kind != LeaseMoved {
			kinds = append(kinds, tr.Kind)
		}
	}
	return kinds
}

// get reads a lease over another connection than the nodes', without their noticing anything.
func (f *fleet) get(m *member, room string) Lease {
	f.t.Helper()
	l, err := m.Get(f.t.Context(), room)
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// Redis loses everything. Whoever does anything next first puts back what it knows, its own and that of others, and
// nobody is told of a transition.
func TestFlushIsPutBack(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	carol, dave := User{ID: "carol"}, User{ID: "dave"}
	a := n1.joins(t, "alice", alice, "a1")
	live := a.start(time.Minute)
	n1.joins(t, "bob", bob, "b1") // online only
	c := n2.joins(t, "carol", carol, "c1")
	away := c.start(time.Hour)
	c.release(ReasonConnectionLost)
	d := n2.joins(t, "dave", dave, "d1")
	ended := d.start(time.Minute)
	if _, err := n2.End(t.Context(), d.hold, ReasonEndedByStreamer); err != nil {
		t.Fatal(err)
	}
	for _, m := range f.nodes {
		m.knows(t, "alice", StateLive)
		m.knows(t, "bob", StateOnline)
		m.knows(t, "carol", StateReconnecting)
		m.knows(t, "dave", StateOnline)
	}
	was := make(map[string]Lease)
	for _, room := range []string{"alice", "bob", "carol", "dave"} {
		was[room] = f.get(n1, room)
	}

	f.flush()
	erin := n2.joins(t, "erin", User{ID: "erin"}, "e1") // at once
	erin.start(time.Minute)
	for _, m := range f.nodes {
		m.sweepAll(t)
	}
	for room, before := range was {
		now := f.get(n1, room)
		if now.State != before.State || now.Fence != before.Fence || now.Connection != before.Connection || now.Node != before.Node ||
			now.Life != before.Life || now.User != before.User || (now.Window == nil) != (before.Window == nil) {
			t.Errorf("%s is\n%+v, and was\n%+v", room, now, before)
		}
		if (now.Broadcast == nil) != (before.Broadcast == nil) || now.Broadcast != nil && fmt.Sprint(*now.Broadcast) != fmt.Sprint(*before.Broadcast) {
			t.Errorf("%s broadcasts %+v, and did %+v", room, now.Broadcast, before.Broadcast)
		}
		for _, kind := range n1.kinds(t, room) {
			if kind != LeaseRestored {
				t.Errorf("%s: told of %s", room, kind)
			}
		}
	}
	for _, m := range f.nodes {
		m.knows(t, "erin", StateLive)
		if v := m.knows(t, "alice", StateLive); v.Broadcast.ID != live.ID || v.Broadcast.Version != 1 {
			t.Errorf("%s shows alice as %+v", m.name, v.Broadcast)
		}
		if v := m.knows(t, "carol", StateReconnecting); v.Broadcast.ID != away.ID || v.Broadcast.Version != 2 {
			t.Errorf("%s shows carol as %+v", m.name, v.Broadcast)
		}
		m.knows(t, "dave", StateOnline)
		if m.lostSoFar() != "[]" {
			t.Errorf("%s lost %s", m.name, m.lostSoFar())
		}
	}

	// All goes on where it was: the fences hold, versions follow, and carol's window is still open.
	if _, err := n1.Update(t.Context(), a.hold, Changes{Title: ptr("Inks")}); err != nil {
		t.Errorf("alice's fence: %v", err)
	}
	if back := n1.joins(t, "carol", carol, "c2"); back.was.Lease.Broadcast == nil || back.was.Lease.Broadcast.Version != 3 {
		t.Errorf("back, carol has %+v", back.was.Lease)
	}
	if again, err := n2.Start(t.Context(), d.hold, Start{}); err != nil || again.Broadcast.ID == ended.ID {
		t.Errorf("dave starts again: %+v, %v", again, err)
	}
}

// A node that comes while others put back what Redis lost does not know how much is missing, and says so.
func TestNewcomerIsNotComplete(t *testing.T) {
	f := openFleet(t, "n1")
	n1 := f.nodes["n1"]
	eventually(t, "a node that found nothing is complete", func() bool { return n1.Complete(t.Context()) == nil })
	n1.joins(t, "alice", alice, "a1")
	f.flush()
	n2 := f.join("n2") // finds nothing
	if n2.Complete(t.Context()) == nil {
		t.Error("it is complete although nobody can know yet")
	}
	n1.sweepAll(t)
	n2.begunAt = n2.begunAt.Add(-foundOutBy) // others had time to find out
	if n2.Complete(t.Context()) == nil {
		t.Error("it is complete although others are putting back what they know")
	}
	if f.join("n3").Complete(t.Context()) == nil {
		t.Error("one that comes later is complete")
	}
	if n1.Complete(t.Context()) != nil {
		t.Error("one that knows is not complete any more")
	}
	eventually(t, "all is put back", func() bool { return n2.Complete(t.Context()) == nil })
}

// While nodes put back what was lost, windows stand still; and none is shorter for having been opened meanwhile, by the time
// that nobody swept.
func TestWindowsStandStillAfterALoss(t *testing.T) {
	f := openFleet(t, "n1")
	n1 := f.nodes["n1"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(5 * time.Second)
	f.flush()
	n1.sweepAll(t)
	n1.knows(t, "alice", StateLive)
	key := partitionKey(f.conn, PartitionOf("alice"))
	set := func(since, swept time.Duration) { // ago
		t.Helper()
		now := time.Now()
		err := f.conn.Client().HSet(t.Context(), key, "since", now.Add(-since).UnixMilli(), "swept", now.Add(-swept).UnixMilli(), "clock", 100_000).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	set(4*time.Second, 2*time.Second)
	a.release(ReasonConnectionLost)
	deadline := f.conn.Client().ZScore(t.Context(), n1.parts[PartitionOf("alice")].base+"deadlines", "alice").Val()
	if deadline != 105_000 {
		t.Errorf("the window ends at %.0f on a clock that stands at 100000", deadline)
	}
	set(6*time.Second, 3*time.Second) // two seconds later
	n1.sweepAll(t)
	clock, err := f.conn.Client().HGet(t.Context(), key, "clock").Int()
	if err != nil || clock < 101_000 || clock > 101_500 {
		t.Errorf("a second after it began to run again the clock is at %d, %v", clock, err)
	}
}

// What ended stays ended, also when a node that has not heard of it yet puts back what it knows.
func TestFlushRaisesNoGhost(t *testing.T) {
	for _, first := range []string{"the one that knows", "the one behind"} {
		t.Run(first, func(t *testing.T) {
			f := openFleet(t, "n1", "n2")
			n1, n2 := f.nodes["n1"], f.nodes["n2"]
			a := n1.joins(t, "alice", alice, "a1")
			a.start(time.Minute)
			n2.knows(t, "alice", StateLive)
			behind := n2.directory.Knowledge(PartitionOf("alice"))
			n2.knowledge = func(int) Knowledge { return behind }
			a.release(ReasonLeft)
			n1.knows(t, "alice", StateOffline)
			f.flush()
			order := []*member{n1, n2}
			if first == "the one behind" {
				order = []*member{n2, n1}
			}
			for _, m := range order {
				if _, err := m.Sweep(t.Context(), Due{Partition: PartitionOf("alice")}); err != nil {
					t.Fatal(err)
				}
			}
			if l := f.get(n1, "alice"); l.State != StateOffline {
				t.Errorf("the lease is %+v", l)
			}
		})
	}
}

// Redis comes back with what it had some time ago. The nodes know better: what began since is put back, what ended since
// is removed, and nobody's version goes backwards.
func TestOldDumpIsCorrected(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Minute)
	b := n2.joins(t, "bob", bob, "b1")
	b.start(time.Minute)
	old := dumpOf(t, f.conn)

	if _, err := n1.Update(t.Context(), a.hold, Changes{Title: ptr("Inks")}); err != nil {
		t.Fatal(err)
	}
	a2 := n2.joins(t, "alice", alice, "a2") // moves to the other node, of which nobody is told
	b.release(ReasonLeft)
	carol := n1.joins(t, "carol", User{ID: "carol"}, "c1")
	carol.start(time.Minute)
	for _, m := range f.nodes {
		m.knows(t, "carol", StateLive)
		m.knows(t, "bob", StateOffline)
	}
	restore(t, f.conn, old)
	for _, m := range f.nodes {
		m.sweepAll(t)
		m.knows(t, "bob", StateOffline)
		if v := m.knows(t, "alice", StateLive); v.Broadcast.Version != 2 {
			t.Errorf("%s shows alice as %+v", m.name, v.Broadcast)
		}
		m.knows(t, "carol", StateLive)
	}
	eventually(t, "all is corrected", func() bool {
		return f.get(n1, "alice").Fence == a2.hold.Fence && f.get(n1, "alice").Connection == "a2" &&
			f.get(n1, "bob").State == StateOffline && f.get(n1, "carol").State == StateLive
	})
	if _, err := n1.Update(t.Context(), a.hold, Changes{Title: ptr("Late")}); !errors.Is(err, ErrFenced) {
		t.Errorf("the old connection's update gets %v", err)
	}
}

// dumpOf takes everything that Redis keeps, restore brings it back as another server would that has only that.
func dumpOf(t *testing.T, conn *redisconn.Conn) map[string]string {
	t.Helper()
	dump := make(map[string]string)
	for _, key := range conn.Client().Keys(t.Context(), "*").Val() {
		dump[key] = conn.Client().Dump(t.Context(), key).Val()
	}
	return dump
}

func restore(t *testing.T, conn *redisconn.Conn, dump map[string]string) {
	t.Helper()
	_, err := conn.Client().TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.FlushAll(t.Context())
		for key, value := range dump {
			p.Restore(t.Context(), key, 0, value)
		}
		for partition := range Partitions {
			p.HSet(t.Context(), partitionKey(conn, partition), "run", "another")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// declareDead lets a node's lease lapse, and another one find it.
func (f *fleet) declareDead(name string, finder *member) {
	f.t.Helper()
	life := f.nodes[name].nodes.Life()
	if err := f.conn.Client().ZAddXX(f.t.Context(), f.conn.Base("nodes")+"leases", zero(life)).Err(); err != nil {
		f.t.Fatal(err)
	}
	finder.nodes.refresh(f.t.Context())
}

// A node dies. Who was on it is reconnecting, by one transition whoever sweeps; who came back before is not mentioned.
func TestDeadNodeIsMissedOnce(t *testing.T) {
	f := openFleet(t, "n1", "n2", "n3")
	n1, n2, n3 := f.nodes["n1"], f.nodes["n2"], f.nodes["n3"]
	n1.joins(t, "alice", alice, "a1").start(time.Hour)
	n1.joins(t, "bob", bob, "b1").start(time.Hour)
	n1.joins(t, "carol", User{ID: "carol"}, "c1") // online only
	n2.joins(t, "bob", bob, "b2")                 // has moved
	f.declareDead("n1", n2)
	n3.nodes.refresh(t.Context())
	var sweeping sync.WaitGroup
	for _, m := range []*member{n2, n3, n2, n3} {
		sweeping.Go(func() { m.sweepAll(t) })
	}
	sweeping.Wait()
	if l := f.get(n2, "alice"); l.State != StateReconnecting || l.Reason != ReasonNodeLost || l.Broadcast.Version != 2 {
		t.Errorf("alice: %+v", l)
	}
	if l := f.get(n2, "bob"); l.State != StateLive || l.Broadcast.Version != 1 {
		t.Errorf("bob: %+v", l)
	}
	if got := fmt.Sprint(n2.kinds(t, "alice"), n2.kinds(t, "bob"), n2.kinds(t, "carol")); got != "[streamer.online live.started live.reconnecting] [streamer.online live.started] [streamer.online streamer.offline]" {
		t.Errorf("told %s", got)
	}

	// What was under way in that life is refused.
	_, err := n1.Claim(t.Context(), Claim{Room: "late", User: alice, Connection: "a9", Node: "n1"})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("a claim of a life that is over gets %v", err)
	}
}

// A dead node's lease goes back to the connection from which it was taken, if that is still there. One that was handed over
// is not: its node has gone, in order, and nobody would let go of the lease.
func TestDeadNodeGivesBack(t *testing.T) {
	for name, test := range map[string]struct {
		handed bool
		want   State
	}{"to who stays": {false, StateLive}, "not to who was handed over": {true, StateReconnecting}} {
		t.Run(name, func(t *testing.T) {
			f := openFleet(t, "n1", "n2")
			n1, n2 := f.nodes["n1"], f.nodes["n2"]
			a := n1.joins(t, "alice", alice, "a1")
			a.start(time.Hour)
			if test.handed {
				if err := n1.HandOver(t.Context(), []Handover{{Hold: a.hold, Wait: time.Hour}}); err != nil {
					t.Fatal(err)
				}
				a.release(ReasonConnectionLost) // before the next claim: so nobody hears that a1 has gone
			}
			n2.joins(t, "alice", alice, "a2")
			f.declareDead("n2", n1)
			n1.sweepAll(t)
			if l := f.get(n1, "alice"); l.State != test.want || test.want == StateLive && l.Connection != "a1" {
				t.Errorf("alice is %s, by %s", l.State, l.Connection)
			}
		})
	}
}

// A streamer who named no window gets longer after a node's death than after a lost connection.
func TestNodeLostWindow(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	if _, err := n1.Start(t.Context(), a.hold, Start{}); err != nil {
		t.Fatal(err)
	}
	f.declareDead("n1", n2)
	if _, err := n2.Sweep(t.Context(), Due{Partition: PartitionOf("alice")}); err != nil {
		t.Fatal(err)
	}
	if l := f.get(n2, "alice"); l.State != StateReconnecting || l.Until-l.LastSeen != Millis(NodeLostWindow.Milliseconds()) {
		t.Errorf("the window lasts %d ms: %+v", l.Until-l.LastSeen, l)
	}
}

// A node was frozen and taken for dead. Back, it takes back what nobody took, and yields the rest.
func TestRebornNode(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Hour)
	n1.joins(t, "bob", bob, "b1").start(time.Hour)
	c := n1.joins(t, "carol", User{ID: "carol"}, "c1")
	c.start(time.Millisecond)
	f.declareDead("n1", n2)
	n2.sweepAll(t)
	lapse := redis.Z{Member: "carol"}
	if err := f.conn.Client().ZAddXX(t.Context(), n2.parts[PartitionOf("carol")].base+"deadlines", lapse).Err(); err != nil {
		t.Fatal(err)
	}
	n2.joins(t, "bob", bob, "b2")
	eventually(t, "carol's window passes", func() bool { n2.sweepAll(t); return f.get(n2, "carol").State == StateOffline })

	n1.nodes.refresh(t.Context())
	if got := n1.nodes.Life(); got != "n1~2" {
		t.Errorf("it lives as %s", got)
	}
	if l := f.get(n2, "alice"); l.State != StateLive || l.Fence != a.hold.Fence || l.Life != "n1~2" || l.Broadcast.Version != 3 {
		t.Errorf("alice, whom nobody took: %+v", l)
	}
	if l := f.get(n2, "bob"); l.Connection != "b2" {
		t.Errorf("bob, who is on the other node: %+v", l)
	}
	eventually(t, "both that were lost are known", func() bool {
		got := n1.lostSoFar()
		return got == "[b1 replaced c1 lost]" || got == "[c1 lost b1 replaced]"
	})
	if got := fmt.Sprint(n2.kinds(t, "alice")); got != "[streamer.online live.started live.reconnecting live.resumed]" {
		t.Errorf("told of alice: %s", got)
	}
	if _, err := n1.Update(t.Context(), a.hold, Changes{Title: ptr("Inks")}); err != nil {
		t.Errorf("alice's fence: %v", err)
	}
	n1.joins(t, "late", User{ID: "dora"}, "d1") // in its new life
}

// The registry forgot, with all of Redis, that a node was declared dead, but a partition was told so since. The node,
// which was cut off all the while, must not go on in a life in which nobody lets it do anything.
func TestPartitionKnowsTheDead(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	f.declareDead("n1", n2)
	f.flush()
	n2.sweepAll(t) // with what it knew
	background(t, n1.nodes.Run)
	eventually(t, "n1 may claim again", func() bool {
		_, err := n1.Claim(t.Context(), Claim{Room: "alice", User: alice, Connection: "a1", Node: "n1"})
		return err == nil
	})
	if got := n1.nodes.Life(); got == "n1~1" {
		t.Errorf("it lives as %s", got)
	}
}

// What is tied to a node that none of its connections holds is given up, and what they hold is tied to it.
func TestAudit(t *testing.T) {
	f := openFleet(t, "n1")
	n1 := f.nodes["n1"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Hour)
	n1.held.dropConnection("alice", "a1") // as if the claim's answer had been lost
	b := n1.joins(t, "bob", bob, "b1")
	key := n1.parts[PartitionOf("bob")].base
	if err := f.conn.Client().SRem(t.Context(), key+"of:n1~1", "bob").Err(); err != nil {
		t.Fatal(err)
	}
	if err := f.conn.Client().HSet(t.Context(), key+"lease:bob", "life", "n1~0").Err(); err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"alice", "bob"} {
		if err := n1.audit(t.Context(), PartitionOf(room)); err != nil {
			t.Fatal(err)
		}
	}
	if l := f.get(n1, "alice"); l.State != StateReconnecting {
		t.Errorf("alice: %+v", l)
	}
	if l := f.get(n1, "bob"); l.State != StateOnline || l.Life != "n1~1" || l.Fence != b.hold.Fence {
		t.Errorf("bob: %+v", l)
	}
}

// A claim was not answered, its connection went, and the claim was undone, before Redis, which had been busy, carried it
// out. It showed the streamer as gone whose older connection was there all the while.
func TestClaimThatComesTooLate(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Hour)
	late := Claim{Room: "alice", User: alice, Connection: "a2", Node: "n2"}
	if err := n2.Unclaim(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if _, err := n2.Claim(t.Context(), late); !errors.Is(err, ErrFenced) {
		t.Errorf("the late claim gets %v, want ErrFenced", err)
	}
	if l := f.get(n1, "alice"); l.Connection != "a1" || l.Fence != a.hold.Fence {
		t.Errorf("alice: %+v", l)
	}
	n2.joins(t, "alice", alice, "a3") // over yet another one
}

// A connection has just taken over when its node dies. The one before it was not closed yet, and holds the lease again;
// so it does where the newer node finds that nobody there holds it.
func TestLeaseGoesBackToWhoIsThere(t *testing.T) {
	f := openFleet(t, "n1", "n2", "n3")
	n1, n2, n3 := f.nodes["n1"], f.nodes["n2"], f.nodes["n3"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Hour)
	b := n1.joins(t, "bob", bob, "b1")
	b.start(time.Hour)
	n2.joins(t, "alice", alice, "a2")
	n3.joins(t, "bob", bob, "b2")
	n3.held.dropConnection("bob", "b2") // as if the claim's answer had been lost
	f.declareDead("n2", n3)
	n1.sweepAll(t)
	n3.sweepAll(t)
	if err := n3.audit(t.Context(), PartitionOf("bob")); err != nil {
		t.Fatal(err)
	}
	for room, want := range map[string]*streamer{"alice": a, "bob": b} {
		if l := f.get(n1, room); l.State != StateLive || l.Node != "n1" || l.Life != "n1~1" || l.Fence != want.hold.Fence || l.Broadcast.Version != 1 {
			t.Errorf("%s: %+v", room, l)
		}
		if _, err := n1.Update(t.Context(), want.hold, Changes{Title: ptr("Inks")}); err != nil {
			t.Errorf("%s's fence: %v", room, err)
		}
		eventually(t, "all know who holds it", func() bool {
			return slices.ContainsFunc(n3.directory.Knowledge(PartitionOf(room)).Leases, func(l Lease) bool {
				return l.Room == room && l.Fence == want.hold.Fence
			})
		})
	}
	f.declareDead("n1", n3) // to whom it went back
	n3.sweepAll(t)
	if l := f.get(n3, "alice"); l.State != StateReconnecting || l.Reason != ReasonNodeLost {
		t.Errorf("alice, once that node died as well: %+v", l)
	}
}

// Everybody was told until when a broadcast waits. Put back after a loss, it began a new window, which was a shorter one
// where nothing had been heard of the streamer: that is told as any lost connection, and had been given 25 s.
func TestWindowsAreNotShortenedByALoss(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(3 * time.Second)
	a.release(ReasonSilence)
	for _, m := range f.nodes {
		m.knows(t, "alice", StateReconnecting)
	}
	was := f.get(n1, "alice").Until
	f.flush()
	n2.sweepAll(t)
	n1.sweepAll(t)
	if l := f.get(n1, "alice"); l.State != StateReconnecting || l.Until < was || l.Until > was+Millis(time.Minute.Milliseconds()) {
		t.Errorf("it waits until %d, and had been said to wait until %d", l.Until, was)
	}
}

// A node died, and its streamer had come to another one by then. Long after, when it is not known any more that the first
// one is dead, the other one dies: nothing may go back to the first.
func TestNothingGoesBackToWhoIsLongGone(t *testing.T) {
	f := openFleet(t, "n1", "n2", "n3")
	n1, n2, n3 := f.nodes["n1"], f.nodes["n2"], f.nodes["n3"]
	n1.joins(t, "alice", alice, "a1").start(time.Hour)
	n2.joins(t, "alice", alice, "a2")
	p := PartitionOf("alice")
	key := n2.parts[p].base + "lease:alice"
	replaced, err := f.conn.Client().HGet(t.Context(), key, "replaced").Result()
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(replaced)
	at, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
	if err != nil {
		t.Fatalf("replaced is %q", replaced)
	}
	old := strings.ReplaceAll(replaced, fmt.Sprint(at), fmt.Sprint(at-late.Milliseconds()-1))
	if err := f.conn.Client().HSet(t.Context(), key, "replaced", old).Err(); err != nil {
		t.Fatal(err)
	}
	f.declareDead("n2", n3)
	n3.sweepAll(t)
	if l := f.get(n3, "alice"); l.State != StateReconnecting {
		t.Errorf("alice: %+v", l)
	}
}

// Redis came back with old data, from a moment at which a connection had been taken over from and was not yet closed.
// It has closed since: nothing may go back to it.
func TestOldDumpNamesNobodyWhoIsGone(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Minute)
	n2.joins(t, "alice", alice, "a2")
	old := dumpOf(t, f.conn)
	if err := n1.Release(t.Context(), a.hold, ReasonConnectionLost); !errors.Is(err, ErrFenced) {
		t.Fatalf("the late cleanup gets %v", err)
	}
	restore(t, f.conn, old)
	n1.sweepAll(t)
	n2.sweepAll(t)
	eventually(t, "all is put back", func() bool { return f.get(n1, "alice").Connection == "a2" })
	if err := n2.Unclaim(t.Context(), Claim{Room: "alice", User: alice, Connection: "a2", Node: "n2"}); err != nil {
		t.Fatal(err)
	}
	if l := f.get(n1, "alice"); l.State != StateReconnecting {
		t.Errorf("alice: %+v", l)
	}
}

// A streamer leaves, Redis loses everything before any node has read that from the log, and they come back at once: over
// the same connection. What they had left must not be raised, by whoever puts back what is known.
func TestLeftBroadcastIsNotRaised(t *testing.T) {
	f := openFleet(t, "n1", "n2")
	n1, n2 := f.nodes["n1"], f.nodes["n2"]
	a := n1.joins(t, "alice", alice, "a1")
	left := a.start(time.Minute)
	stale := make(map[*member]Knowledge)
	for _, m := range f.nodes {
		m.knows(t, "alice", StateLive)
		stale[m] = m.directory.Knowledge(PartitionOf("alice"))
		m.OnRecovery(func(int) Knowledge { return stale[m] }, func(int) {}, m.note) // as if it had not read on
	}
	if err := n1.Release(t.Context(), a.hold, ReasonLeft); err != nil {
		t.Fatal(err)
	}
	f.flush()
	a = n1.joins(t, "alice", alice, "a1")
	if l := f.get(n1, "alice"); l.State != StateOnline {
		t.Errorf("back, alice is %+v", l)
	}
	if b := a.start(time.Minute); b.ID == left.ID {
		t.Error("she goes live with the broadcast that she had left")
	}
	n2.sweepAll(t)
	if l := f.get(n1, "alice"); l.State != StateLive || l.Broadcast.ID == left.ID {
		t.Errorf("once the other node has said what it knows: %+v", l)
	}
}

// A lease that is being given up may be there yet, as long as the store does not answer. Whoever looks whether all that
// is there is held leaves that to who gives it up, and their connection may claim again.
func TestAuditLeavesAloneWhoIsLeaving(t *testing.T) {
	f := openFleet(t, "n1")
	n1 := f.nodes["n1"]
	a := n1.joins(t, "alice", alice, "a1")
	a.start(time.Hour)
	n1.held.drop(a.hold)
	audit := func() {
		t.Helper()
		if err := n1.audit(t.Context(), PartitionOf("alice")); err != nil {
			t.Fatal(err)
		}
	}
	audit()
	if l := f.get(n1, "alice"); l.State != StateLive {
		t.Errorf("she is leaving, and is %+v", l)
	}
	n1.held.gaveUp(a.hold, nil)
	audit()
	if l := f.get(n1, "alice"); l.State != StateReconnecting {
		t.Errorf("nobody holds it, and she is %+v", l)
	}
	n1.joins(t, "alice", alice, "a1")
}
