package rooms

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// moody is a Store whose answers get lost: what was asked may have been done all the same.
type moody struct {
	presence.Store
	gone atomic.Bool // nothing is asked
	down atomic.Bool // asks do not arrive
	mute atomic.Bool // answers do not
	slow atomic.Bool // the next release takes two seconds to arrive
}

func (m *moody) Claim(ctx context.Context, c presence.Claim) (presence.Claimed, error) {
	if m.gone.Load() {
		return presence.Claimed{}, presence.ErrUnasked
	}
	if m.down.Load() {
		return presence.Claimed{}, presence.ErrUnavailable
	}
	claimed, err := m.Store.Claim(ctx, c)
	if m.mute.Load() {
		return presence.Claimed{}, presence.ErrUnavailable
	}
	return claimed, err
}

func (m *moody) Unclaim(ctx context.Context, c presence.Claim) error {
	if m.down.Load() {
		return presence.ErrUnavailable
	}
	return m.Store.Unclaim(ctx, c)
}

func (m *moody) Release(ctx context.Context, h presence.Hold, why presence.Reason) error {
	if m.down.Load() {
		return presence.ErrUnavailable
	}
	if m.slow.CompareAndSwap(true, false) {
		time.Sleep(2 * time.Second)
	}
	err := m.Store.Release(ctx, h, why)
	if m.mute.Load() {
		return presence.ErrUnavailable
	}
	return err
}

// A node was taken for dead while somebody wanted to leave there, and their lease given back to an older connection of
// theirs, of which they know nothing any more. They have left all the same.
func TestLeaveOfWhatWasGivenBack(t *testing.T) {
	h := open(t)
	older := h.streamer(alice, "n1-a")
	older.start()
	newer := h.streamer(alice, "n1-b")
	if err := h.store.Unclaim(t.Context(), presence.Claim{Room: studio, User: alice, Connection: newer.id, Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	if l, _ := h.store.Get(t.Context(), studio); l.Connection != older.id || l.State != presence.StateLive {
		t.Fatalf("the lease is %+v", l)
	}
	newer.leave(presence.ReasonLeft)
	if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
		t.Errorf("alice, who has left, is %s by %s", l.State, l.Connection)
	}
}

// Who leaves over an older connection, on purpose or not, ends nothing that goes on over a newer one.
func TestLeaveOfWhatWasTaken(t *testing.T) {
	h := open(t)
	older := h.streamer(alice, "n1-a")
	older.start()
	newer := h.streamer(alice, "n1-b")
	// An answer can be lost: asked again, it is the same.
	for range 3 {
		if err := h.hub.Leave(t.Context(), older, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrFenced) {
			t.Errorf("leaving got %v", err)
		}
	}
	if l, _ := h.store.Get(t.Context(), studio); l.Connection != newer.id || l.State != presence.StateLive {
		t.Errorf("the lease is %+v", l)
	}
	newer.leave(presence.ReasonLeft)
	for _, want := range []error{nil, ErrNotJoined} {
		if err := h.hub.Leave(t.Context(), older, studio, presence.ReasonLeft); !errors.Is(err, want) {
			t.Errorf("leaving, when the newer one has left, got %v, want %v", err, want)
		}
	}
}

// A newer connection took the broadcast over and is gone; it may be one that they gave up before they knew that it had
// joined. Whoever then leaves over the older one does not want to wait for anybody.
func TestLeaveOfWhatNobodyHolds(t *testing.T) {
	h := open(t)
	older := h.streamer(alice, "n1-a")
	older.start()
	newer := h.streamer(alice, "n1-b")
	if err := h.hub.Leave(t.Context(), older, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrFenced) {
		t.Errorf("leaving got %v", err)
	}
	newer.leave(presence.ReasonConnectionLost)
	if err := h.hub.Leave(t.Context(), older, studio, presence.ReasonLeft); err != nil {
		t.Errorf("leaving, when the newer one is gone, got %v", err)
	}
	if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
		t.Errorf("the lease is %+v", l)
	}
}

