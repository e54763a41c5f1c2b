package presence

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The promise: a streamer who is not back is told as ended within the window
// and a second, and never before it has passed.
func TestSweeperEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		background(t, (&Sweeper{Store: s, Logger: quiet}).Run)
		time.Sleep(SweepEvery / 3) // not in step with the sweeps
		const window = 10 * time.Second
		a := join(t, s, alice, "c1")
		a.start(window)
		a.release(ReasonConnectionLost)
		time.Sleep(window - time.Millisecond)
		synctest.Wait()
		wantState(t, s, StateReconnecting)
		time.Sleep(time.Second)
		synctest.Wait()
		wantState(t, s, StateOffline)
		wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost",
			"live.ended 3 connection_lost", "streamer.offline")
	})
}

// lateStore does not answer sweeps for a while.
type lateStore struct {
	Store
	down bool
}

func (l *lateStore) Sweep(ctx context.Context, due ...Due) (int, error) {
	if l.down {
		return 0, ErrUnavailable
	}
	return l.Store.Sweep(ctx, due...)
}

// The time in which the store did not answer does not count: it may have been
// away for the streamer too.
func TestSweeperWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lateStore{Store: NewMemory()}
		stop := background(t, (&Sweeper{Store: s, Logger: quiet}).Run)
		a := join(t, s, alice, "c1")
		a.start(10 * time.Second)
		a.release(ReasonConnectionLost)
		time.Sleep(5 * time.Second)
		stop()
		s.down = true
		stop = background(t, (&Sweeper{Store: s, Logger: quiet}).Run)
		time.Sleep(time.Hour)
		stop()
		s.down = false
		background(t, (&Sweeper{Store: s, Logger: quiet}).Run)
		time.Sleep(time.Second)
		synctest.Wait()
		wantState(t, s, StateReconnecting)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantState(t, s, StateOffline)
	})
}

// swept is a Store that notes who is asked to sweep, and how.
type swept struct {
	Store
	mu   sync.Mutex
	lags map[int][]time.Duration // partition → lag of each sweep
}

func (s *swept) Sweep(_ context.Context, due ...Due) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range due {
		s.lags[d.Partition] = append(s.lags[d.Partition], d.Lag)
	}
	return 0, nil
}

// The promise holds also if the node that swept has just died: whenever that was, and in whatever step the next in rank
// is with it. It was up to three seconds late, since it looked every 1.5 s only whether 1.5 s had passed.
func TestSweeperSecondEndsInTime(t *testing.T) {
	const step = SweepEvery / 10
	for behind := time.Duration(0); behind < SweepEvery; behind += step {
		for due := time.Duration(0); due < SweepEvery; due += 2 * step {
			for before := time.Duration(0); before < 2*SweepEvery; before += step {
				synctest.Test(t, func(t *testing.T) { testSecondSweeper(t, behind, due, before) })
			}
		}
	}
}

// testSecondSweeper has a window end, due after the second in rank has looked, which is behind after the first has. The
// first dies before that.
func testSecondSweeper(t *testing.T, behind, due, before time.Duration) {
	t.Helper()
	const window = 10 * time.Second
	s := NewMemory()
	kill := background(t, (&Sweeper{Store: s, Logger: quiet}).Run)
	time.Sleep(behind)
	background(t, (&Sweeper{Store: s, Logger: quiet, Rank: func(int) int { return 1 }}).Run)
	time.Sleep(2*SweepEvery + due + time.Millisecond)
	a := join(t, s, alice, "c1")
	a.start(window)
	a.release(ReasonConnectionLost)
	time.Sleep(window - before)
	kill()
	time.Sleep(before - time.Millisecond)
	synctest.Wait()
	wantState(t, s, StateReconnecting)
	time.Sleep(time.Second)
	synctest.Wait()
	wantState(t, s, StateOffline)
	if t.Failed() {
		t.Fatalf("with the second %s behind, due %s after it, and the first dead %s before", behind, due, before)
	}
}

// The first in rank sweeps each time, the second if nobody did, and the others never.
func TestSweeperRank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swept{lags: make(map[int][]time.Duration)}
		stop := background(t, (&Sweeper{Store: s, Logger: quiet, Rank: func(p int) int { return p % 3 }}).Run)
		time.Sleep(3*time.Second + SweepEvery/2)
		stop()
		for p := range Partitions {
			var want []time.Duration
			switch p % 3 {
			case 0:
				want = make([]time.Duration, 6)
			case 1:
				want = slices.Repeat([]time.Duration{unsweptFor}, 6)
			}
			if !slices.Equal(s.lags[p], want) {
				t.Errorf("rank %d swept with the lags %v, want %v", p%3, s.lags[p], want)
			}
		}
	})
}
