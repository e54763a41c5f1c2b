package web

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tallylight/tallylight/internal/pace"
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
		perSecond = pace.Any
	}
	return pace.Limiter(perSecond, burst)
}

// moderating is what limits call an act of a moderator, which is no event.
const moderating = "moderate"

// limits counts what users publish.
type limits struct {
	rates Rates // fixed

	mu       sync.Mutex
	limiters pace.Kept[limitKey, *rate.Limiter]
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
	limiter := l.limiters.Of[key]
	if limiter == nil {
		limiter = l.rates.limiter(key.kind)
		l.limiters.Add(key, limiter, func(l *rate.Limiter) bool { return pace.Full(l, now) })
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	return time.Second // what a header can say; at either rate there is room again by then
}
