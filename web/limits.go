package web

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tallylight/tallylight/rooms"
)

// Rates are how much a user may publish in a second: as much as over one
// connection, or this API would be the way around the limits there. Backends
// publish as they like. Of both fields 0 is the default, and a negative number
// is any.
type Rates struct {
	Chat   int // lines; five times as many at once
	Events int // four times as many at once
}

const (
	defaultChat, chatBurst     = 1, 5
	defaultEvents, eventsBurst = 50, 4
	actPerSecond, actBurst     = 5, 20
)

func (r Rates) limiter(kind string) *rate.Limiter {
	switch kind {
	case rooms.EventChat:
		return limiterOf(r.Chat, defaultChat, chatBurst)
	case moderating:
		return rate.NewLimiter(actPerSecond, actBurst)
	default:
		return limiterOf(r.Events, defaultEvents, eventsBurst)
	}
}

func limiterOf(perSecond, usual, burst int) *rate.Limiter {
	if perSecond == 0 {
		perSecond = usual
	}
	if perSecond < 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), burst*perSecond)
}

// moderating is what limits call an act of a moderator, which is no event.
const moderating = "moderate"

// minLimiters is how many limiters are kept before idle ones are looked for.
const minLimiters = 1024

// limits counts what users publish.
type limits struct {
	rates Rates // fixed

	mu       sync.Mutex
	limiters map[limitKey]*rate.Limiter
	sweepAt  int // how many there may be before the idle ones go
}

type limitKey struct {
	user string
	kind string // rooms.EventChat, moderating, or empty for all else
}

// take counts one event of the user. If it is too many, it returns how long to
// wait for the next.
func (l *limits) take(user, event string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	key := limitKey{user: user}
	if event == rooms.EventChat || event == moderating {
		key.kind = event
	}
	limiter := l.limiters[key]
	if limiter == nil {
		l.sweepLocked(now)
		limiter = l.rates.limiter(key.kind)
		if l.limiters == nil {
			l.limiters = make(map[limitKey]*rate.Limiter)
		}
		l.limiters[key] = limiter
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	return time.Second // what a header can say; at either rate there is room again by then
}

// sweepLocked forgets those whose limiter is full: a new one would be the same.
// It waits until there are twice as many as it left, so that it costs little.
func (l *limits) sweepLocked(now time.Time) {
	if len(l.limiters) < max(l.sweepAt, minLimiters) {
		return
	}
	for key, limiter := range l.limiters {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(l.limiters, key)
		}
	}
	l.sweepAt = 2 * len(l.limiters)
}
