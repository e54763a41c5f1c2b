package presence

import (
	"errors"
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

// What was running when the process before this one ended goes on if its streamer
// comes back in time, and ends otherwise.
func TestMemoryResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		b := Broadcast{ID: newBroadcastID(), Details: Details{Title: "Sketches"}, StartedAt: 5, Version: 7}
		for range 2 { // the second finds somebody there
			s.Resume(Interrupted{Room: studio, User: alice, Broadcast: b})
		}
		s.Resume(Interrupted{Room: "attic", User: bob, Broadcast: Broadcast{ID: newBroadcastID(), Version: 1}, Window: new(time.Duration(0))})
		wantTold(t, s, "live.reconnecting 8 node_lost")
		if _, err := claim(s, bob, "c0"); !errors.Is(err, ErrConflict) {
			t.Errorf("bob takes alice's room: %v", err)
		}
		time.Sleep(NodeLostWindow - time.Second)
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			sweep(t, s)
		}
		join(t, s, alice, "c1")
		l := wantState(t, s, StateLive)
		if l.Broadcast.ID != b.ID || l.Broadcast.Title != "Sketches" || l.Broadcast.StartedAt != 5 || l.Broadcast.Version != 9 {
			t.Errorf("it goes on as %+v", l.Broadcast)
		}
		for range 100 {
			time.Sleep(SweepEvery)
			_, _ = s.Sweep(t.Context(), everyPartition()...)
		}
		if l, err := s.Get(t.Context(), "attic"); err != nil || l.State != StateOffline {
			t.Errorf("bob did not come back, and is %+v, %v", l, err)
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
