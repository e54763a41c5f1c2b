package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a follower's Handle that remembers what it was given.
type reader struct {
	mu     sync.Mutex
	got    []uint64 // Seqs of the studio's partition
	calls  int
	refuse int // how many calls to refuse
}

var errBusy = errors.New("busy")

func (r *reader) handle(_ context.Context, made []Transition) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.refuse > 0 {
		r.refuse--
		return errBusy
	}
	for _, t := range made {
		r.got = append(r.got, t.Seq)
	}
	return nil
}

// wantRead checks that the reader was given 1 to n, in order and each once.
func (r *reader) wantRead(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) != n {
		t.Fatalf("read %d transitions, want %d", len(r.got), n)
	}
	for i, seq := range r.got {
		if seq != uint64(i+1) {
			t.Fatalf("read %d at place %d", seq, i+1)
		}
	}
}

// ackedOf returns up to where the follower is done with the studio's partition.
func ackedOf(s *Memory) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[PartitionOf(studio)].log.acked["suite"]
}

func follower(log Log, r *reader) *Follower {
	return &Follower{Name: "suite", Log: log, Logger: quiet, Handle: r.handle}
}

func TestFollowerReadsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := NewMemory("suite"), &reader{}
		a := join(t, s, alice, "c1")
		for range followBatch { // more than one batch is waiting
			a.start(0)
			_, _ = s.End(t.Context(), a.hold, ReasonEndedByStreamer)
		}
		background(t, follower(s, r).Run)
		r.wantRead(t, 2*followBatch+1)
		a.start(0)
		r.wantRead(t, 2*followBatch+2)
		if r.calls != 4 {
			t.Errorf("handled in %d calls, want three batches and one", r.calls)
		}
		if acked := ackedOf(s); acked != 2*followBatch+2 {
			t.Errorf("acked up to %d, want %d", acked, 2*followBatch+2)
		}
	})
}

// What could not be handled is handed over again: at the next wake-up, or, if
// none comes, at the next poll. Until then it is not acknowledged.
func TestFollowerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := NewMemory("suite"), &reader{refuse: 3}
		background(t, follower(s, r).Run)
		synctest.Wait()
		a := join(t, s, alice, "c1")
		r.wantRead(t, 0)
		a.start(time.Minute)
		r.wantRead(t, 0)
		if acked := ackedOf(s); acked != 0 {
			t.Errorf("acked up to %d what was refused", acked)
		}
		time.Sleep(pollEvery) // refused a third time
		r.wantRead(t, 0)
		time.Sleep(pollEvery)
		r.wantRead(t, 2)
	})
}

func TestFollowerSurvivesItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := NewMemory("suite"), &reader{}
		log := &faultyLog{Log: s, down: true, deaf: true}
		f := follower(log, r)
		background(t, f.Run)
		join(t, s, alice, "c1").start(time.Minute)
		time.Sleep(3 * pollEvery)
		r.wantRead(t, 0)
		if behind := time.Since(f.CaughtUp()); behind < 3*pollEvery {
			t.Errorf("caught up %s ago, having read nothing", behind)
		}
		log.set(func(f *faultyLog) { f.down = false })
		time.Sleep(pollEvery) // no wake-up comes
		r.wantRead(t, 2)
		if behind := time.Since(f.CaughtUp()); behind != 0 {
			t.Errorf("caught up %s ago, want just now", behind)
		}
	})
}

// A partition that cannot be handled must not hold up the others, and is not
// taken for read.
func TestFollowerGoesOnWithOtherPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory("suite")
		var rooms []string
		f := &Follower{Log: s, Logger: quiet, Handle: func(_ context.Context, made []Transition) error {
			if made[0].Room == studio {
				return errBusy
			}
			rooms = append(rooms, made[0].Room)
			return nil
		}}
		others := []string{"attic", "cellar", "garden"}
		for _, room := range append(others, studio) {
			joinRoom(t, s, alice, room, "c1")
		}
		background(t, f.Run)
		synctest.Wait()
		slices.Sort(rooms)
		if !slices.Equal(rooms, others) {
			t.Errorf("read %q, want %q", rooms, others)
		}
		if !f.CaughtUp().Equal(time.Unix(0, 0)) {
			t.Errorf("caught up at %s, want never", f.CaughtUp())
		}
	})
}