// Who was told that their broadcast goes on over a newer connection may join again, and take it back.
func TestJoinOfWhatWasTaken(t *testing.T) {
	h := open(t)
	older := h.streamer(alice, "n1-a")
	older.start()
	h.streamer(alice, "n1-b")
	if err := h.hub.Leave(t.Context(), older, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrFenced) {
		t.Errorf("leaving got %v", err)
	}
	older.join(Join{Role: auth.RoleStreamer})
	h.hub.settle(t.Context())
	if l, _ := h.store.Get(t.Context(), studio); l.Connection != older.id || l.State != presence.StateLive {
		t.Errorf("the lease is %+v", l)
	}
	if n := len(h.hub.unsettled); n != 0 {
		t.Errorf("%d are not settled", n)
	}
	older.leave(presence.ReasonLeft)
	if l, _ := h.store.Get(t.Context(), studio); l.State != presence.StateOffline {
		t.Errorf("alice, who has left, is %s by %s", l.State, l.Connection)
	}
}

// While a node is cut off its streamers try again and again, each time over a connection of its own. Of a claim that was not
// even made nothing is left to be settled.
func TestClaimThatWasNotMade(t *testing.T) {
	h := open(t)
	m := &moody{Store: h.store}
	h.hub.cfg.Store = m
	m.gone.Store(true)
	c := h.connect(alice, "n1-a")
	if err := c.ask(Join{Role: auth.RoleStreamer}); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("join: %v, want ErrUnavailable", err)
	}
	h.hub.Unregister(c)
	if n := len(h.hub.unsettled) + len(h.hub.claims); n != 0 {
		t.Errorf("%d are to be settled", n)
	}
}

