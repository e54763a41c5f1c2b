package rooms

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// shout publishes an event of about so many bytes.
func (h *house) shout(bytes int) Position {
	h.t.Helper()
	at, err := h.hub.Publish(h.t.Context(), Publication{Room: studio, Name: "x.noise", Data: fmt.Appendf(nil, "%q", strings.Repeat("a", bytes))})
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}

func TestRecovery(t *testing.T) {
	for _, test := range []struct {
		name string
		// missed happens while bob, who saw everything up to since, is away.
		missed func(h *house, since *Position)
		// want is how many events are replayed, -1 if that is refused.
		want int
		chat int // lines in the snapshot, if it is refused
	}{
		{"nothing missed", func(*house, *Position) {}, 0, 0},
		{"some missed", func(h *house, _ *Position) { h.say("a"); h.shout(1); h.say("b") }, 3, 0},
		{"everything missed", func(h *house, since *Position) { h.say("a"); since.Offset = 0 }, 4, 0},
		{"as many as are kept", func(h *house, _ *Position) {
			for range LogEvents {
				h.say("a")
			}
		}, LogEvents, 0},
		{"one more than are kept", func(h *house, _ *Position) {
			for range LogEvents + 1 {
				h.say("a")
			}
		}, -1, SnapshotChat},
		{"just not too old", func(h *house, _ *Position) { h.say("a"); time.Sleep(LogAge); h.say("b") }, 2, 0},
		{"too old", func(h *house, _ *Position) { h.say("a"); time.Sleep(LogAge + time.Millisecond); h.say("b") }, -1, 1},
		{"old, but seen", func(h *house, since *Position) { *since = h.say("a"); time.Sleep(LogAge + time.Second); h.say("b") }, 1, 0},
		{"all old, all seen", func(h *house, since *Position) { *since = h.say("a"); time.Sleep(2 * LogAge) }, 0, 0},
		{"another epoch", func(h *house, since *Position) { h.say("a"); since.Epoch = "elsewhere" }, -1, 4},
		{"no epoch", func(h *house, since *Position) { h.say("a"); since.Epoch = "" }, -1, 4},
		{"from the future", func(h *house, since *Position) { h.say("a"); since.Offset += 5 }, -1, 4},
		{"below zero", func(h *house, since *Position) { h.say("a"); since.Offset = -1 }, -1, 4},
		{"far below zero", func(h *house, since *Position) { h.say("a"); since.Offset = -1 << 63 }, -1, 4},
		{"few bytes", func(h *house, _ *Position) {
			for range 15 {
				h.shout(8 << 10)
			}
		}, 15, 0},
		{"too many bytes", func(h *house, _ *Position) {
			for range 16 {
				h.shout(8 << 10)
			}
		}, -1, 3},
	} {
		for _, replica := range []string{"kept here", "made anew"} {
			t.Run(test.name+", the replica "+replica, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := open(t)
					b := h.viewer(bob, "n1-b")
					var since Position
					for _, text := range []string{"one", "two", "three"} {
						since = h.say(text)
					}
					b.leave(presence.ReasonConnectionLost)
					if replica == "kept here" {
						h.viewer(carol, "n1-c")
					}
					test.missed(h, &since)
					wantRecovered(t, h.connect(bob, "n1-b2"), since, test.want, test.chat)
				})
			})
		}
	}
}

// wantRecovered joins with since and checks what is replayed, or, if want is
// -1, that it is refused and so much chat sent instead.
func wantRecovered(t *testing.T, c *client, since Position, want, chat int) {
	t.Helper()
	j := c.join(Join{Since: &since})
	if j.Recovered != (want >= 0) || len(j.Events) != max(want, 0) || len(j.Chat) != chat {
		t.Fatalf("recovered %v, %d events, %d lines of chat; want %d events (-1: none), %d lines",
			j.Recovered, len(j.Events), len(j.Chat), want, chat)
	}
	for i, e := range j.Events {
		if e.Offset != since.Offset+int64(i)+1 {
			t.Fatalf("replayed event %d is at %d, seen was %d", i, e.Offset, since.Offset)
		}
	}
	if n := len(j.Events); n > 0 && j.Events[n-1].Position != j.Position {
		t.Errorf("replayed up to %+v, joined at %+v", j.Events[n-1].Position, j.Position)
	}
	at := c.h.say("go on")
	c.wantTold(fmt.Sprintf("chat@%d", j.Offset+1))
	if at.Offset != j.Offset+1 || at.Epoch != j.Epoch {
		t.Errorf("joined at %+v, the next event is %+v", j.Position, at)
	}
}

