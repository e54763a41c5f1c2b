package rooms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// react reacts in a room, and returns whatever comes of it.
func (h *house) react(room, kind string) error {
	h.t.Helper()
	at, err := h.hub.Publish(h.t.Context(), Publication{Room: room, Name: EventReaction, From: chatFromBob, Data: wire.JSON(ReactionData{kind})})
	if at != (Position{}) {
		h.t.Errorf("a reaction has the position %+v", at)
	}
	return err
}

// reacts reacts so many times.
func (h *house) reacts(kind string, times int) {
	h.t.Helper()
	for range times {
		if err := h.react(studio, kind); err != nil {
			h.t.Fatalf("%s: %v", kind, err)
		}
	}
}

// reactions returns what the client was told of the studio's reactions since it
// last looked, and when.
func (c *client) reactions() (told []map[string]int, when []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := c.unread; i < len(c.got); i++ {
		if m, ok := c.got[i].(ReactionsMessage); ok {
			if m.Type != "reactions" || m.Room != studio || len(m.Counts) == 0 {
				c.t.Errorf("%s was told %+v", c.id, m)
			}
			told, when = append(told, m.Counts), append(when, c.when[i])
		}
	}
	c.unread = len(c.got)
	return told, when
}

func (c *client) wantReactions(want ...map[string]int) {
	c.t.Helper()
	if told, _ := c.reactions(); fmt.Sprint(told) != fmt.Sprint(want) {
		c.t.Errorf("%s was told the reactions %v, want %v", c.id, told, want)
	}
}

// sum adds up counts.
func sum(all []map[string]int) map[string]int {
	total := make(map[string]int)
	for _, counts := range all {
		for kind, n := range counts {
			total[kind] += n
		}
	}
	return total
}

func TestReactionsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a, b := h.streamer(alice, "n1-a"), h.viewer(bob, "n1-b")
		elsewhere := h.connect(carol, "n1-c")
		elsewhere.join(Join{Room: "attic"})
		h.reacts("heart", 12)
		h.reacts("wow", 3)
		if err := h.react("cellar", "heart"); err != nil { // where nobody is
			t.Error(err)
		}
		pass(2 * time.Second)
		for _, c := range []*client{a, b} {
			c.wantReactions(map[string]int{"heart": 12, "wow": 3})
		}
		elsewhere.wantReactions()
		pass(time.Minute)
		a.wantReactions() // nothing new
		h.reacts("wow", 1)
		pass(2 * time.Second)
		a.wantReactions(map[string]int{"wow": 1})
		if events := a.wantGapless(); events != 0 {
			t.Errorf("%d events, but reactions are none", events)
		}
		if err := testutil.CollectAndCompare(h.hub, strings.NewReader(`
			# HELP tallylight_reactions_total Reactions that were taken on this node.
			# TYPE tallylight_reactions_total counter
			tallylight_reactions_total 17
		`), "tallylight_reactions_total"); err != nil {
			t.Error(err)
		}
	})
}

// However many react, each member is told once a second, all are told the same
// bytes, and nothing is lost on the way.
func TestReactionsOfACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		const members, each, seconds = 200, 50, 5
		crowd := make([]*client, members)
		for i := range crowd {
			crowd[i] = h.viewer(bob, fmt.Sprint("n1-", i))
		}
		pass(3 * time.Second) // so that all are told of the viewers before
		h.decoded.Clear()
		var reacting sync.WaitGroup
		for i := range crowd {
			reacting.Go(func() {
				for n := range each {
					h.reacts(fmt.Sprint("kind-", (i+n)%MaxReactionKinds), 1)
					time.Sleep(seconds * time.Second / each)
				}
			})
		}
		reacting.Wait()
		pass(2 * time.Second)
		encoded := 0
		h.decoded.Range(func(any, any) bool { encoded++; return true })
		for _, c := range crowd {
			told, when := c.reactions()
			if len(told) > seconds+1 || len(told) != encoded {
				t.Fatalf("%s was told %d times in %d s, of %d messages", c.id, len(told), seconds, encoded)
			}
			for i := 1; i < len(when); i++ {
				if d := when[i].Sub(when[i-1]); d < time.Second {
					t.Errorf("%s was told twice in %s", c.id, d)
				}
			}
			total := 0
			for _, n := range sum(told) {
				total += n
			}
			if total != members*each {
				t.Fatalf("%s was told of %d reactions, want %d", c.id, total, members*each)
			}
		}
	})
}

