package rooms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// signal sends a signal and returns what became of it.
func (c *client) signal(kind SignalKind, session, to string) error {
	c.t.Helper()
	answers := make(chan error, 2)
	c.h.hub.Signal(c.t.Context(), c, Signal{Room: studio, Session: session, Kind: kind, To: to}, func(err error) { answers <- err })
	synctest.Wait()
	if n := len(answers); n != 1 {
		c.t.Fatalf("%s: %s was answered %d times", c.id, kind, n)
	}
	return <-answers
}

// signals sends what must arrive.
func (c *client) signals(kind SignalKind, session, to string) {
	c.t.Helper()
	if err := c.signal(kind, session, to); err != nil {
		c.t.Fatalf("%s: %s %s to %s: %v", c.id, kind, session, to, err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// onAir has a streamer in the studio, and looks over what everybody was told so far.
func (h *house) onAir(id string) *client {
	h.t.Helper()
	a := h.streamer(alice, id)
	a.start()
	synctest.Wait()
	a.news()
	return a
}

// quietly is a viewer who has read all there was.
func (h *house) quietly(user presence.User, id string) *client {
	h.t.Helper()
	c := h.viewer(user, id)
	synctest.Wait()
	c.news()
	return c
}

// signalsOf keeps of what a client was told the signals.
func (c *client) signalsOf() []string {
	told := []string{}
	for _, m := range c.news() {
		if m, ok := m.(SignalMessage); ok {
			told = append(told, fmt.Sprintf("%s %s of %s", m.Kind, m.Session, m.From))
		}
	}
	return told
}

func (c *client) wantSignals(want ...string) {
	c.t.Helper()
	if got := c.signalsOf(); fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Errorf("%s was told %q, want %q", c.id, got, want)
	}
}

func inBubble(t *testing.T, do func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		do(t, h)
		open := 0
		for _, p := range h.hub.withPeers() {
			p.mu.Lock()
			open += len(p.open)
			p.mu.Unlock()
		}
		if told := h.hub.sessionsOpen.Load(); told != int64(open) {
			t.Errorf("%d sessions are told to be open, and %d are", told, open)
		}
	})
}

func TestSignal(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c := h.onAir("n1-a"), h.quietly(bob, "n1-b"), h.quietly(carol, "n1-c")
		b.signals(SignalRequest, "s1", ToStreamer)
		a.signals(SignalOffer, "s1", "n1-b")
		b.signals(SignalAnswer, "s1", "n1-a")
		b.signals(SignalCandidate, "s1", ToStreamer)
		a.signals(SignalCandidate, "s1", "n1-b")
		a.wantSignals("request s1 of n1-b", "answer s1 of n1-b", "candidate s1 of n1-b")
		b.wantSignals("offer s1 of n1-a", "candidate s1 of n1-a")
		a.signals(SignalBye, "s1", "n1-b")
		b.wantSignals("bye s1 of n1-a")
		b.signals(SignalBye, "s1", ToStreamer) // it is over already
		a.wantSignals()
		wantErr(t, "after the end", b.signal(SignalCandidate, "s1", ToStreamer), ErrPeerGone)
		wantErr(t, "after the end", a.signal(SignalCandidate, "s1", "n1-b"), ErrPeerGone)
		c.wantSignals()
	})
}

