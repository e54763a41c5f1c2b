package rooms

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// An audience is forgotten an hour after it was last asked for, even if its end is reported later, or else after a week.
func TestMemoryForgetsAudiences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(presence.NewMemory(PresenceFollower))
		known := func() int {
			m.audiences.forget(time.Now())
			return len(m.audiences.byBroadcast)
		}
		report(t, m, watching("b1", 1, 0, 0, "bob"))
		report(t, m, watching("b2", 1, 0, 0, "bob"))
		audienceOf(t, m, "b1", time.Now())
		pass(50 * time.Minute)
		audienceOf(t, m, "b1", time.Now())
		over := watching("b1", 1, 0, 0)
		over.Over = true
		report(t, m, over)
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{audienceAsked - time.Minute, 2}, {2 * time.Minute, 1}, {audienceKept - 3*time.Hour, 1}, {3 * time.Hour, 0}} {
			pass(step.wait)
			if n := known(); n != step.want {
				t.Errorf("after another %s, %d audiences are known, want %d", step.wait, n, step.want)
			}
		}
	})
}
