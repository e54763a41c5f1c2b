package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// beats divides a heartbeat's interval: so many groups of clients beat one after the other.
	beats = 512
	// defaultBeat holds until a node has said something else.
	defaultBeat = 50 * time.Second
	// pulseTick is how often it is seen whose turn it is.
	pulseTick = 50 * time.Millisecond
)

// pulse sends the heartbeats of all clients from one goroutine: a timer for each would cost the load's machine more than
// the beats themselves.
type pulse struct {
	interval atomic.Int64 // a time.Duration; 0: the default

	mu     sync.Mutex
	groups [beats][]*client
}

// add includes a client for good, at a random point of the interval, as the protocol asks.
func (p *pulse) add(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := rand.IntN(beats)
	p.groups[i] = append(p.groups[i], c)
}

// every sets the interval that a node has named. The first one counts: they are all the same.
func (p *pulse) every(d time.Duration) {
	if d > 0 {
		p.interval.CompareAndSwap(0, int64(d))
	}
}

// run beats until the context ends.
func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(pulseTick)
	defer tick.Stop()
	turn, last, listened := 0.0, time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			before := int(turn)
			turn += beats * now.Sub(last).Seconds() / p.period().Seconds()
			last = now
			for i := before; i < min(int(turn), before+beats); i++ { // once at most, however long this stood still
				p.beat(i % beats)
			}
			if now.Sub(listened) >= time.Second {
				listened = now
				p.listen()
			}
		}
	}
}

func (p *pulse) period() time.Duration {
	if d := time.Duration(p.interval.Load()); d > 0 {
		return d
	}
	return defaultBeat
}

// group returns one, whose members stay: it only grows.
func (p *pulse) group(i int) []*client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.groups[i]
}

func (p *pulse) beat(group int) {
	for _, c := range p.group(group) {
		c.beat()
	}
}

// listen looks for those who are not answered.
func (p *pulse) listen() {
	now := micros()
	for i := range beats {
		for _, c := range p.group(i) {
			c.listen(now)
		}
	}
}