func TestSignalOfWhoMayNot(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		b := h.quietly(bob, "n1-b")
		wantErr(t, "nobody streams", b.signal(SignalRequest, "s1", ToStreamer), ErrPeerGone)
		a, c := h.onAir("n1-a"), h.quietly(carol, "n1-c")
		stranger := h.connect(bob, "n1-x")
		wantErr(t, "who has not joined", stranger.signal(SignalRequest, "s1", ToStreamer), ErrNotJoined)
		wantErr(t, "to a viewer", b.signal(SignalRequest, "s1", "n1-c"), ErrNotPeers)
		wantErr(t, "to nobody", b.signal(SignalRequest, "s1", "n1-nobody"), ErrPeerGone)
		wantErr(t, "to what is no id", b.signal(SignalRequest, "s1", "nobody"), ErrPeerGone)
		wantErr(t, "to another node", b.signal(SignalRequest, "s1", "n2-x"), ErrPeerGone)
		wantErr(t, "the streamer to themselves", a.signal(SignalOffer, "s2", "n1-a"), ErrNotPeers)
		// That was peer_gone, after which one waits for a peer who never comes.
		wantErr(t, "the streamer to the streamer", a.signal(SignalOffer, "s2", ToStreamer), ErrNotPeers)
		wantErr(t, "what opens nothing", b.signal(SignalCandidate, "s1", ToStreamer), ErrPeerGone)
		wantErr(t, "what opens nothing", a.signal(SignalAnswer, "s1", "n1-b"), ErrPeerGone)
		a.wantSignals()

		b.signals(SignalRequest, "s1", ToStreamer)
		a.wantSignals("request s1 of n1-b")
		for _, kind := range []SignalKind{SignalRequest, SignalOffer, SignalAnswer, SignalCandidate, SignalBye} {
			wantErr(t, "within another's session", c.signal(kind, "s1", ToStreamer), ErrNotPeers)
		}
		wantErr(t, "to one who is not in the session", a.signal(SignalOffer, "s1", "n1-c"), ErrNotPeers)
		a.wantSignals()
		b.wantSignals()
		c.wantSignals()
	})
}

// asked is a Store that counts how often it is asked for a lease, and may not know.
type asked struct {
	presence.Store
	times   atomic.Int32
	unknown error
}

func (s *asked) Get(ctx context.Context, room string) (presence.Lease, error) {
	s.times.Add(1)
	if s.unknown != nil {
		return presence.Lease{}, s.unknown
	}
	return s.Store.Get(ctx, room)
}

// follow gives the node a directory that knows all until now, and learns nothing more.
func (h *house) follow() {
	h.directory = presence.NewDirectory(h.store, quiet)
	h.hub.cfg.Directory = h.directory
	ctx, stop := context.WithCancel(h.t.Context())
	var following sync.WaitGroup
	following.Go(func() { h.directory.Run(ctx) })
	synctest.Wait()
	stop()
	following.Wait()
}

// Who was told that the streamer is there was answered that nobody is: the streamer was looked for in the directory alone,
// which follows the log by itself, and had not come as far as the room.
func TestSignalAheadOfTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		store := &asked{Store: h.store}
		h.hub.cfg.Store = store
		b := h.quietly(bob, "n1-b")
		h.follow()
		a := h.streamer(alice, "n1-a")
		a.news()
		b.signals(SignalRequest, "s1", ToStreamer)
		a.start()
		h.follow()
		a.news()
		store.times.Store(0)
		b.signals(SignalCandidate, "s1", ToStreamer)
		a.wantSignals("candidate s1 of n1-b")
		if n := store.times.Load(); n > 0 {
			t.Errorf("the directory knows, and the store was asked %d times", n)
		}

		a.leave(presence.ReasonConnectionLost)
		wantErr(t, "while they are away", b.signal(SignalCandidate, "s1", ToStreamer), ErrPeerGone)
		back := h.streamer(alice, "n1-a2") // live again, as the directory thinks they are over the old connection
		back.news()
		b.signals(SignalCandidate, "s1", ToStreamer)
		back.wantSignals("candidate s1 of n1-b")

		store.unknown = presence.ErrUnavailable
		wantErr(t, "nobody can tell", b.signal(SignalCandidate, "s1", ToStreamer), presence.ErrUnavailable)
		b.signals(SignalCandidate, "s1", "n1-a2") // who needs not be looked for
		store.unknown = nil
		back.leave(presence.ReasonLeft)
		wantErr(t, "who is gone", b.signal(SignalRequest, "s2", ToStreamer), ErrPeerGone)
	})
}

// slowClaims is a Store whose claims all rooms are told of before the claimant is.
type slowClaims struct {
	presence.Store
	relay Relay
	let   chan error // what they get then; nil: what the store said
}

func (s *slowClaims) Claim(ctx context.Context, c presence.Claim) (presence.Claimed, error) {
	claimed, err := s.Store.Claim(ctx, c)
	_ = s.relay.Apply(ctx, presence.PartitionOf(c.Room))
	if lost := <-s.let; lost != nil {
		return presence.Claimed{}, lost
	}
	return claimed, err
}

