package chaos

import (
	"context"
	"sync"
	"time"
)

// pulse sends the heartbeats of all sockets, and ends those that hear nothing, as the protocol asks of clients: one
// goroutine for all, because there are many.
type pulse struct {
	rec *recorder

	mu   sync.Mutex
	open map[*socket]bool
}

func (p *pulse) add(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[s] = true
}

func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.look()
		}
	}
}

func (p *pulse) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.rec.now()
	for s := range p.open {
		select {
		case <-s.done:
			delete(p.open, s)
			continue
		default:
		}
		if s.tick(now) {
			go s.end(EndSilent)
		}
	}
}

// tick sends a heartbeat if one is due, and reports whether the connection must be taken for dead.
func (s *socket) tick(now Instant) bool {
	heard := Instant(s.heardAt.Load())
	if Instant(s.halted.Load()) > now || Instant(s.frozen.Load()) > now {
		return false // it hears nothing because it does not listen, or has nobody who would act
	}
	if heard >= s.sentAt {
		s.sentAt = 0
	}
	if s.streamer && now-heard > hearing || s.sentAt != 0 && now-s.sentAt > beatAnswer {
		return true
	}
	if now >= s.beatAt {
		s.beatAt, s.sentAt = now+beatEvery, now
		go s.send("heartbeat", "", nil)
	}
	return false
}
