package signalling

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// late is how late a tick of the wheel may come before it is taken as a sign
// that the whole process was frozen. Peers could not reach us meanwhile, so
// that time does not count against them.
const late = 2 * time.Second

// wheel is the clock of all sessions of a server, and what looks at their
// deadlines. Its time stands still while the process does.
type wheel struct {
	every time.Duration
	at    atomic.Int64 // the wheel's time, ns since it began
}

func (w *wheel) now() time.Duration { return time.Duration(w.at.Load()) }

// run moves the wheel until the context ends.
func (w *wheel) run(ctx context.Context, tick func(now time.Duration)) {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			now := time.Now()
			step := now.Sub(last)
			if step > w.every+late {
				step = w.every
			}
			last = now
			tick(time.Duration(w.at.Add(int64(step))))
		}
	}
}

// life is what is known of a connection's being alive, in the wheel's time.
type life struct {
	heardAt   atomic.Int64 // any frame or pong
	messageAt atomic.Int64 // any message
	streaming atomic.Int32 // rooms joined as streamer

	writingAt atomic.Int64 // since when a write waits for the peer, and one more; 0: none does

	// Owned by the wheel's goroutine.
	begunAt    time.Duration
	pingedAt   time.Duration // when the last ping was due
	waiting    bool          // for the answer to it
	reassureAt time.Duration
	warned     *auth.Identity // the token of which the owner was told that it ends
}

// begin starts the clock. The first ping comes at a random point of the second
// half of the interval, so that pings of many that connected at once spread.
func (l *life) begin(now, ping time.Duration) {
	l.begunAt = now
	l.pingedAt = now
	if ping > 1 {
		l.pingedAt -= rand.N(ping / 2)
	}
	l.message(now)
}

// message notes that a message came, pong that anything did.
func (l *life) message(now time.Duration) {
	l.heardAt.Store(int64(now))
	l.messageAt.Store(int64(now))
}

// writing notes that a write has to wait for the peer, written that it does no more.
func (l *life) writing(now time.Duration) { l.writingAt.Store(int64(now) + 1) }
func (l *life) written()                  { l.writingAt.Store(0) }

func (l *life) pong(now time.Duration) { l.heardAt.Store(int64(now)) }

// tick looks at the session's deadlines. Only the wheel calls it.
func (s *session) tick(now time.Duration) {
	s.tickWriting(now)
	if s.ended.Load() {
		return
	}
	id := s.identity.Load()
	if id == nil {
		if now-s.life.begunAt >= helloTimeout {
			s.end(causeNoHello)
		}
		return
	}
	s.tickToken(id)
	s.tickPing(now)
	s.tickStreaming(now)
}

// tickWriting gives up on a peer that has stopped reading, also while the session is being taken apart.
func (s *session) tickWriting(now time.Duration) {
	if at := s.life.writingAt.Load(); at != 0 && now-time.Duration(at) >= writeTimeout {
		s.end(causeTooSlow)
		_ = s.sock.Close()
	}
}

// tickToken ends the connection with its token, and warns before.
func (s *session) tickToken(id *auth.Identity) {
	left := time.Until(id.Expires)
	switch {
	case left <= -auth.Leeway:
		s.end(causeExpired)
	case left <= expiryNotice && s.life.warned != id:
		s.life.warned = id
		s.sendMessage(Expiring{Type: "expiring", ExpiresAt: presence.MillisOf(id.Expires)})
	}
}

// tickPing pings, and ends the connection if nothing came back.
func (s *session) tickPing(now time.Duration) {
	l, every := &s.life, s.srv.cfg.Ping
	if every < 0 {
		return
	}
	if l.waiting && time.Duration(l.heardAt.Load()) >= l.pingedAt {
		l.waiting = false
	}
	switch {
	case l.waiting && now-l.pingedAt >= pongTimeout:
		s.end(causeNoPong)
	case !l.waiting && now-l.pingedAt >= every:
		l.pingedAt, l.waiting = now, true
		s.out.pushPing() // the pong reaches life.pong through the reader
	}
}

// tickStreaming ends a connection whose app sends nothing although its pongs
// come, and lets a streamer's client hear from us often enough to notice when
// we are gone.
func (s *session) tickStreaming(now time.Duration) {
	l, cfg := &s.life, s.srv.cfg
	streaming := l.streaming.Load() > 0
	// A message counts from the tick before it came: without one tick more, its
	// sender would have less time than was promised.
	if (streaming || cfg.Ping < 0) && now-time.Duration(l.messageAt.Load()) >= cfg.silence()+cfg.tick() {
		s.end(causeSilent)
		return
	}
	if streaming && now-l.reassureAt >= cfg.reassure() {
		l.reassureAt = now
		s.sendMessage(Heartbeat{Type: "heartbeat", Now: presence.MillisOf(time.Now())})
	}
}
