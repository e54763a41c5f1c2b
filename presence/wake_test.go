package presence

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// faultyLog is a store's log on a bad day.
type faultyLog struct {
	Log

	mu      sync.Mutex
	down    bool   // nothing can be read or loaded
	trimmed uint64 // partitions whose next read finds that the log was trimmed
	deaf    bool   // wake-ups get lost
	reads   []uint64
}

func (f *faultyLog) set(do func(f *faultyLog)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}

// readsOf returns from where the studio's partition was read, and forgets it.
func (f *faultyLog) readsOf() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	reads := f.reads
	f.reads = nil
	return reads
}

func (f *faultyLog) Read(ctx context.Context, p int, after uint64, max int) ([]Transition, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p == PartitionOf(studio) {
		f.reads = append(f.reads, after)
	}
	if bit := uint64(1) << p; f.trimmed&bit != 0 {
		f.trimmed &^= bit
		return nil, ErrTrimmed
	}
	if f.down {
		return nil, ErrUnavailable
	}
	return f.Log.Read(ctx, p, after, max)
}

func (f *faultyLog) Load(ctx context.Context, p int) ([]Lease, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, 0, ErrUnavailable
	}
	return f.Log.Load(ctx, p)
}

func (f *faultyLog) Watch(wake func(int)) (stop func()) {
	return f.Log.Watch(func(p int) {
		f.mu.Lock()
		deaf := f.deaf
		f.mu.Unlock()
		if !deaf {
			wake(p)
		}
	})
}

// background runs something until the test ends, and waits for it.
func background(t *testing.T, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// round is one call of what EachNews calls.
type round struct {
	partitions []int
	all        bool
	at         time.Duration // since the test began
}

// eachNews runs EachNews and returns what gives its rounds so far. The first one,
// over everything, is checked and not among them. Each round takes busy.
func eachNews(t *testing.T, log Log, busy time.Duration) func() []round {
	begun := time.Now()
	var mu sync.Mutex
	var rounds []round
	background(t, func(ctx context.Context) {
		EachNews(ctx, log, func(_ context.Context, partitions []int, all bool) {
			mu.Lock()
			rounds = append(rounds, round{partitions, all, time.Since(begun)})
			mu.Unlock()
			time.Sleep(busy)
		})
	})
	synctest.Wait()
	return func() []round {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(rounds) == 0 || !rounds[0].all || len(rounds[0].partitions) != Partitions || rounds[0].at != 0 {
			t.Fatalf("the first round must be at once, over everything: %+v", rounds)
		}
		return rounds[1:]
	}
}

func TestEachNewsWakesForOnePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		rounds := eachNews(t, s, 0)
		join(t, s, alice, "c1")
		got := rounds()
		if len(got) != 1 || got[0].all || !slices.Equal(got[0].partitions, []int{PartitionOf(studio)}) || got[0].at != 0 {
			t.Errorf("rounds %+v, want one at once for partition %d", got, PartitionOf(studio))
		}
	})
}

// While a round is under way, whatever else happens leads to one more.
func TestEachNewsJoinsWakeUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		rounds := eachNews(t, s, time.Second) // the first round is still under way
		for _, room := range []string{"studio", "attic", "studio", "cellar", "attic"} {
			joinRoom(t, s, alice, room, "c1").release(ReasonLeft)
		}
		time.Sleep(3 * time.Second)
		want := []int{PartitionOf("studio"), PartitionOf("attic"), PartitionOf("cellar")}
		slices.Sort(want)
		if got := rounds(); len(got) != 1 || got[0].all || !slices.Equal(got[0].partitions, slices.Compact(want)) {
			t.Errorf("rounds %+v, want one over %v", got, want)
		}
	})
}

func TestEachNewsPollsWhenWakeUpsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		rounds := eachNews(t, &faultyLog{Log: s, deaf: true}, 0)
		join(t, s, alice, "c1")
		time.Sleep(2 * pollEvery)
		got := rounds()
		if len(got) != 2 || !got[0].all || got[0].at != pollEvery || !got[1].all {
			t.Errorf("rounds %+v, want two over everything, %s apart", got, pollEvery)
		}
	})
}

// Once it has returned, it is no longer called, and no longer calls.
func TestEachNewsStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		calls := 0
		stop := background(t, func(ctx context.Context) {
			EachNews(ctx, s, func(context.Context, []int, bool) { calls++ })
		})
		synctest.Wait()
		stop()
		join(t, s, alice, "c1")
		time.Sleep(time.Minute)
		if calls != 1 || len(s.watchers.funcs) != 0 {
			t.Errorf("%d calls and %d watchers after the end, want 1 and none", calls, len(s.watchers.funcs))
		}
	})
}
