package rooms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

func TestMemory(t *testing.T) {
	testRelay(t, func(t *testing.T) (Relay, presence.Store) {
		store := presence.NewMemory(PresenceFollower)
		return newMemory(store), store
	})
}

func TestMemoryForgetsOldEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newMemory(presence.NewMemory(PresenceFollower))
		publish(t, relay, chat("old"))
		time.Sleep(LogAge / 2)
		publish(t, relay, chat("young"))
		time.Sleep(LogAge/2 + time.Millisecond)
		snap, _ := subscribe(t, relay, studio).heard(0)
		if snap.Offset != 2 || len(snap.Events) != 1 || snap.Events[0].Offset != 2 {
			t.Errorf("the snapshot at %d has %+v, want the second event", snap.Offset, snap.Events)
		}
	})
}

func TestMemoryForgetsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newMemory(presence.NewMemory(PresenceFollower))
		p, other := chat("once"), chat("another")
		p.Key, other.Key = "k1", "k1"
		first := publish(t, relay, p)
		time.Sleep(KeyAge)
		if again := publish(t, relay, p); again != first {
			t.Errorf("after %s, published again at %+v, want %+v", KeyAge, again, first)
		}
		time.Sleep(time.Second)
		if again := publish(t, relay, other); again.Offset != 2 {
			t.Errorf("a key older than %s: %+v, want a new event", KeyAge, again)
		}
	})
}

// Whoever invents a new key for everything must not fill the memory.
func TestMemoryBoundsKeys(t *testing.T) {
	relay := newMemory(presence.NewMemory(PresenceFollower))
	for n := range 2 * maxKeys {
		p := chat("once")
		p.Key = fmt.Sprint("k", n)
		publish(t, relay, p)
	}
	if n := len(relay.rooms[studio].keys); n > maxKeys+1 {
		t.Errorf("%d keys are remembered, want at most %d", n, maxKeys+1)
	}
	p := chat("another")
	p.Key = fmt.Sprint("k", 2*maxKeys-1)
	if _, err := relay.Publish(t.Context(), p); !errors.Is(err, ErrKeyReused) {
		t.Errorf("the last key was forgotten: %v", err)
	}
}

// A room is forgotten once nothing in it matters any more, and not before. One
// that begins anew says so by its epoch.
func TestMemoryForgetsIdleRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := presence.NewMemory(PresenceFollower)
		relay := newMemory(store)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { relay.Run(ctx) })
		defer func() { cancel(); running.Wait() }()
		known := func() int {
			relay.mu.Lock()
			defer relay.mu.Unlock()
			return len(relay.rooms)
		}

		time.Sleep(time.Second) // so that nothing below is in step with Run
		first := publish(t, relay, chat("hello"))
		time.Sleep(LogAge - time.Minute)
		if known() != 1 {
			t.Fatal("forgotten while its events can be recovered")
		}
		e := subscribe(t, relay, studio)
		time.Sleep(2 * LogAge)
		if known() != 1 {
			t.Fatal("forgotten under its subscriber")
		}
		relay.Unsubscribe(studio, e)
		claimed, err := store.Claim(ctx, presence.Claim{Room: studio, User: alice, Connection: "c1", Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		apply(t, relay, studio)
		time.Sleep(2 * LogAge)
		if known() != 1 {
			t.Fatal("forgotten although its streamer is online")
		}
		if at := publish(t, relay, chat("hello again")); at.Epoch != first.Epoch || at.Offset != 3 {
			t.Errorf("published at %+v, want offset 3 of %s", at, first.Epoch)
		}
		if err := store.Release(ctx, presence.Hold{Room: studio, Fence: claimed.Lease.Fence}, presence.ReasonLeft); err != nil {
			t.Fatal(err)
		}
		apply(t, relay, studio)
		time.Sleep(LogAge + 2*time.Minute)
		if known() != 0 {
			t.Error("not forgotten")
		}
		if at := publish(t, relay, chat("anybody there?")); at.Epoch == first.Epoch || at.Offset != 1 {
			t.Errorf("published at %+v, want a new epoch", at)
		}
	})
}

// Forgetting a room and using it at once: every event is in one epoch, and
// whoever subscribed hears it.
func TestMemoryForgetsWhileUsed(t *testing.T) {
	relay := newMemory(presence.NewMemory(PresenceFollower))
	stop := make(chan struct{})
	var forgetting, using sync.WaitGroup
	forgetting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				relay.forgetIdle(time.Now().Add(2 * LogAge)) // everything is old
			}
		}
	})
	for range 4 {
		using.Go(func() {
			for range 200 {
				e := &ear{t: t}
				_ = relay.Subscribe(t.Context(), studio, e)
				at, _ := relay.Publish(t.Context(), chat("hello"))
				relay.Unsubscribe(studio, e)
				if n := len(e.events); n == 0 || at.Epoch != e.snap.Epoch {
					t.Errorf("published at %+v, heard %d events of %s", at, n, e.snap.Epoch)
				}
				e.close()
			}
		})
	}
	using.Wait()
	close(stop)
	forgetting.Wait()
}

// deafLog fails to be read.
type deafLog struct {
	presence.Log
	down bool
}

func (d *deafLog) Read(ctx context.Context, p int, after uint64, max int) ([]presence.Transition, error) {
	if d.down {
		return nil, presence.ErrUnavailable
	}
	return d.Log.Read(ctx, p, after, max)
}

// What could not be applied is applied later, and acknowledged only then.
func TestMemoryAppliesLater(t *testing.T) {
	store := presence.NewMemory(PresenceFollower)
	log := &deafLog{Log: store, down: true}
	relay := NewMemory(log, store)
	e := subscribe(t, relay, studio)
	var want []string
	for range 100 { // more than the log keeps for those who have read it
		want = append(want, performance(t, store, studio)...)
	}
	if err := relay.Apply(t.Context(), presence.PartitionOf(studio)); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("apply: %v, want ErrUnavailable", err)
	}
	log.down = false
	apply(t, relay, studio)
	_, events := e.heard(len(want))
	if got := namesOf(events); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func newMemory(store *presence.Memory) *Memory { return NewMemory(store, store) }