// Who hears of a streamer early was answered that nobody is there: rooms are told of a claim before its claimant is enrolled.
func TestSignalToAStreamerWhoIsComing(t *testing.T) {
	for _, lost := range []error{nil, presence.ErrUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t)
			store := &slowClaims{Store: h.store, relay: h.relay, let: make(chan error)}
			h.hub.cfg.Store = store
			b, a := h.quietly(bob, "n1-b"), h.connect(alice, "n1-a")
			joined := make(chan error)
			go func() { joined <- a.ask(Join{Role: auth.RoleStreamer}) }()
			synctest.Wait()
			b.wantTold("streamer.online@1")
			answers := make(chan error, 3)
			for _, kind := range []SignalKind{SignalRequest, SignalCandidate} {
				h.hub.Signal(t.Context(), b, Signal{Room: studio, Session: "s1", Kind: kind, To: ToStreamer}, func(err error) { answers <- err })
			}
			synctest.Wait()
			if n := len(answers); n > 0 {
				t.Errorf("%d were answered before anybody can know", n)
			}
			store.let <- lost
			wantErr(t, "the join", <-joined, lost)
			synctest.Wait()
			told, want := a.told(), "[joined@1 request s1 of n1-b candidate s1 of n1-b]"
			answer := error(nil)
			if lost != nil {
				answer, want = ErrPeerGone, "[]"
			}
			if fmt.Sprint(told) != want {
				t.Errorf("the streamer was told %q, want %s", told, want)
			}
			if n := len(answers); n != 2 {
				t.Fatalf("two signals got %d answers", n)
			}
			for range 2 {
				wantErr(t, "while they came", <-answers, answer)
			}
			if n := len(h.hub.rooms[studio].coming); n > 0 {
				t.Errorf("%d are still expected", n)
			}
		})
	}
}

// The streamer may begin as well.
func TestSignalFromTheStreamerFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c := h.onAir("n1-a"), h.quietly(bob, "n1-b"), h.quietly(carol, "n1-c")
		a.signals(SignalOffer, "s1", "n1-b")
		b.wantSignals("offer s1 of n1-a")
		wantErr(t, "another's", c.signal(SignalAnswer, "s1", ToStreamer), ErrNotPeers)
		b.signals(SignalAnswer, "s1", ToStreamer)
		a.wantSignals("answer s1 of n1-b")
		wantErr(t, "nobody is there", a.signal(SignalOffer, "s2", "n1-x"), ErrPeerGone)
		wantErr(t, "themselves", a.signal(SignalOffer, "s3", "n1-a"), ErrNotPeers)
		for i := range DefaultMaxPeers - 1 { // those took no seat
			a.signals(SignalOffer, fmt.Sprint("t", i), h.quietly(carol, fmt.Sprint("n1-t", i)).id)
		}
		wantErr(t, "one too many", a.signal(SignalOffer, "t", h.quietly(carol, "n1-t").id), ErrPeerLimit)
	})
}

func TestSignalSeats(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a := h.onAir("n1-a")
		var all []*client
		for i := range DefaultMaxPeers {
			all = append(all, h.quietly(presence.User{ID: fmt.Sprint("v", i)}, fmt.Sprint("n1-v", i)))
			all[i].signals(SignalRequest, fmt.Sprint("s", i), ToStreamer)
		}
		late := h.quietly(bob, "n1-b")
		a.news()
		wantErr(t, "no seat is left", late.signal(SignalRequest, "s", ToStreamer), ErrPeerLimit)
		a.wantSignals()
		all[0].signals(SignalRequest, "again", ToStreamer) // takes its own seat
		a.wantSignals("bye s0 of n1-v0", "request again of n1-v0")
		all[1].signals(SignalBye, "s1", ToStreamer)
		late.signals(SignalRequest, "s", ToStreamer)
		wantErr(t, "that one is taken", all[1].signal(SignalRequest, "s1", ToStreamer), ErrPeerLimit)
		a.signals(SignalBye, "s", "n1-b")
		all[1].signals(SignalRequest, "s1", ToStreamer)
	})
}

