package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// counts returns the viewer counts that the client was told since it last
// looked, and when.
func (c *client) counts() (counts []int, when []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := c.unread; i < len(c.got); i++ {
		if m, ok := c.got[i].(ViewersMessage); ok {
			if m.Type != "viewers" || m.Room != studio {
				c.t.Errorf("%s was told %+v", c.id, m)
			}
			counts, when = append(counts, m.Connections), append(when, c.when[i])
		}
	}
	c.unread = len(c.got)
	return counts, when
}

func (c *client) wantCounts(want ...int) {
	c.t.Helper()
	if counts, _ := c.counts(); !slices.Equal(counts, want) {
		c.t.Errorf("%s was told the counts %v, want %v", c.id, counts, want)
	}
}

func TestViewersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		a.start()
		synctest.Wait()
		pass(time.Second)
		a.wantCounts() // she does not view herself
		b := h.viewer(bob, "n1-b")
		if j := h.connect(carol, "n1-c").join(Join{}); j.Connections != 2 {
			t.Errorf("carol joined as one of %d, want 2", j.Connections)
		}
		m := h.connect(carol, "n1-m")
		if j := m.join(Join{Role: auth.RoleModerator}); j.Connections != 2 {
			t.Errorf("a moderator joined and was told of %d, want 2", j.Connections)
		}
		pass(time.Second)
		for _, c := range []*client{a, b, m} {
			c.wantCounts(2)
		}
		if e := h.directory.Room(studio); e.Viewers != 2 || e.Peak != 2 {
			t.Errorf("the directory has %d viewers and a peak of %d, want 2", e.Viewers, e.Peak)
		}
		b.leave(presence.ReasonConnectionLost)
		pass(time.Second)
		a.wantCounts(1)
		pass(time.Minute)
		a.wantCounts() // nothing new
		c := h.viewer(bob, "n1-b2")
		c.leave(presence.ReasonLeft)
		pass(time.Second)
		a.wantCounts() // came and went
	})
}

// However fast they come, the room is told once a second, and at last the
// exact number.
func TestViewersAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		for n := range 95 {
			h.viewer(bob, fmt.Sprint("n1-", n))
			pass(50 * time.Millisecond)
		}
		pass(2 * time.Second)
		wantSpaced(t, a, time.Second, 4, 95)
	})
}

// In a room of more than a thousand it is once in five seconds.
func TestViewersOfABigRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		room := h.hub.find(studio)
		room.mu.Lock()
		room.viewers.here = bigRoom // whoever else is there is not told
		room.mu.Unlock()
		for n := range 40 {
			h.viewer(bob, fmt.Sprint("n1-", n))
			pass(500 * time.Millisecond)
		}
		pass(6 * time.Second)
		wantSpaced(t, a, 5*time.Second, 4, bigRoom+40)
		if e := h.directory.Room(studio); e.Viewers != bigRoom+40 {
			t.Errorf("the directory has %d viewers, want %d", e.Viewers, bigRoom+40)
		}
		h.connect(bob, "n1-last").join(Join{})
		pass(6 * time.Second)
		a.wantCounts(bigRoom + 41) // told although nothing else happened
	})
}

// wantSpaced checks that the client was told counts so far apart, at least so
// many, and at last the exact one.
func wantSpaced(t *testing.T, c *client, apart time.Duration, least, exact int) {
	t.Helper()
	counts, when := c.counts()
	if len(counts) < least || counts[len(counts)-1] != exact {
		t.Fatalf("told %v, want at least %d counts and %d at last", counts, least, exact)
	}
	for i := range when[1:] {
		if d := when[i+1].Sub(when[i]); d < apart {
			t.Errorf("told %d and %d only %s apart, want %s", counts[i], counts[i+1], d, apart)
		}
	}
}

func TestViewersAreZeroAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		b := h.viewer(bob, "n1-b")
		a := h.streamer(alice, "n1-a")
		a.start()
		pass(time.Second)
		if e := h.directory.Room(studio); e.Viewers != 1 {
			t.Fatalf("the directory has %d viewers, want 1", e.Viewers)
		}
		b.leave(presence.ReasonLeft)
		a.leave(presence.ReasonConnectionLost) // still on air, but nobody is here
		pass(time.Second)
		h.wantEmpty()
		if e := h.directory.Room(studio); e.View.State != presence.StateReconnecting || e.Viewers != 0 || e.Peak != 1 {
			t.Errorf("the directory has %d viewers and a peak of %d of a %s room", e.Viewers, e.Peak, e.View.State)
		}
	})
}