// The snapshot's chat is the last lines, in order, among whatever else was
// said, and no more than its bytes.
func TestSnapshotChat(t *testing.T) {
	wide := strings.Repeat("\x01", MaxChatRunes) // six bytes each on the wire
	for _, test := range []struct {
		name string
		text string
		want int
	}{
		{"short lines", "hello", SnapshotChat},
		{"wide lines", wide, MaxSnapshotChat / (6*MaxChatRunes + 170)},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			var last Position
			for range SnapshotChat + 10 {
				h.shout(10)
				last = h.say(test.text)
			}
			j := h.connect(bob, "n1-b").join(Join{})
			if d := len(j.Chat) - test.want; d < -1 || d > 1 || sizeOf(j.Chat) > MaxSnapshotChat {
				t.Fatalf("%d lines of %d bytes, want about %d", len(j.Chat), sizeOf(j.Chat), test.want)
			}
			for i, e := range j.Chat {
				if want := last.Offset - 2*int64(len(j.Chat)-1-i); e.Name != EventChat || e.Offset != want {
					t.Fatalf("line %d is %s at %d, want at %d", i, e.Name, e.Offset, want)
				}
			}
		})
	}
}

// The log is a window over the events; it never grows past twice its size.
func TestEventLog(t *testing.T) {
	g, now := eventLog{epoch: "e"}, time.UnixMilli(1790000000000)
	for n := range int64(5 * LogEvents) {
		g.append(&Event{Position: Position{"e", n + 1}, At: presence.MillisOf(now)})
		if len(g.events) > 2*LogEvents {
			t.Fatalf("%d events are held", len(g.events))
		}
		kept := g.kept(now)
		if want := min(int(n+1), LogEvents); len(kept) != want || kept[len(kept)-1].Offset != n+1 || kept[0].Offset != n+2-int64(want) {
			t.Fatalf("after %d events, %d are kept", n+1, len(kept))
		}
	}
	if kept := g.kept(now.Add(LogAge + time.Second)); len(kept) != 0 {
		t.Errorf("%d old events are kept", len(kept))
	}
}

// What a member was handed is not changed by what happens later.
func TestRecoveredEventsAreACopy(t *testing.T) {
	h := open(t)
	b := h.viewer(bob, "n1-b")
	at := h.say("one")
	h.say("two")
	j := b.join(Join{Since: &at})
	for range 4 * LogEvents {
		h.say("more")
	}
	if len(j.Events) != 1 || j.Events[0].Offset != 2 {
		t.Errorf("the replayed events became %+v", j.Events)
	}
}

// A node that was cut off from Redis is behind what a viewer was told by another one. It told them an older state, and
// once it was whole again, the same events a second time.
func TestJoinOfANodeThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		stale := false
		h.hub.cfg.Stale = func() bool { return stale }
		b := h.viewer(bob, "n1-b")
		at := h.say("one")
		b.news()
		ahead, foreign := Position{at.Epoch, at.Offset + 1}, Position{"another", 1}
		for _, since := range []Position{ahead, foreign} {
			stale = true
			c := h.connect(carol, "n1-c"+since.Epoch)
			if err := c.ask(Join{Since: &since}); !errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("since %+v: %v, want ErrUnavailable", since, err)
			}
			if n := h.hub.Viewers(studio); n != 1 {
				t.Errorf("%d view, want bob alone", n)
			}
			stale = false
			if j := c.join(Join{Since: &since}); j.Recovered || j.Position != at {
				t.Errorf("since %+v, with Redis there, it joined at %+v, recovered %t", since, j.Position, j.Recovered)
			}
			c.leave(presence.ReasonLeft)
		}
		stale = true
		if j := h.connect(carol, "n1-c3").join(Join{Since: &at}); !j.Recovered || !j.Stale {
			t.Errorf("with what the node knows, it joined as %+v", j)
		}
		h.connect(carol, "n1-c4").join(Join{}) // who knows nothing is told what there is
	})
}