// A viewer whose connection broke keeps the session, if they come back in time.
func TestSignalOfAViewerWhoComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
		b.signals(SignalRequest, "s1", ToStreamer)
		a.signals(SignalOffer, "s1", "n1-b")
		a.news()
		b.leave(presence.ReasonConnectionLost)
		wantErr(t, "while they are away", a.signal(SignalCandidate, "s1", "n1-b"), ErrPeerGone)
		pass(peerGrace - 2*time.Second)
		a.wantSignals()

		b2 := h.quietly(bob, "n1-b2")
		b2.signals(SignalRequest, "s1", ToStreamer)
		a.wantSignals("request s1 of n1-b2")
		a.signals(SignalOffer, "s1", "n1-b") // who does not know yet that they moved
		a.signals(SignalCandidate, "s1", "n1-b2")
		b2.wantSignals("offer s1 of n1-a", "candidate s1 of n1-a")
		pass(2 * peerGrace)
		a.wantSignals()

		b2.leave(presence.ReasonConnectionLost)
		pass(peerGrace + 2*time.Second)
		a.wantSignals("bye s1 of n1-b2")
		b3 := h.quietly(bob, "n1-b3")
		wantErr(t, "after the end", b3.signal(SignalCandidate, "s1", ToStreamer), ErrPeerGone)
		b3.signals(SignalRequest, "s1", ToStreamer) // and a new one
	})
}

// A page that was loaded anew has no use for the session of the one before it, which would keep a seat.
func TestSignalOfAViewerWhoBeginsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
		b.signals(SignalRequest, "s1", ToStreamer)
		b.leave(presence.ReasonConnectionLost)
		synctest.Wait()
		a.news()
		b2 := h.quietly(bob, "n1-b2")
		b2.signals(SignalRequest, "s2", ToStreamer)
		a.wantSignals("bye s1 of n1-b", "request s2 of n1-b2")
	})
}

func TestSignalOfAViewerWhoLeaves(t *testing.T) {
	for _, why := range []presence.Reason{presence.ReasonLeft, presence.ReasonKicked} {
		inBubble(t, func(t *testing.T, h *house) {
			a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
			b.signals(SignalRequest, "s1", ToStreamer)
			a.news()
			b.leave(why)
			synctest.Wait()
			a.wantSignals("bye s1 of n1-b")
		})
	}
}

// A streamer whose connection broke finds all sessions as they were: who is in them, and how many there are.
func TestSignalOfAStreamerWhoComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c, d := h.onAir("n1-a"), h.quietly(bob, "n1-b"), h.quietly(carol, "n1-c"), h.quietly(presence.User{ID: "dave"}, "n1-d")
		b.signals(SignalRequest, "s1", ToStreamer)
		c.signals(SignalRequest, "s2", ToStreamer)
		d.signals(SignalRequest, "s3", ToStreamer)
		for i := range DefaultMaxPeers - 3 {
			h.quietly(presence.User{ID: fmt.Sprint("v", i)}, fmt.Sprint("n1-v", i)).signals(SignalRequest, fmt.Sprint("t", i), ToStreamer)
		}
		a.leave(presence.ReasonConnectionLost)
		synctest.Wait()
		wantErr(t, "while they are away", b.signal(SignalCandidate, "s1", ToStreamer), ErrPeerGone)
		wantErr(t, "while they are away", b.signal(SignalRequest, "s1", "n1-a"), ErrPeerGone)
		c.leave(presence.ReasonConnectionLost) // which nobody hears
		d.leave(presence.ReasonLeft)
		e := h.quietly(presence.User{ID: "erin"}, "n1-e")

		a2 := h.streamer(alice, "n1-a2")
		synctest.Wait()
		a2.news()
		b.signals(SignalCandidate, "s1", ToStreamer)
		a2.signals(SignalOffer, "s1", "n1-b")
		a2.wantSignals("candidate s1 of n1-b")
		b.wantSignals("offer s1 of n1-a2")
		wantErr(t, "another's", e.signal(SignalCandidate, "s1", ToStreamer), ErrNotPeers)
		wantErr(t, "no seat is left", e.signal(SignalRequest, "s9", ToStreamer), ErrPeerLimit)
		pass(peerGrace + 2*time.Second)
		told := a2.signalsOf()
		if len(told) != 2 {
			t.Errorf("of those who are gone the streamer was told %q", told)
		}
		e.signals(SignalRequest, "s9", ToStreamer)
		h.quietly(bob, "n1-f").signals(SignalRequest, "s10", ToStreamer)
	})
}

