package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/testserver"
)

// openNodes makes a node one of those under a prefix, and returns what it was told of changes.
func openNodes(t *testing.T, prefix, node string) (n *Nodes, changes chan NodesChange, stop func()) {
	t.Helper()
	n = NewNodes(openConn(t, prefix), node, quiet)
	changes = make(chan NodesChange, 100)
	n.Watch(func(_ context.Context, c NodesChange) { changes <- c })
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return n, changes, stop
}

func wantLiving(t *testing.T, n *Nodes, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s knows %v", n.node, want), func() bool { return slices.Equal(n.Living(), want) })
}

func TestNodesKnowEachOther(t *testing.T) {
	t.Parallel()
	prefix := testserver.RedisPrefix()
	a, _, _ := openNodes(t, prefix, "a")
	wantLiving(t, a, "a")
	b, told, stop := openNodes(t, prefix, "b")
	wantLiving(t, b, "a", "b")
	wantLiving(t, a, "a", "b")
	if c := <-told; !slices.Equal(c.Living, []string{"a", "b"}) || len(c.Died) != 0 {
		t.Errorf("b was told %+v", c)
	}
	stop() // and says so
	wantLiving(t, a, "a")
}

// One node dies without a word: the others see it once its lease has lapsed, and one of them is to clear up.
func TestNodesMissTheDead(t *testing.T) {
	t.Parallel()
	prefix := testserver.RedisPrefix()
	a, toldA, _ := openNodes(t, prefix, "a")
	b, toldB, _ := openNodes(t, prefix, "b")
	dead := NewNodes(openConn(t, prefix), "dead", quiet)
	dead.refresh(t.Context())
	wantLiving(t, a, "a", "b", "dead")
	wantLiving(t, b, "a", "b", "dead")
	lapse(t, a, "dead")
	wantLiving(t, a, "a", "b")
	wantLiving(t, b, "a", "b")
	cleared := 0
	for _, told := range []chan NodesChange{toldA, toldB} {
		for len(told) > 0 {
			if c := <-told; slices.Contains(c.Died, "dead") {
				cleared++
			}
		}
	}
	if cleared != 1 {
		t.Errorf("%d nodes are to clear up after the dead one", cleared)
	}

	// It was only frozen, and is back.
	dead.refresh(t.Context())
	wantLiving(t, a, "a", "b", "dead")
}

// lapse lets a node's lease end now.
func lapse(t *testing.T, n *Nodes, node string) {
	t.Helper()
	if err := n.conn.Client().ZAddXX(t.Context(), n.conn.Base("nodes")+"leases", zero(node+"~1")).Err(); err != nil {
		t.Fatal(err)
	}
}

// Nobody could refresh a lease while Redis was away: then nobody has died of it, whoever comes back first. Nor has
// anybody when Redis' clock was set.
func TestNodesOutliveRedis(t *testing.T) {
	for _, away := range []time.Duration{time.Minute, -time.Minute} {
		t.Run(away.String(), func(t *testing.T) {
			prefix := testserver.RedisPrefix()
			a, b := NewNodes(openConn(t, prefix), "a", quiet), NewNodes(openConn(t, prefix), "b", quiet)
			a.refresh(t.Context())
			b.refresh(t.Context())
			before := time.Now().Add(-away)
			key := a.conn.Base("nodes")
			if err := a.conn.Client().HSet(t.Context(), key+"state", "refreshed", before.UnixMilli()).Err(); err != nil {
				t.Fatal(err)
			}
			for _, life := range []string{"a~1", "b~1"} {
				lease := redis.Z{Member: life, Score: float64(before.Add(nodeLease).UnixMilli())}
				if err := a.conn.Client().ZAddXX(t.Context(), key+"leases", lease).Err(); err != nil {
					t.Fatal(err)
				}
			}
			a.refresh(t.Context())
			if got := a.Living(); !slices.Equal(got, []string{"a", "b"}) || len(a.Dead()) != 0 {
				t.Errorf("a lives with %v, and %v are dead", got, a.Dead())
			}
			b.refresh(t.Context())
			if b.Life() != "b~1" {
				t.Errorf("b lives as %s", b.Life())
			}
			left := a.conn.Client().ZScore(t.Context(), key+"leases", "b~1").Val() - float64(time.Now().UnixMilli())
			if left > float64(nodeLease.Milliseconds()) {
				t.Errorf("b's lease lasts %.0f ms: it would be missed too late", left)
			}
		})
	}
}