// While nothing can be handled at all, wake-ups do not ask for it again and again,
// nor does each partition: the next poll does.
func TestFollowerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory("suite")
		var away atomic.Bool
		var calls, got atomic.Int64
		away.Store(true)
		f := &Follower{Name: "suite", Log: s, Logger: quiet, Handle: func(_ context.Context, made []Transition) error {
			if calls.Add(1); away.Load() {
				return fmt.Errorf("no database: %w", ErrHold)
			}
			got.Add(int64(len(made)))
			return nil
		}}
		for _, room := range []string{"attic", "cellar", "garden"} {
			joinRoom(t, s, alice, room, "c1")
		}
		background(t, f.Run)
		synctest.Wait()
		a := join(t, s, alice, "c1")
		for range 100 {
			a.start(time.Minute)
			_, _ = s.End(t.Context(), a.hold, ReasonEndedByStreamer)
			synctest.Wait()
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("asked %d times before the next poll", n)
		}
		time.Sleep(pollEvery)
		synctest.Wait()
		if n := calls.Load(); n != 2 {
			t.Errorf("asked %d times with one poll", n)
		}
		away.Store(false)
		time.Sleep(pollEvery)
		synctest.Wait()
		if n := got.Load(); n != 3+201 {
			t.Errorf("handled %d transitions", n)
		}
	})
}

// Stopping: what is there now is read once more, although Run has ended.
func TestFollowerDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := NewMemory("suite"), &reader{}
		f := follower(s, r)
		stop := background(t, f.Run)
		a := join(t, s, alice, "c1")
		synctest.Wait()
		stop()
		a.start(time.Minute)
		if err := s.Release(t.Context(), a.hold, ReasonLeft); err != nil {
			t.Fatal(err)
		}
		r.wantRead(t, 1)
		f.Drain(t.Context())
		r.wantRead(t, 4)
		f.Drain(t.Context())
		r.wantRead(t, 4)
	})
}

// Behind a trimmed log, the follower asks where to read on. When that fails,
// it has not moved: it finds the log trimmed again and asks again.
func TestFollowerTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := NewMemory(), &reader{}
		log := &faultyLog{Log: s}
		asked := 0
		f := &Follower{Log: log, Logger: quiet, Handle: r.handle, Trimmed: func(_ context.Context, p int) (uint64, error) {
			if p == PartitionOf(studio) {
				if asked++; asked == 1 {
					return 0, ErrUnavailable
				}
			}
			_, seq, err := s.Load(t.Context(), p)
			return seq, err
		}}
		background(t, f.Run)
		a := join(t, s, alice, "c1")
		r.wantRead(t, 1)
		log.readsOf()

		log.set(func(f *faultyLog) { f.trimmed = allPartitions })
		a.start(time.Minute)
		r.wantRead(t, 1)
		log.set(func(f *faultyLog) { f.trimmed = allPartitions })
		time.Sleep(pollEvery)
		r.wantRead(t, 1) // it was loaded instead of read
		if reads := log.readsOf(); asked != 2 || !slices.Equal(reads, []uint64{1, 1, 2}) {
			t.Errorf("asked %d times, read from %v; want twice, from 1, 1 again, and 2", asked, reads)
		}
		a.release(ReasonLeft)
		synctest.Wait()
		if !slices.Equal(r.got, []uint64{1, 3, 4}) {
			t.Errorf("read %v, want 1 and, after what was loaded, 3 and 4", r.got)
		}
	})
}