// Whoever waited before the streamer came is counted when she comes.
func TestViewersWhoWereThereFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		h.viewer(bob, "n1-b")
		h.viewer(carol, "n1-c")
		pass(time.Minute)
		a := h.streamer(alice, "n1-a")
		a.start()
		pass(time.Second)
		if e := h.directory.Room(studio); e.Viewers != 2 || e.Peak != 2 {
			t.Errorf("the directory has %d viewers and a peak of %d, want 2", e.Viewers, e.Peak)
		}
	})
}

func TestViewersOfOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		a.start()
		h.viewer(bob, "n1-b")
		h.hub.OtherViewers(studio, 41)
		h.hub.OtherViewers("attic", 7) // nobody here has joined it
		pass(time.Second)
		a.wantCounts(42)
		if j := h.connect(carol, "n1-c").join(Join{}); j.Connections != 43 || h.hub.Viewers(studio) != 43 {
			t.Errorf("joined as one of %d, the hub says %d, want 43", j.Connections, h.hub.Viewers(studio))
		}
		pass(time.Second)
		if e := h.directory.Room(studio); e.Viewers != 43 {
			t.Errorf("the directory has %d viewers, want 43", e.Viewers)
		}
		if e := h.directory.Room("attic"); e.Viewers != 7 || h.hub.Viewers("attic") != 7 {
			t.Errorf("of the attic, the directory knows %d viewers and the hub %d, want 7", e.Viewers, h.hub.Viewers("attic"))
		}
		if j := h.connect(carol, "n1-d").join(Join{Room: "attic"}); j.Connections != 8 {
			t.Errorf("joined the attic as one of %d, want 8", j.Connections)
		}
		want := `
			# HELP tallylight_members Members of rooms on this node, by role.
			# TYPE tallylight_members gauge
			tallylight_members{role="moderator"} 0
			tallylight_members{role="streamer"} 1
			tallylight_members{role="viewer"} 3
			# HELP tallylight_reactions_total Reactions that were taken on this node.
			# TYPE tallylight_reactions_total counter
			tallylight_reactions_total 0
			# HELP tallylight_rooms Rooms that have members on this node.
			# TYPE tallylight_rooms gauge
			tallylight_rooms 2
			# HELP tallylight_signalling_sessions Open signalling sessions of streamers on this node, as far as they were used since the streamer came to it.
			# TYPE tallylight_signalling_sessions gauge
			tallylight_signalling_sessions 0
		`
		if err := testutil.CollectAndCompare(h.hub, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		h.hub.OtherViewers(studio, 0)
		h.hub.OtherViewers("attic", 0)
		pass(time.Second)
		a.wantCounts(43, 2)
		if len(h.hub.others) != 0 {
			t.Errorf("rooms without viewers elsewhere are kept: %v", h.hub.others)
		}
	})
}

// reportRelay remembers what was reported of viewers.
type reportRelay struct {
	Relay
	mu       sync.Mutex
	refuse   int
	reported []int
}

func (r *reportRelay) Report(_ context.Context, all []Attendance) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := make([]error, len(all))
	for i, a := range all {
		if r.refuse > 0 {
			r.refuse--
			errs[i] = errors.New("away")
		} else {
			r.reported = append(r.reported, a.Viewers)
		}
	}
	return errs
}

// The relay is told the number of this node alone; what it did not take is
// reported again.
func TestViewersAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		relay := &reportRelay{Relay: h.relay, refuse: 2}
		h.hub.cfg.Relay = relay
		ctx, cancel := context.WithCancel(t.Context())
		var hub sync.WaitGroup
		hub.Go(func() { h.hub.Run(ctx) })
		defer func() { cancel(); hub.Wait() }()
		b := h.viewer(bob, "n1-b")
		h.hub.OtherViewers(studio, 5)
		pass(10 * time.Second)
		b.leave(presence.ReasonLeft)
		pass(10 * time.Second)
		relay.mu.Lock()
		defer relay.mu.Unlock()
		if !slices.Equal(relay.reported, []int{1, 0}) {
			t.Errorf("reported %v, want 1 and 0", relay.reported)
		}
	})
}
