// Package pace has what all bounds on how much comes in a second have in common.
package pace

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Any is as a bound that there is none.
const Any = math.MaxInt

// Limiter returns a limiter for so many a second, or Any, and that many times as many at once.
func Limiter(perSecond, atOnce int) *rate.Limiter {
	if perSecond == Any {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), atOnce*perSecond)
}

// Full reports whether all of what may come at once may come: a new limiter would be the same.
func Full(l *rate.Limiter, now time.Time) bool {
	return l.Limit() == rate.Inf || l.TokensAt(now) >= float64(l.Burst())
}

// MinKept is how many are kept before those that are idle are looked for.
const MinKept = 1024

// Kept is a map of what is counted for somebody, from which whoever is idle goes. It needs the lock that guards it.
type Kept[K comparable, V any] struct {
	Of      map[K]V // nil: there is none yet
	sweepAt int     // how many there may be before the idle ones go
}

// Add keeps one more. Before, it forgets those that are idle, if there are twice as many as that left the last time: so it
// costs little.
func (k *Kept[K, V]) Add(key K, value V, idle func(V) bool) {
	if len(k.Of) >= max(k.sweepAt, MinKept) {
		for key, value := range k.Of {
			if idle(value) {
				delete(k.Of, key)
			}
		}
		k.sweepAt = 2 * len(k.Of)
	}
	if k.Of == nil {
		k.Of = make(map[K]V)
	}
	k.Of[key] = value
}
