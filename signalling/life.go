package signalling

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// life is what is known of a connection's being alive, in the wheel's time.
type life struct {
	heardAt   atomic.Int64 // any frame or pong
	messageAt atomic.Int64 // any message
	streaming atomic.Int32 // rooms joined as streamer

	iceAt     atomic.Int64 // when it needs new credentials; 0: never
	writingAt atomic.Int64 // since when a write waits for the peer, and one more; 0: none does

	// Owned by the wheel's goroutine.
	begunAt    time.Duration
	pingedAt   time.Duration // when the last ping was due
	waiting    bool          // for the answer to it
	reassureAt time.Duration
	token      *auth.Identity // the one that the next two are about
	notice     time.Duration  // how long before its end the owner is told
	warned     bool
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

// never is after every deadline.
const never = time.Duration(math.MaxInt64)

// tick looks at the session's deadlines, and returns the next. Only the wheel calls it. Whoever sets an earlier one has the
// wheel look again.
func (s *session) tick(now time.Duration) (next time.Duration) {
	next = s.tickWriting(now)
	if s.ended.Load() {
		return next
	}
	id := s.identity.Load()
	if id == nil {
		return min(next, s.tickHello(now))
	}
	return min(next, s.tickToken(now, id), s.tickPing(now), s.tickSilence(now), s.tickReassure(now), s.tickICE(now))
}

// tickWriting gives up on a peer that has stopped reading, also while the session is being taken apart.
func (s *session) tickWriting(now time.Duration) (next time.Duration) {
	at := s.life.writingAt.Load()
	if at == 0 {
		return never
	}
	if next = time.Duration(at) + writeTimeout; now >= next {
		s.end(causeTooSlow)
		_ = s.sock.Close()
		return never
	}
	return next
}

// tickHello ends a connection that does not say who it is.
func (s *session) tickHello(now time.Duration) (next time.Duration) {
	next = s.life.begunAt + helloTimeout
	if now >= next {
		s.end(causeNoHello)
	}
	return next
}

// lookAtTokens is how often at least a token's end is looked at: it is in the world's time, and the wheel's may stand still.
const lookAtTokens = 30 * time.Second

// tickToken ends the connection with its token, and warns before.
func (s *session) tickToken(now time.Duration, id *auth.Identity) (next time.Duration) {
	left := time.Until(id.Expires)
	if left <= -auth.Leeway {
		s.end(causeExpired)
		return never
	}
	l := &s.life
	if l.token != id {
		// Half of what is left at most: who refreshes with a token that ends soon, or with the same one again, is not asked
		// for the next one at once, and so on without an end.
		l.token, l.notice, l.warned = id, min(expiryNotice, left/2), left <= 0
	}
	if !l.warned && left <= l.notice {
		l.warned = true
		s.sendMessage(Expiring{Type: "expiring", ExpiresAt: presence.MillisOf(id.Expires)})
	}
	if !l.warned {
		return now + min(left-l.notice, lookAtTokens)
	}
	return now + min(left+auth.Leeway, lookAtTokens)
}

// tickPing pings, and ends the connection if nothing came back.
func (s *session) tickPing(now time.Duration) (next time.Duration) {
	l, every := &s.life, s.srv.cfg.Ping
	if every < 0 {
		return never
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
	switch {
	case !l.waiting || now < l.pingedAt+every && every < pongTimeout:
		return l.pingedAt + every
	case now < l.pingedAt+every:
		return l.pingedAt + pongTimeout
	default:
		return now // with the next tick: the next ping waits for this one's answer
	}
}

// tickSilence ends a connection whose app sends nothing although its pongs come.
func (s *session) tickSilence(now time.Duration) (next time.Duration) {
	cfg := &s.srv.cfg
	if s.life.streaming.Load() == 0 && cfg.Ping > 0 {
		return never
	}
	// A message counts from the tick before it came: without one tick more, its
	// sender would have less time than was promised.
	next = time.Duration(s.life.messageAt.Load()) + cfg.silence() + cfg.tick()
	if now >= next {
		s.end(causeSilent)
	}
	return next
}

// tickReassure lets a streamer's client hear from us often enough to notice when we are gone.
func (s *session) tickReassure(now time.Duration) (next time.Duration) {
	if s.life.streaming.Load() == 0 || s.ended.Load() {
		return never
	}
	if next = s.life.reassureAt + s.srv.cfg.reassure(); now >= next {
		s.life.reassureAt = now
		s.sendMessage(Heartbeat{Type: "heartbeat", Now: presence.MillisOf(time.Now())})
		next = now + s.srv.cfg.reassure()
	}
	return next
}
