package web

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/internal/pace"
)

// Whoever makes up users must not fill the memory.
func TestLimitsForgetTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limits
		for range chatBurst {
			l.take("busy", "chat")
		}
		for i := range 10 * pace.MinKept {
			l.take(fmt.Sprint("user", i), "chat")
			time.Sleep(10 * time.Millisecond) // full again after 1 s: some hundred are in use
			if i%50 == 0 {
				l.take("busy", "chat")
			}
		}
		if got := len(l.limiters.Of); got > pace.MinKept {
			t.Errorf("%d are kept, want at most %d", got, pace.MinKept)
		}
		for range chatBurst {
			l.take("busy", "chat")
		}
		if l.take("busy", "chat") == 0 {
			t.Error("who is busy has been forgotten")
		}
	})
}