// Signals went to the connection that the streamer had before, which was closed for the newer one, until the next
// transition: on a node that runs alone, nobody told the directory.
func TestSignalOfAStreamerWhoIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
		b.signals(SignalRequest, "s1", ToStreamer)
		a2 := h.streamer(alice, "n1-a2")
		a.wantCut(CutReplaced)
		a.leave(presence.ReasonConnectionLost)
		synctest.Wait()
		a2.news()
		b.signals(SignalCandidate, "s1", ToStreamer)
		a2.wantSignals("candidate s1 of n1-b")
		b.wantTold() // it is nothing that a room is told
	})
}

// A viewer's node that is not among the living may be new, and not known yet; if it stays away, its viewers are gone.
func TestSignalOfAViewerWhoseNodeIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var known atomic.Bool
		h := running(t, func(c *Config) {
			c.Living = func() []string {
				if known.Load() {
					return []string{"n1", "n2"}
				}
				return []string{"n1"}
			}
		})
		a := h.onAir("n1-a")
		_, m := h.hub.memberOf(studio, a.id)
		m.peerings.mu.Lock()
		m.peerings.loaded = true
		m.peerings.addLocked(&peering{Peering: Peering{Session: "s1", User: "bob", Member: "n2-b"}})
		m.peerings.mu.Unlock()
		pass(peerGrace - 5*time.Second)
		known.Store(true)
		pass(2 * peerGrace)
		known.Store(false)
		pass(peerGrace - 5*time.Second)
		a.wantSignals()
		pass(10 * time.Second)
		a.wantSignals("bye s1 of n2-b")
	})
}

// A store that has lost what it knew of sessions knows it again soon.
func TestSignalSessionsAreSaidAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.onAir("n1-a")
		b := h.quietly(bob, "n1-b")
		b.signals(SignalRequest, "s1", ToStreamer)
		if err := h.relay.DropPeerings(t.Context(), studio); err != nil {
			t.Fatal(err)
		}
		pass(peeringsAgain + 2*time.Second)
		if kept, _ := h.relay.Peerings(t.Context(), studio); len(kept) != 1 || kept[0].Session != "s1" {
			t.Errorf("%+v are kept", kept)
		}
	})
}

// Who went while the streamer was away is said goodbye to, though nobody says anything in that session any more.
func TestSignalOfAViewerWhoWentMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c := h.onAir("n1-a"), h.quietly(bob, "n1-b"), h.quietly(carol, "n1-c")
		b.signals(SignalRequest, "s1", ToStreamer)
		c.signals(SignalRequest, "s2", ToStreamer)
		a.leave(presence.ReasonConnectionLost)
		b.leave(presence.ReasonConnectionLost)
		a2 := h.streamer(alice, "n1-a2")
		pass(peerGrace - time.Second)
		a2.wantSignals()
		pass(2 * time.Second)
		a2.wantSignals("bye s1 of n1-b")
		c.signals(SignalCandidate, "s2", ToStreamer)
		a2.wantSignals("candidate s2 of n1-c")
	})
}

// When the streamer is gone for good, so are the sessions.
func TestSignalOfAStreamerWhoIsGone(t *testing.T) {
	for _, why := range []presence.Reason{presence.ReasonLeft, presence.ReasonConnectionLost} {
		inBubble(t, func(t *testing.T, h *house) {
			a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
			b.signals(SignalRequest, "s1", ToStreamer)
			a.leave(why)
			pass(presence.DefaultWindow - time.Second)
			if why != presence.ReasonLeft {
				b.wantSignals()
			}
			pass(2 * time.Second)
			b.wantSignals("bye s1 of n1-a")

			a2 := h.onAir("n1-a2")
			wantErr(t, "after the end", b.signal(SignalCandidate, "s1", ToStreamer), ErrPeerGone)
			pass(2 * peerGrace)
			a2.wantSignals()
			a2.leave(presence.ReasonLeft)
			synctest.Wait()
			b.wantSignals() // it was over already
			b.leave(presence.ReasonLeft)
			synctest.Wait()
			if kept, _ := h.relay.Peerings(t.Context(), studio); len(kept) > 0 {
				t.Errorf("%+v are kept", kept)
			}
			h.wantEmpty()
		})
	}
}