// A registry that lost its data is taught by the nodes: who lives is not missed, who died since is, and who is dead
// stays dead, or what it held would be nobody's business.
func TestNodesTeachTheRegistry(t *testing.T) {
	prefix := testserver.RedisPrefix()
	a, b, c, d := NewNodes(openConn(t, prefix), "a", quiet), NewNodes(openConn(t, prefix), "b", quiet),
		NewNodes(openConn(t, prefix), "c", quiet), NewNodes(openConn(t, prefix), "d", quiet)
	for _, n := range []*Nodes{b, c, d} {
		n.refresh(t.Context())
	}
	lapse(t, a, "d")
	a.refresh(t.Context())
	key := a.conn.Base("nodes")
	if err := a.conn.Client().Del(t.Context(), key+"leases", key+"state", key+"dead").Err(); err != nil {
		t.Fatal(err)
	}
	told := false
	a.Watch(func(context.Context, NodesChange) { told = true })
	a.refresh(t.Context())
	if got := a.Living(); !slices.Equal(got, []string{"a", "b", "c"}) || told {
		t.Errorf("a lives with %v", got)
	}
	if got := a.Dead(); !slices.Equal(got, []string{"d~1"}) {
		t.Errorf("the dead are %v", got)
	}
	b.refresh(t.Context())
	lapse(t, a, "c") // it had died just then
	a.refresh(t.Context())
	if got := a.Living(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("a lives with %v", got)
	}
	d.refresh(t.Context())
	if d.Life() != "d~2" {
		t.Errorf("d, who was only frozen, lives as %s", d.Life())
	}
}

// A node that can't reach Redis for five seconds is isolated; one that was only frozen is not.
func TestNodesIsolated(t *testing.T) {
	a := NewNodes(openConn(t, testserver.RedisPrefix()), "a", quiet)
	a.refresh(t.Context())
	a.reachedAt = time.Now().Add(-time.Minute)
	if _, isolated := a.Reached(); isolated || a.Check() != nil {
		t.Error("isolated although nothing has failed")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	a.refresh(gone)
	a.refresh(gone)
	if _, isolated := a.Reached(); !isolated || a.Check() == nil {
		t.Error("not isolated")
	}
	store, err := NewRedis(t.Context(), RedisConfig{Conn: a.conn, Node: "a", Nodes: a, Logger: quiet, Heartbeat: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claimOn(store, "a", "c1"); !errors.Is(err, ErrUnasked) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("claiming while isolated: %v, want ErrUnasked", err)
	}
	a.refresh(t.Context())
	if _, isolated := a.Reached(); isolated {
		t.Error("still isolated")
	}
}

// Every partition has one node of each rank; with one node gone, only its partitions move.
func TestNodesRank(t *testing.T) {
	living := []string{"a", "b", "c", "d"}
	ranks := func(living []string) map[string][]int {
		ranks := make(map[string][]int)
		for _, node := range living {
			n := &Nodes{node: node, living: living}
			for p := range Partitions {
				ranks[node] = append(ranks[node], n.Rank(p))
			}
		}
		return ranks
	}
	before, after := ranks(living), ranks(living[1:])
	for p := range Partitions {
		seen := make(map[int]bool)
		for _, node := range living {
			seen[before[node][p]] = true
		}
		if len(seen) != len(living) || !seen[0] {
			t.Errorf("partition %d has the ranks %v", p, seen)
		}
		for _, node := range living[1:] {
			if before[node][p] == 0 && after[node][p] != 0 || after[node][p] == 0 && before[node][p] > 1 {
				t.Errorf("partition %d: %s was %d and is %d", p, node, before[node][p], after[node][p])
			}
		}
	}
	for node, all := range before {
		first := 0
		for _, rank := range all {
			if rank == 0 {
				first++
			}
		}
		if first < Partitions/len(living)/3 || first > Partitions/len(living)*3 {
			t.Errorf("%s is first for %d of %d partitions", node, first, Partitions)
		}
	}
}
