package rooms

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// figures returns what is recorded of a broadcast if it ends now.
func (h *house) figures(broadcast string) (unique, seconds int64) {
	h.t.Helper()
	f, err := h.hub.Figures(h.t.Context(), presence.Transition{Room: studio, Broadcast: &presence.Broadcast{ID: broadcast}, At: presence.MillisOf(time.Now())})
	if err != nil {
		h.t.Fatal(err)
	}
	if f.UniqueViewers == nil || f.WatchSeconds == nil {
		h.t.Fatalf("of %s nobody knows anything: %+v", broadcast, f)
	}
	return *f.UniqueViewers, *f.WatchSeconds
}

func (h *house) wantFigures(broadcast string, unique, seconds int64) {
	h.t.Helper()
	if u, s := h.figures(broadcast); u != unique || s != seconds {
		h.t.Errorf("%d users watched for %d s, want %d for %d s", u, s, unique, seconds)
	}
}

func (c *client) end() {
	c.t.Helper()
	if err := c.h.hub.End(c.t.Context(), c, studio); err != nil {
		c.t.Fatal(err)
	}
}

// Who waits before it begins is counted from then on, once, and with all that they watch.
func TestAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		h.viewer(bob, "n1-b1")
		pass(time.Hour)
		b := a.start()
		if f, err := h.hub.Figures(t.Context(), presence.Transition{Room: studio, Broadcast: b}); err != nil || f.UniqueViewers != nil || f.WatchSeconds != nil {
			t.Errorf("nothing was reported, and yet %+v is known, %v", f, err)
		}
		pass(10 * time.Second)
		h.wantFigures(b.ID, 1, 10)
		bob2 := h.viewer(bob, "n1-b2") // from another device
		pass(10 * time.Second)
		h.wantFigures(b.ID, 1, 30)
		c := h.viewer(carol, "n1-c")
		pass(300 * time.Millisecond)
		c.leave(presence.ReasonLeft) // between two reports
		bob2.leave(presence.ReasonLeft)
		pass(10 * time.Second)
		h.wantFigures(b.ID, 2, 41) // 10.3 + 0.3 + 0.3 more
		a.end()
		pass(time.Hour)
		h.wantFigures(b.ID, 2, 41+3600) // as the end is said by whoever asks
		if f, _ := h.hub.Figures(t.Context(), presence.Transition{Room: studio, Broadcast: b, At: presence.MillisOf(time.Now().Add(-time.Hour))}); *f.WatchSeconds != 41 {
			t.Errorf("at its end, it was watched for %d s", *f.WatchSeconds)
		}
	})
}

// The last viewer leaves, the streamer is gone too for a moment, and so is all that the node had of the room. Whoever comes
// then watches the same broadcast, or another one.
func TestAudienceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		b1 := a.start()
		b := h.viewer(bob, "n1-b")
		pass(10 * time.Second)
		b.leave(presence.ReasonLeft)
		a.leave(presence.ReasonConnectionLost)
		pass(10 * time.Second)
		h.wantEmpty()
		h.wantFigures(b1.ID, 1, 10)
		h.viewer(bob, "n1-b2")
		a = h.streamer(alice, "n1-a2")
		pass(20 * time.Second)
		h.wantFigures(b1.ID, 1, 30)
		a.end()
		ended := presence.MillisOf(time.Now())
		h.viewer(carol, "n1-c") // there is nothing to see
		pass(time.Minute)
		b2 := a.start()
		pass(5 * time.Second)
		h.wantFigures(b2.ID, 2, 10)
		if f, _ := h.hub.Figures(t.Context(), presence.Transition{Room: studio, Broadcast: b1, At: ended}); *f.WatchSeconds != 30 || *f.UniqueViewers != 1 {
			t.Errorf("the first was watched by %d users for %d s, want 1 for 30 s", *f.UniqueViewers, *f.WatchSeconds)
		}
	})
}

// clerk is a relay that remembers what was reported, and refuses some of it.
type clerk struct {
	Relay
	mu       sync.Mutex
	refuse   int
	reported []Attendance
	when     []time.Time
}

func (c *clerk) Report(ctx context.Context, all []Attendance) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := make([]error, len(all))
	for i, a := range all {
		if c.refuse > 0 {
			c.refuse--
			errs[i] = errors.New("away")
			continue
		}
		slices.Sort(a.Users)
		c.reported, c.when = append(c.reported, a), append(c.when, time.Now())
		errs[i] = c.Relay.Report(ctx, []Attendance{a})[0]
	}
	return errs
}

func (c *clerk) news() []Attendance {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := c.reported
	c.reported, c.when = nil, nil
	return news
}