// Telling one more member must not allocate.
func TestReactionsAllocateNothingPerMember(t *testing.T) {
	allocs := func(members int) float64 {
		h, _ := crowd(t, members)
		r := h.hub.find(studio)
		return testing.AllocsPerRun(100, func() { r.tellReactions(map[string]int{"heart": 1, "wow": 2}) })
	}
	if one, many := allocs(1), allocs(1000); many > one+1 {
		t.Errorf("telling 1 member allocates %.1f times, telling 1,000 %.1f times", one, many)
	}
}

func TestReactionKindsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		kind := func(i int) string { return fmt.Sprint("kind-", i) }
		want := make(map[string]int)
		for i := range MaxReactionKinds {
			h.reacts(kind(i), 1)
			want[kind(i)] = 1
		}
		refused := func(room, kind string) bool {
			t.Helper()
			err := h.react(room, kind)
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				if refusal.Code != CodeBadRequest || !strings.Contains(refusal.Message, "16 kinds") {
					t.Errorf("refused with %+v", refusal)
				}
				return true
			}
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			return false
		}
		if !refused(studio, "one more") {
			t.Error("a kind too many was taken")
		}
		if refused("attic", "one more") {
			t.Error("a kind was refused that is one of another room's")
		}
		pass(2 * time.Second)
		a.wantReactions(want)

		// A kind goes ten minutes after it was last taken, for another one.
		pass(reactionKindKept / 2)
		h.reacts(kind(0), 1)
		if !refused(studio, "one more") {
			t.Error("a kind too many was taken after five minutes")
		}
		pass(reactionKindKept / 2)
		for i := range MaxReactionKinds - 1 {
			h.reacts(fmt.Sprint("new-", i), 1)
		}
		h.reacts(kind(0), 1)
		if !refused(studio, kind(1)) {
			t.Error("a kind that had gone was taken although there are 16")
		}
		pass(reactionKindKept + time.Minute)
		c := h.hub.reactions
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.kinds)+len(c.taken)+len(c.heard) > 0 {
			t.Errorf("of rooms in which nobody reacts there are still %v, %v, %v", c.kinds, c.taken, c.heard)
		}
	})
}

// A kind makes room for another one to the moment, whenever kinds were last
// looked through.
func TestReactionKindsCountForTenMinutes(t *testing.T) {
	c, now := newReactions(), time.Now()
	for i := range MaxReactionKinds {
		c.take(studio, fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
	}
	if c.take(studio, "more", now.Add(reactionKindKept-1)) {
		t.Error("a kind too many was taken a moment before the first one goes")
	}
	if !c.take(studio, "more", now.Add(reactionKindKept)) {
		t.Error("the first one's place was not given to another")
	}
	if c.take(studio, "0", now.Add(reactionKindKept)) {
		t.Error("and to one more")
	}
}

// Nodes may take different kinds. Of all of them together a message has those
// of which there are most, and of as many those that come first.
func TestReactionsOfManyNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		h.hub.Reactions(studio, map[string]int{"heart": 5, "wow": 1})
		h.hub.Reactions(studio, map[string]int{"heart": 2, "boo": 1})
		pass(time.Second)
		a.wantReactions(map[string]int{"heart": 7, "wow": 1, "boo": 1})
		want := map[string]int{"many": 3}
		for i := range 3 * MaxReactionKinds {
			h.hub.Reactions(studio, map[string]int{fmt.Sprintf("kind-%02d", i): 1, "many": i % 2 * 2})
			if i < MaxReactionKinds-1 {
				want[fmt.Sprintf("kind-%02d", i)] = 1
			}
		}
		want["many"] = 3 * MaxReactionKinds
		pass(time.Second)
		a.wantReactions(want)
	})
}

