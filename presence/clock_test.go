package presence

import (
	"testing"
	"time"
)

// The windows' clock runs while somebody sweeps, by at most maxSweepStep at a
// time, and never backwards.
func TestSweepClock(t *testing.T) {
	type step struct {
		after time.Duration // on the machine's clock, since the step before
		want  time.Duration // on the windows' clock
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"it runs with the sweeps", []step{{500 * time.Millisecond, 500 * time.Millisecond}, {500 * time.Millisecond, time.Second}}},
		{"a late sweep counts in part", []step{{time.Minute, maxSweepStep}, {time.Second, maxSweepStep + time.Second}}},
		{"a clock set back stands still", []step{{time.Second, time.Second}, {-time.Hour, time.Second}, {time.Second, 2 * time.Second}}},
		{"two sweeps at once count once", []step{{time.Second, time.Second}, {0, time.Second}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := time.Unix(1790000000, 0)
			c := sweepClock{last: at}
			for i, step := range test.steps {
				at = at.Add(step.after)
				if got := c.now(at); got != step.want {
					t.Errorf("step %d: the clock would read %s, want %s", i, got, step.want)
				}
				if got := c.advance(at); got != step.want {
					t.Errorf("step %d: the clock reads %s, want %s", i, got, step.want)
				}
			}
		})
	}
}

// Whoever only looks at the clock must not move it on: it is not a sweep.
func TestSweepClockNow(t *testing.T) {
	at := time.Unix(1790000000, 0)
	c := sweepClock{last: at}
	for range 10 {
		c.now(at.Add(time.Hour))
	}
	if got := c.now(at.Add(time.Second)); got != time.Second {
		t.Errorf("after being looked at, the clock reads %s, want 1s", got)
	}
}
