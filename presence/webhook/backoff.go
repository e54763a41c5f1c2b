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
	return jittered(min(wait, lastRetry))
}

// probeAfter returns when an endpoint that has failed for so long, whatever it was
// sent, is tried again: after half of that, which makes ever longer waits whatever
// number of deliveries found out that it fails.
func probeAfter(failing time.Duration) time.Duration {
	return jittered(min(max(failing/2, firstRetry), lastRetry))
}

func jittered(wait time.Duration) time.Duration { return wait - wait/5 + rand.N(2*wait/5+1) }