// Whatever the store did not answer, in the end no lease is left that nobody holds, and none is taken from somebody who
// does.
func TestSettle(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(h *house, m *moody)
		want []string // what bob is told from the moment the store does not answer
	}{
		{"a release that did not arrive is made up for", func(h *house, m *moody) {
			a := h.streamer(alice, "n1-a")
			a.start()
			m.down.Store(true)
			a.leave(presence.ReasonConnectionLost)
			h.hub.Unregister(a)
		}, []string{"streamer.online@1", "live.started@2", "live.reconnecting@3"}},
		{"a release whose answer was lost is not repeated", func(h *house, m *moody) {
			a := h.streamer(alice, "n1-a")
			a.start()
			m.mute.Store(true)
			a.leave(presence.ReasonConnectionLost)
			h.hub.Unregister(a)
		}, []string{"streamer.online@1", "live.started@2", "live.reconnecting@3"}},
		{"a leave that nobody asks about any more is not remembered", func(h *house, m *moody) {
			a := h.streamer(alice, "n1-a")
			a.start()
			m.down.Store(true)
			if err := h.hub.Leave(context.Background(), a, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrUnavailable) {
				h.t.Errorf("leaving: %v", err)
			}
			if err := h.hub.Leave(context.Background(), a, studio, presence.ReasonConnectionLost); err != nil {
				h.t.Errorf("gone: %v", err)
			}
			h.hub.Unregister(a)
			m.down.Store(false)
			h.streamer(alice, "n1-a2")
		}, []string{"streamer.online@1", "live.started@2"}},
		{"a release that came too late does not touch the next session", func(h *house, m *moody) {
			a := h.streamer(alice, "n1-a")
			a.start()
			m.down.Store(true)
			a.leave(presence.ReasonConnectionLost)
			h.hub.Unregister(a)
			m.down.Store(false)
			h.streamer(alice, "n1-a2")
		}, []string{"streamer.online@1", "live.started@2"}},
		{"a claim whose answer was lost is given up with its session", func(h *house, m *moody) {
			m.mute.Store(true)
			c := h.connect(alice, "n1-a")
			if err := c.ask(Join{Role: auth.RoleStreamer}); !errors.Is(err, presence.ErrUnavailable) {
				h.t.Errorf("join: %v, want ErrUnavailable", err)
			}
			h.hub.Unregister(c)
		}, []string{"streamer.online@1", "streamer.offline@2"}},
		{"a claim whose answer was lost is not given up once another connection has the room", func(h *house, m *moody) {
			m.mute.Store(true)
			c := h.connect(alice, "n1-a")
			_ = c.ask(Join{Role: auth.RoleStreamer})
			m.mute.Store(false)
			h.streamer(alice, "n1-a2").start()
			h.hub.Unregister(c)
		}, []string{"streamer.online@1", "live.started@2"}},
		{"a claim whose answer was lost gives the broadcast back to the connection that had it", func(h *house, m *moody) {
			a := h.streamer(alice, "n1-a")
			a.start()
			m.mute.Store(true)
			c := h.connect(alice, "n1-a2")
			_ = c.ask(Join{Role: auth.RoleStreamer})
			h.hub.Unregister(c)
			m.mute.Store(false)
			pass(2 * time.Second)
			if _, err := h.hub.Update(context.Background(), a, studio, presence.Changes{}); err != nil {
				h.t.Errorf("updating over the connection that stayed: %v", err)
			}
		}, []string{"streamer.online@1", "live.started@2"}},
		{"a claim whose answer was lost may be repeated", func(h *house, m *moody) {
			m.mute.Store(true)
			c := h.connect(alice, "n1-a")
			_ = c.ask(Join{Role: auth.RoleStreamer})
			m.mute.Store(false)
			c.join(Join{Role: auth.RoleStreamer})
			c.start()
		}, []string{"streamer.online@1", "live.started@2"}},
		{"a claim that did not arrive leaves nothing", func(h *house, m *moody) {
			m.down.Store(true)
			c := h.connect(alice, "n1-a")
			_ = c.ask(Join{Role: auth.RoleStreamer})
			h.hub.Unregister(c)
		}, []string{}},
		// What was pending came to be remembered again for good, and whenever the streamer left after that, nothing was given up.
		{"a release that is repeated while its connection has come back does not outlive it", func(h *house, m *moody) {
			a := h.streamer(alice, "n1-a")
			a.start()
			m.down.Store(true)
			if err := h.hub.Leave(context.Background(), a, studio, presence.ReasonLeft); !errors.Is(err, presence.ErrUnavailable) {
				h.t.Errorf("leaving: %v", err)
			}
			m.slow.Store(true)
			m.down.Store(false)
			pass(1500 * time.Millisecond) // by now the hub has begun to repeat it
			if m.slow.Load() {
				h.t.Error("the hub has not repeated it")
			}
			a.leave(presence.ReasonLeft)
			a.join(Join{Role: auth.RoleStreamer})
			a.start()
			pass(2 * time.Second)
			a.leave(presence.ReasonConnectionLost)
			h.hub.Unregister(a)
		}, []string{"streamer.online@1", "live.started@2", "live.ended@3", "streamer.offline@4", "streamer.online@5", "live.started@6", "live.reconnecting@7"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := running(t)
				m := &moody{Store: h.store}
				h.hub.cfg.Store = m
				b := h.connect(bob, "n1-b")
				if err := b.ask(Join{Role: auth.RoleModerator}); err != nil { // who counts as no viewer
					t.Fatal(err)
				}
				b.news()
				test.do(h, m)
				pass(3 * time.Second)
				m.down.Store(false)
				m.mute.Store(false)
				pass(2 * time.Second)
				b.wantTold(test.want...)
				if n := len(h.hub.unsettled) + len(h.hub.claims); n != 0 && test.name != "a claim whose answer was lost may be repeated" {
					t.Errorf("%d are not settled", n)
				}
			})
		})
	}
}
