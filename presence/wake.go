package presence

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// pollEvery is the backstop for wake-ups that were late or lost.
const pollEvery = 5 * time.Second

// watchers are whom a store tells of news.
type watchers struct {
	mu    sync.Mutex
	funcs map[int]func(partition int)
	next  int
}

// watch adds a function. Once stop has returned it is not called any more.
func (w *watchers) watch(wake func(partition int)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.next
	w.next++
	if w.funcs == nil {
		w.funcs = make(map[int]func(int))
	}
	w.funcs[id] = wake
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.funcs, id)
	}
}

// wake calls them under the lock: they neither block nor call the store.
func (w *watchers) wake(partition int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wake := range w.funcs {
		wake(partition)
	}
}

// allPartitions has a bit for each.
const allPartitions = ^uint64(0)

// EachNews calls read whenever a partition of the log may have news, at once
// for every partition and again at each poll, until the context ends. It calls
// from this goroutine alone; wake-ups that come meanwhile are joined. read is
// told whether this round goes over all partitions.
func EachNews(ctx context.Context, log Log, read func(ctx context.Context, partitions []int, all bool)) {
	var dirty atomic.Uint64
	wakeUp := make(chan struct{}, 1) // never closed: a watcher may still call after stop
	stop := log.Watch(func(partition int) {
		dirty.Or(1 << partition)
		select {
		case wakeUp <- struct{}{}:
		default: // awake already, and about to look at dirty
		}
	})
	defer stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	dirty.Store(allPartitions)
	for {
		if bits := dirty.Swap(0); bits != 0 {
			read(ctx, partitionsIn(bits), bits == allPartitions)
		}
		select {
		case <-ctx.Done():
			return
		case <-wakeUp:
		case <-poll.C:
			dirty.Store(allPartitions)
		}
	}
}

func partitionsIn(bits uint64) []int {
	var partitions []int
	for p := range Partitions {
		if bits&(1<<p) != 0 {
			partitions = append(partitions, p)
		}
	}
	return partitions
}