// Who reads slowly misses reactions, and keeps the connection.
func TestReactionsEndNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a, b := h.streamer(alice, "n1-a"), h.viewer(bob, "n1-b")
		b.mu.Lock()
		b.refuses = ErrPeerBusy
		b.mu.Unlock()
		h.reacts("heart", 1000)
		pass(2 * time.Second)
		a.wantReactions(map[string]int{"heart": 1000})
		b.wantReactions()
		b.wantCut()
	})
}

// reactRelay remembers what was published of reactions.
type reactRelay struct {
	Relay
	mu     sync.Mutex
	stuck  bool // until the caller gives up
	refuse bool
	calls  [][]Reactions
}

func (r *reactRelay) set(stuck, refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck, r.refuse, r.calls = stuck, refuse, nil
}

func (r *reactRelay) React(ctx context.Context, all []Reactions) error {
	r.mu.Lock()
	r.calls = append(r.calls, all)
	stuck, refuse := r.stuck, r.refuse
	r.mu.Unlock()
	switch {
	case stuck:
		<-ctx.Done()
		return ctx.Err()
	case refuse:
		return presence.ErrUnavailable
	}
	return r.Relay.React(ctx, all)
}

func (r *reactRelay) published() (calls [][]Reactions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls, r.calls = r.calls, nil
	return calls
}

// runningOver is running with a relay that can be made to fail.
func runningOver(t *testing.T) (*house, *reactRelay) {
	h := open(t)
	relay := &reactRelay{Relay: h.relay}
	h.hub.cfg.Relay = relay
	ctx, cancel := context.WithCancel(t.Context())
	var hub sync.WaitGroup
	hub.Go(func() { h.hub.Run(ctx) })
	t.Cleanup(func() { cancel(); hub.Wait() })
	return h, relay
}

// A node writes once a second for each room in which somebody reacts, a hundred
// at once, and nothing otherwise.
func TestReactionsArePublishedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, relay := runningOver(t)
		h.viewer(bob, "n1-b")
		pass(time.Minute)
		if calls := relay.published(); len(calls) > 0 {
			t.Errorf("nobody reacted, and %v was published", calls)
		}
		const rooms = 2*reportedAtOnce + 1
		for range 10 {
			for i := range rooms {
				if err := h.react(fmt.Sprint("room-", i), "heart"); err != nil {
					t.Fatal(err)
				}
			}
		}
		pass(time.Second)
		calls := relay.published()
		seen := make(map[string]bool)
		for _, call := range calls {
			if len(call) > reportedAtOnce {
				t.Errorf("%d rooms in one call", len(call))
			}
			for _, of := range call {
				if seen[of.Room] || !maps.Equal(of.Counts, map[string]int{"heart": 10}) {
					t.Errorf("published %+v, again: %t", of, seen[of.Room])
				}
				seen[of.Room] = true
			}
		}
		if len(seen) != rooms || len(calls) != 3 {
			t.Errorf("%d rooms were published in %d calls, want %d in 3", len(seen), len(calls), rooms)
		}
	})
}

// What the store does not take is dropped. One that is stuck is not waited for:
// what is heard is told every second all the same.
func TestReactionsWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, relay := runningOver(t)
		b := h.viewer(bob, "n1-b")
		for name, stuck := range map[string]bool{"away": false, "stuck": true} {
			relay.set(stuck, !stuck)
			for range 10 {
				h.reacts("heart", 100)
				h.hub.Reactions(studio, map[string]int{"wow": 1})
				pass(time.Second)
			}
			told, when := b.reactions()
			if got := sum(told); len(told) != 10 || !maps.Equal(got, map[string]int{"wow": 10}) {
				t.Errorf("%s: told %d times, %v", name, len(told), got)
			}
			for i := 1; i < len(when); i++ {
				if d := when[i].Sub(when[i-1]); d != time.Second {
					t.Errorf("%s: told %s after the last time", name, d)
				}
			}
			if calls := relay.published(); len(calls) != 10 {
				t.Errorf("%s: %d calls in 10 s", name, len(calls))
			}
			relay.set(false, false)
			h.reacts("heart", 3)
			pass(2 * time.Second)
			b.wantReactions(map[string]int{"heart": 3}) // and none of those before
		}
	})
}
