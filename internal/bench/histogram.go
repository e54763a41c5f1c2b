package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits: each power of two is divided into 64 buckets, so what is read from a histogram is at most 1/64 too high.
	subBits = 6
	subs    = 1 << subBits
	// groups reach to 2^42 ns, more than an hour; what is longer counts as that.
	groups = 42 - subBits
)

// histogram counts durations in buckets of fixed number and relative width. It may be used by any number of goroutines;
// adding allocates nothing and waits for nobody. The zero value is empty.
type histogram struct {
	counts [(groups + 1) * subs]atomic.Int64
	max    atomic.Int64
}

// add counts one duration; what is negative, as clocks of two machines may make it, counts as nothing.
func (h *histogram) add(d time.Duration) {
	n := max(int64(d), 0)
	h.counts[bucketOf(n)].Add(1)
	for {
		was := h.max.Load()
		if n <= was || h.max.CompareAndSwap(was, n) {
			return
		}
	}
}

// bucketOf: below subs each number has a bucket of its own, above it the leading subBits+1 bits choose.
func bucketOf(n int64) int {
	if n < subs {
		return int(n)
	}
	shift := bits.Len64(uint64(n)) - subBits - 1
	if shift >= groups {
		return (groups+1)*subs - 1
	}
	return (shift+1)*subs + int(n>>shift) - subs
}

// highest returns the highest number that belongs to a bucket.
func highest(bucket int) int64 {
	if bucket < subs {
		return int64(bucket)
	}
	shift := bucket/subs - 1
	return (int64(bucket%subs+subs)+1)<<shift - 1
}

// merge adds what another has counted.
func (h *histogram) merge(other *histogram) {
	for i := range other.counts {
		h.counts[i].Add(other.counts[i].Load())
	}
	h.max.Store(max(h.max.Load(), other.max.Load()))
}

// quantile returns what a share q of all durations do not exceed, 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	total := int64(0)
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	rank, seen := max(int64(q*float64(total)+0.5), 1), int64(0)
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= rank {
			return time.Duration(min(highest(i), h.max.Load()))
		}
	}
	return time.Duration(h.max.Load())
}

// Times says how long something took, in milliseconds.
type Times struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (h *histogram) times() Times {
	ms := func(d time.Duration) float64 { return round(float64(d) / float64(time.Millisecond)) }
	return Times{ms(h.quantile(0.5)), ms(h.quantile(0.9)), ms(h.quantile(0.99)), ms(time.Duration(h.max.Load()))}
}
