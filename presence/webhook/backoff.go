package webhook

import (
	"math/rand/v2"
	"time"
)

// What a failed attempt waits for the next: five seconds at first, three times as
// long each time, an hour at most.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Hour
)

// backoff returns how long to wait after so many failures in a row, give or take
// a fifth: those that failed together should not come back together.
func backoff(failures int) time.Duration {
	wait := firstRetry
	for i := 1; i < failures && wait < lastRetry; i++ {
		wait *= 3
	}
	wait = min(wait, lastRetry)
	return wait - wait/5 + rand.N(2*wait/5+1)
}