// "ok" is the truth: it was put into the queue of the peer's socket.
func TestSignalThatASocketDoesNotTake(t *testing.T) {
	for _, why := range []error{ErrPeerGone, ErrPeerBusy} {
		inBubble(t, func(t *testing.T, h *house) {
			a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
			b.signals(SignalRequest, "s1", ToStreamer)
			for _, refuses := range []*client{a, b} {
				refuses.mu.Lock()
				refuses.refuses = why
				refuses.mu.Unlock()
			}
			wantErr(t, "to the viewer", a.signal(SignalOffer, "s1", "n1-b"), why)
			wantErr(t, "to the streamer", b.signal(SignalCandidate, "s1", ToStreamer), why)
			c := h.quietly(carol, "n1-c")
			wantErr(t, "to the streamer", c.signal(SignalRequest, "s2", ToStreamer), why)
			kept, _ := h.relay.Peerings(t.Context(), studio)
			if len(kept) != 1 {
				t.Errorf("sessions %+v are open", kept)
			}
		})
	}
}

// hung is a relay whose store does not answer questions about sessions until it is let.
type hung struct {
	Relay
	let chan struct{}
}

func (r *hung) Peerings(ctx context.Context, room string) ([]Peering, error) {
	<-r.let
	return r.Relay.Peerings(ctx, room)
}

func (r *hung) DropPeerings(ctx context.Context, room string) error {
	<-r.let
	return r.Relay.DropPeerings(ctx, room)
}

// While the store is slow, what waits for it is bounded, whoever floods.
func TestSignalsWhileTheStoreIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		relay := &hung{Relay: h.relay, let: make(chan struct{})}
		h.hub.cfg.Relay = relay
		a, b := h.streamer(alice, "n1-a"), h.viewer(bob, "n1-b")
		h.hub.mu.Lock()
		m := h.hub.rooms[studio].members["n1-a"]
		h.hub.mu.Unlock()
		answers := map[error]int{}
		var mu sync.Mutex
		for range 1000 {
			m.peerings.take(Signal{Room: studio, Session: "s1", Kind: SignalRequest, To: a.id, From: b.id, User: bob, Role: auth.RoleViewer}, func(err error) {
				mu.Lock()
				defer mu.Unlock()
				answers[err]++
			})
		}
		synctest.Wait()
		close(relay.let)
		synctest.Wait()
		if answers[nil] < laneMost || answers[nil] > laneMost+1 || answers[nil]+answers[ErrPeerBusy] != 1000 {
			t.Errorf("the answers are %v", answers)
		}
	})
}

// Signals of one to another stay in order, however many there are.
func TestSignalsStayInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.onAir("n1-a"), h.quietly(bob, "n1-b")
		b.signals(SignalRequest, "s1", ToStreamer)
		a.news()
		for i := range 500 {
			h.hub.Signal(t.Context(), b, Signal{Room: studio, Session: "s1", Kind: SignalCandidate, To: ToStreamer, Data: []byte(fmt.Sprint(i))}, func(error) {})
			h.hub.Signal(t.Context(), a, Signal{Room: studio, Session: "s1", Kind: SignalCandidate, To: "n1-b", Data: []byte(fmt.Sprint(i))}, func(error) {})
			if i%(laneMost/2) == 0 {
				synctest.Wait() // more would be refused
			}
		}
		synctest.Wait()
		for _, c := range []*client{a, b} {
			told := c.news()
			if len(told) != 500 {
				t.Fatalf("%s was told %d times", c.id, len(told))
			}
			for i, m := range told {
				if got := string(m.(SignalMessage).Data); got != fmt.Sprint(i) {
					t.Fatalf("%s: candidate %d is %s", c.id, i, got)
				}
			}
		}
	})
}
