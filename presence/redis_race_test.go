package presence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
)

// The races in this file are between two nodes, each with connections of its own to one Redis. Whoever wins, both see
// the same outcome, and it is told once.

// nodes opens the stores of two nodes over the same data.
func twoNodes(t *testing.T) (a, b *Redis) {
	prefix := testserver.RedisPrefix()
	return openRedis(t, prefix, "n1", "suite"), openRedis(t, prefix, "n2", "suite")
}

func claimOn(s Store, node, connection string) (Claimed, error) {
	return s.Claim(context.Background(), Claim{Room: studio, User: alice, Connection: connection, Node: node})
}

func TestRedisTwoTakeovers(t *testing.T) {
	a, b := twoNodes(t)
	join(t, a, alice, "c0").start(time.Minute)
	last := "c0"
	for round := range 50 {
		var both sync.WaitGroup
		var here, there Claimed
		var err1, err2 error
		both.Go(func() { here, err1 = claimOn(a, "n1", fmt.Sprint("a", round)) })
		both.Go(func() { there, err2 = claimOn(b, "n2", fmt.Sprint("b", round)) })
		both.Wait()
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		first, second := here, there
		if first.Lease.Fence > second.Lease.Fence {
			first, second = second, first
		}
		if first.Lease.Fence == second.Lease.Fence || first.Replaced != last || second.Replaced != first.Lease.Connection {
			t.Fatalf("round %d: first %+v, then %+v; %s held before", round, first, second, last)
		}
		for _, s := range []Store{a, b} {
			if l := lease(t, s); l.Connection != second.Lease.Connection || l.Fence != second.Lease.Fence || l.State != StateLive {
				t.Fatalf("round %d: the lease is %+v, want that of %s", round, l, second.Lease.Connection)
			}
		}
		last = second.Lease.Connection
	}
	wantTold(t, b, "streamer.online", "live.started 1")
}

// The socket died on one node; its cleanup and the streamer's return over the other node cross.
func TestRedisCleanupAgainstTakeover(t *testing.T) {
	a, b := twoNodes(t)
	for round := range 50 {
		from := len(told(t, a))
		old := join(t, a, alice, fmt.Sprint("old", round))
		id := old.start(time.Minute).ID
		var both sync.WaitGroup
		var released error
		var back Claimed
		both.Go(func() { released = a.Release(context.Background(), old.hold, ReasonConnectionLost) })
		both.Go(func() { back, _ = claimOn(b, "n2", fmt.Sprint("new", round)) })
		both.Wait()
		l := wantState(t, b, StateLive)
		if l.Connection != back.Lease.Connection || l.Node != "n2" || l.Broadcast.ID != id {
			t.Fatalf("round %d: the lease is %+v, want the new connection's", round, l)
		}
		var kinds []Kind
		for _, tr := range told(t, b)[from:] {
			kinds = append(kinds, tr.Kind)
		}
		want := []Kind{StreamerOnline, LiveStarted, LiveReconnecting, LiveResumed}
		if errors.Is(released, ErrFenced) { // the takeover came first, and nobody need know
			want = want[:2]
		}
		if fmt.Sprint(kinds) != fmt.Sprint(want) {
			t.Fatalf("round %d: release %v, told %v, want %v", round, released, kinds, want)
		}
		if err := a.Release(context.Background(), old.hold, ReasonLeft); !errors.Is(err, ErrFenced) { // later still
			t.Fatalf("round %d: the late cleanup got %v, want ErrFenced", round, err)
		}
		if err := b.Release(context.Background(), Hold{studio, l.Fence}, ReasonLeft); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedisSweepAgainstResume(t *testing.T) {
	a, b := twoNodes(t)
	outcomes := map[string]int{}
	for round := range 60 {
		from := len(told(t, a))
		old := join(t, a, alice, fmt.Sprint("old", round))
		old.start(time.Millisecond)
		old.release(ReasonConnectionLost)
		time.Sleep(2 * time.Millisecond) // past the window: either may win
		var all sync.WaitGroup
		for _, s := range []Store{a, b} {
			all.Go(func() { _, _ = s.Sweep(context.Background(), Due{Partition: PartitionOf(studio)}) })
		}
		all.Go(func() { _, _ = claimOn(b, "n2", fmt.Sprint("new", round)) })
		all.Wait()
		var kinds []Kind
		for _, tr := range told(t, b)[from:] {
			kinds = append(kinds, tr.Kind)
		}
		told := fmt.Sprint(kinds)
		outcomes[told]++
		resumed := fmt.Sprint([]Kind{StreamerOnline, LiveStarted, LiveReconnecting, LiveResumed})
		ended := fmt.Sprint([]Kind{StreamerOnline, LiveStarted, LiveReconnecting, LiveEnded, StreamerOffline, StreamerOnline})
		if told != resumed && told != ended {
			t.Fatalf("round %d: told %s", round, told)
		}
		l := lease(t, a)
		if want := map[string]State{resumed: StateLive, ended: StateOnline}[told]; l.State != want {
			t.Fatalf("round %d: told %s, and the lease is %s", round, told, l.State)
		}
		if err := b.Release(context.Background(), Hold{studio, l.Fence}, ReasonLeft); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("outcomes: %v", outcomes)
}
