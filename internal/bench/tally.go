package bench

import (
	"maps"
	"sync"
	"sync/atomic"
)

// shards keep the counting of deliveries apart, so that goroutines on different processors do not wait for each other's
// cache lines.
const shards = 8

// shard counts for some of the connections. A histogram is larger than any cache line, so neighbours do not meet.
type shard struct {
	deliveries atomic.Int64 // of what the bench published
	lost       atomic.Int64
	repeated   atomic.Int64
	strayed    atomic.Int64
	latency    histogram // from publishing to delivery
}

// tally is everything that is counted. It may be used by any number of goroutines.
type tally struct {
	shards [shards]shard

	connect  histogram // from dialling to joined, of the attempt that succeeded
	back     histogram // from being dropped to joined again
	joined   atomic.Int64
	absent   atomic.Int64 // gave up connecting
	returned atomic.Int64 // joined again after being dropped
	resumed  atomic.Int64 // of these, with what they had missed
	renewed  atomic.Int64 // snapshots that nobody had asked for
	sentAway atomic.Int64 // reconnect messages
	cut      atomic.Int64 // viewers cut off by churn
	uncut    atomic.Int64 // of these, joined again

	published atomic.Int64
	accepted  atomic.Int64 // publications that got a position

	retries kinds // attempts to connect that failed, by why
	errors  kinds // error replies by code, and what is no message of the protocol
	closes  kinds // connections that ended and were not to, by close code
	stalled kinds // how those of viewers who stopped reading ended
}

func (t *tally) shard(n int) *shard { return &t.shards[n%shards] }

func (s *shard) wrong(w wrong) {
	if w.none() {
		return
	}
	s.lost.Add(w.lost)
	s.repeated.Add(w.repeated)
	s.strayed.Add(w.strayed)
}

// sum adds up one counter of all shards.
func (t *tally) sum(counter func(*shard) *atomic.Int64) (total int64) {
	for i := range t.shards {
		total += counter(&t.shards[i]).Load()
	}
	return total
}

func (t *tally) deliveries() int64 {
	return t.sum(func(s *shard) *atomic.Int64 { return &s.deliveries })
}

func (t *tally) latency() *histogram {
	var whole histogram
	for i := range t.shards {
		whole.merge(&t.shards[i].latency)
	}
	return &whole
}

// kinds counts rare things by name.
type kinds struct {
	mu sync.Mutex
	n  map[string]int64
}

func (k *kinds) add(kind string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.n == nil {
		k.n = map[string]int64{}
	}
	k.n[kind]++
}

func (k *kinds) all() map[string]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.n == nil {
		return map[string]int64{}
	}
	return maps.Clone(k.n)
}
