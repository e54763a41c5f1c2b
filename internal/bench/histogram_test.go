package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	for n := int64(0); n < 1<<44; n += 1 + n/100 {
		b := bucketOf(n)
		if b == len(histogram{}.counts)-1 {
			if n < 1<<41 {
				t.Fatalf("%d is in the last bucket", n)
			}
			continue
		}
		if top := highest(b); top < n || float64(top-n) > float64(n)/subs {
			t.Fatalf("%d is in bucket %d, which reaches to %d", n, b, top)
		}
		if b > 0 && highest(b-1) >= n {
			t.Fatalf("%d is in bucket %d, and the one below reaches to %d", n, b, highest(b-1))
		}
	}
}

func TestQuantilesAgainstExactOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"even":        func() time.Duration { return time.Duration(r.Int64N(int64(time.Second))) },
		"exponential": func() time.Duration { return time.Duration(r.ExpFloat64() * float64(20*time.Millisecond)) },
		"one":         func() time.Duration { return 1234567 },
		"small":       func() time.Duration { return time.Duration(r.Int64N(50)) },
	} {
		var parts [3]histogram
		var exact []time.Duration
		for i := range 10_000 {
			d := draw()
			exact = append(exact, d)
			parts[i%3].add(d)
		}
		var whole histogram
		for i := range parts {
			whole.merge(&parts[i])
		}
		slices.Sort(exact)
		for _, q := range []float64{0.5, 0.9, 0.99, 1} {
			want, got := exact[int(q*float64(len(exact)))-1], whole.quantile(q)
			if got < want || float64(got-want) > float64(want)/subs {
				t.Errorf("%s: quantile %g is %d, want %d or at most 1/%d more", name, q, got, want, subs)
			}
		}
		if got, want := whole.times().Max, round(float64(exact[len(exact)-1])/1e6); got != want {
			t.Errorf("%s: the longest is %g ms, want %g", name, got, want)
		}
	}
}

func TestHistogramEnds(t *testing.T) {
	var h histogram
	if got := h.quantile(0.99); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	h.add(-time.Second)
	h.add(24 * time.Hour)
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("what is negative counts as %s", got)
	}
	if got := h.times().Max; got != 24*3600*1000 {
		t.Errorf("the longest is %g ms", got)
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	var h histogram
	if n := testing.AllocsPerRun(100, func() { h.add(time.Millisecond) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