// overseen is running with a clerk.
func overseen(t *testing.T) (*house, *clerk) {
	h := open(t)
	c := &clerk{Relay: h.relay}
	h.hub.cfg.Relay = c
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, run := range []func(context.Context){h.directory.Run, h.hub.Run, h.relay.Run} {
		all.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	<-h.directory.Ready()
	synctest.Wait()
	return h, c
}

// Several broadcasts begin and end within a second: none is lost, and yet there is one report a second.
func TestAudienceOfShortBroadcasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := overseen(t)
		a := h.streamer(alice, "n1-a")
		h.viewer(bob, "n1-b")
		pass(time.Second)
		c.news()
		var ids []string
		for range 3 {
			ids = append(ids, a.start().ID)
			pass(200 * time.Millisecond)
			a.end()
		}
		last := a.start()
		pass(5 * time.Second)
		c.mu.Lock()
		for i, at := range c.when[1:] {
			if at.Sub(c.when[i]) < time.Second {
				t.Errorf("reports at %s and %s", c.when[i], at)
			}
		}
		c.mu.Unlock()
		var over []string
		for _, r := range c.news() {
			if r.Over {
				over = append(over, r.Broadcast)
				if r.Watching != 1 || !slices.Equal(r.Users, []string{"bob"}) || r.Viewers != 1 {
					t.Errorf("reported %+v", r)
				}
			}
		}
		if !slices.Equal(over, ids) {
			t.Errorf("reported the ends of %q, want %q", over, ids)
		}
		h.wantFigures(last.ID, 1, 5)
	})
}

// What the relay did not take is reported again: users too, and the end of a broadcast.
func TestAudienceIsReportedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := overseen(t)
		a := h.streamer(alice, "n1-a")
		b := a.start()
		c.refuse = 3
		h.viewer(bob, "n1-b")
		pass(1500 * time.Millisecond)
		h.viewer(carol, "n1-c")
		pass(8500 * time.Millisecond)
		h.wantFigures(b.ID, 2, 10+9) // 8.5
		c.mu.Lock()
		c.refuse = 3
		c.mu.Unlock()
		h.viewer(presence.User{ID: "dave"}, "n1-d")
		a.end()
		ended := presence.MillisOf(time.Now())
		pass(10 * time.Second)
		if f, _ := h.hub.Figures(t.Context(), presence.Transition{Room: studio, Broadcast: b, At: ended}); *f.UniqueViewers != 3 || *f.WatchSeconds != 19 {
			t.Errorf("%d users watched for %d s, want 3 for 19 s", *f.UniqueViewers, *f.WatchSeconds)
		}
	})
}

// The relay has lost everything: all that is known is reported again, and everybody who is there.
func TestAudienceIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := overseen(t)
		b := h.streamer(alice, "n1-a").start()
		h.viewer(bob, "n1-b")
		h.viewer(bob, "n1-b2")
		h.viewer(carol, "n1-c").leave(presence.ReasonLeft)
		pass(time.Hour)
		c.news()
		pass(time.Hour)
		if news := c.news(); len(news) != 0 {
			t.Errorf("nothing happened, and %+v was reported", news)
		}
		h.hub.Repeat(studio)
		h.hub.Repeat("attic") // which nobody knows
		pass(time.Second)
		news := c.news()
		i := slices.IndexFunc(news, func(a Attendance) bool { return a.Room == studio })
		if len(news) != 2 || news[i].Broadcast != b.ID || news[i].Watching != 2 || !slices.Equal(news[i].Users, []string{"bob"}) {
			t.Errorf("reported %+v", news)
		}
	})
}

// An account is kept as long as its broadcast runs, and not much longer.
func TestAudienceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		b := h.viewer(bob, "n1-b")
		window := 30 * time.Minute
		broadcast, err := h.hub.Start(t.Context(), a, studio, presence.Start{Window: &window})
		if err != nil {
			t.Fatal(err)
		}
		accounts := func() int {
			h.hub.ledger.mu.Lock()
			defer h.hub.ledger.mu.Unlock()
			return len(h.hub.ledger.rooms[studio])
		}
		pass(10 * time.Second)
		b.leave(presence.ReasonLeft)
		a.leave(presence.ReasonConnectionLost)
		pass(28 * time.Minute) // nobody is here, and the window is open
		if accounts() != 1 {
			t.Fatal("the account of a broadcast on air was forgotten")
		}
		b = h.viewer(bob, "n1-b2")
		pass(10 * time.Second)
		b.leave(presence.ReasonLeft)
		pass(10 * time.Second)
		h.wantFigures(broadcast.ID, 1, 20)
		pass(5 * time.Minute)
		if n := accounts(); n != 0 {
			t.Errorf("%d accounts are kept of a broadcast that is over", n)
		}
		a = h.streamer(alice, "n1-a2")
		h.viewer(bob, "n1-b3")
		for range 10 {
			a.start()
			pass(time.Minute)
			a.end()
			h.hub.OtherViewers(studio, 3) // and so the room is looked at all the time
		}
		if n := accounts(); n > 3 {
			t.Errorf("%d accounts are kept", n)
		}
		pass(5 * time.Minute)
		if n := accounts(); n != 0 {
			t.Errorf("%d accounts are kept although members are there", n)
		}
	})
}
