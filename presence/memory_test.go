package presence

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMemory(t *testing.T) {
	testStore(t, func(t *testing.T, test func(*testing.T, Store)) {
		synctest.Test(t, func(t *testing.T) { test(t, NewMemory("suite")) })
	})
}

// A process that was frozen, or whose machine slept, sweeps late. Its streamers
// could not come back meanwhile, so their windows must not have run out.
func TestMemoryFrozenWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		a := join(t, s, alice, "c1")
		a.start(10 * time.Second)
		a.release(ReasonConnectionLost)
		sweep(t, s)
		time.Sleep(time.Hour) // nobody sweeps
		if n := sweep(t, s); n != 0 {
			t.Fatalf("the first sweep after a freeze ended %d", n)
		}
		wantState(t, s, StateReconnecting)
		time.Sleep(3 * time.Second)
		sweep(t, s)
		time.Sleep(3 * time.Second)
		sweep(t, s)
		time.Sleep(3 * time.Second)
		if n := sweep(t, s); n != 1 {
			t.Fatalf("after 3 s and three sweeps of 3 s, a window of 10 s has not ended: %d", n)
		}
	})
}

// A node that runs alone and stops must leave no broadcast without an end.
func TestMemoryEndAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		join(t, s, alice, "c1").start(time.Minute)
		s.EndAll(ReasonDrain)
		wantTold(t, s, "streamer.online", "live.started 1", "live.ended 2 drain", "streamer.offline")
		wantState(t, s, StateOffline)
		s.EndAll(ReasonDrain)
		if n := len(told(t, s)); n != 4 {
			t.Errorf("%d transitions after ending nothing", n)
		}
	})
}

// A claim may be undone as long as it may be under way. Whoever was replaced before that is gone, and gets nothing back.
func TestMemoryNothingGoesBackToWhoIsLongGone(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want State
	}{
		"within the time": {late - time.Second, StateLive},
		"after it":        {late, StateReconnecting},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewMemory()
				join(t, s, alice, "c1").start(time.Hour)
				join(t, s, alice, "c2")
				time.Sleep(c.age)
				if err := s.Unclaim(t.Context(), Claim{Room: studio, User: alice, Connection: "c2", Node: "n1"}); err != nil {
					t.Fatal(err)
				}
				wantState(t, s, c.want)
			})
		})
	}
}
