package presence

import "time"

// maxSweepStep is the most by which one sweep moves the clock on. Sweeps come
// every half second; if one comes much later, then whoever should have swept,
// or the store, was away, and so perhaps were the nodes that a streamer could
// have come back to. That time must not count against anybody's window.
const maxSweepStep = 3 * time.Second

// sweepClock is the clock on which windows run. It stands still while nobody
// sweeps and never goes back, whatever the machine's clock does.
type sweepClock struct {
	at   time.Duration // the clock's reading when it was last moved on
	last time.Time     // when that was
}

// now reads the clock without moving it on.
func (c *sweepClock) now(t time.Time) time.Duration {
	return c.at + min(max(t.Sub(c.last), 0), maxSweepStep)
}

// advance moves the clock on and reads it.
func (c *sweepClock) advance(t time.Time) time.Duration {
	c.at, c.last = c.now(t), t
	return c.at
}
