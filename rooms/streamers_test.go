package rooms

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// A node that is about to go hands its streamers over: whatever then becomes of their connections is no transition, and
// their next join is none either.
func TestHandOver(t *testing.T) {
	h := open(t)
	a, b := h.streamer(alice, "n1-a"), h.viewer(bob, "n1-b")
	a.start()
	var asked []string
	err := h.hub.HandOver(t.Context(), func(connection string) time.Duration {
		asked = append(asked, connection)
		return time.Hour
	})
	if err != nil || len(asked) != 1 || asked[0] != "n1-a" {
		t.Fatalf("asked for %q, %v; want the streamer alone", asked, err)
	}
	a.leave(presence.ReasonDrain)
	b.wantTold("live.started@2")
	h.streamer(alice, "n2-a")
	b.wantTold()
}

// A node that is cut off sends its streamers away, each connection once, and nobody else.
func TestIsolated(t *testing.T) {
	h := open(t)
	a, b := h.streamer(alice, "n1-a"), h.viewer(bob, "n1-b")
	if err := a.ask(Join{Room: "attic", Role: auth.RoleStreamer}); err != nil {
		t.Fatal(err)
	}
	a.news()
	b.news()
	h.hub.Isolated(false)
	h.hub.Isolated(true)
	if got := a.news(); len(got) != 1 || got[0] != presence.ReasonIsolated {
		t.Errorf("alice was told %v", got)
	}
	if got := b.news(); len(got) != 0 {
		t.Errorf("bob was told %v", got)
	}
	a.wantCut()
}

func TestLost(t *testing.T) {
	h := open(t)
	a, b := h.streamer(alice, "n1-a"), h.viewer(bob, "n1-b")
	h.hub.Lost(presence.Lease{Holder: presence.Holder{Connection: "n1-a"}}, false)
	h.hub.Lost(presence.Lease{Holder: presence.Holder{Connection: "n1-b"}}, true)
	h.hub.Lost(presence.Lease{Holder: presence.Holder{Connection: "n1-gone"}}, true)
	a.wantCut(CutLost)
	b.wantCut(CutReplaced)
}

// A connection whose lease is somebody else's by now, or nobody's, can do nothing more in the room: it is cut.
func TestFencedIsCut(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(h *house, hold presence.Hold)
		want Cut
	}{
		{"taken over", func(h *house, _ presence.Hold) {
			_, err := h.store.Claim(t.Context(), presence.Claim{Room: studio, User: alice, Connection: "n2-a", Node: "n2"})
			if err != nil {
				t.Fatal(err)
			}
		}, CutReplaced},
		{"ended", func(h *house, hold presence.Hold) {
			if err := h.store.Release(t.Context(), hold, presence.ReasonLost); err != nil {
				t.Fatal(err)
			}
		}, CutLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			a := h.streamer(alice, "n1-a")
			test.then(h, h.hub.find(studio).member("n1-a").hold(studio))
			if _, err := h.hub.Start(t.Context(), a, studio, presence.Start{}); !errors.Is(err, presence.ErrFenced) {
				t.Errorf("starting: %v", err)
			}
			a.wantCut(test.want)
		})
	}
}

// A connection left and joined again; the beat that it sent before comes late, under the fence of then. It was cut for
// that as if somebody had replaced it.
func TestLateBeatOfTheSameConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := running(t)
		a := h.streamer(alice, "n1-a")
		h.hub.Beat(a, studio)
		a.leave(presence.ReasonLeft)
		a.join(Join{Role: auth.RoleStreamer})
		pass(2 * time.Second)
		a.wantCut()
	})
}

// The node's directory is behind what it told the members of a room. Were Redis to lose its data now, what they were told
// must be what is put back.
func TestRefine(t *testing.T) {
	h := open(t)
	a := h.streamer(alice, "n1-a")
	h.viewer(bob, "n1-b")
	b := a.start()
	p := presence.PartitionOf(studio)
	behind := func(version int64) presence.Knowledge {
		was := *b
		was.Version = version
		return presence.Knowledge{Leases: []presence.Lease{{Room: studio, State: presence.StateLive, User: alice, Broadcast: &was}}}
	}
	k := behind(1)
	h.hub.Refine(p, &k)
	if l := k.Leases[0]; l.State != presence.StateLive || l.Broadcast.Version != 1 || len(k.Ended) != 0 {
		t.Errorf("nothing was missing, and it became %+v", k)
	}
	a.leave(presence.ReasonConnectionLost)
	k = behind(1)
	h.hub.Refine(p+1, &k)
	if k.Leases[0].Broadcast.Version != 1 {
		t.Error("another partition's rooms count")
	}
	h.hub.Refine(p, &k)
	if l := k.Leases[0]; l.State != presence.StateReconnecting || l.Broadcast.Version != 2 || l.Until == 0 || l.Reason != presence.ReasonConnectionLost {
		t.Errorf("the members were told of reconnecting, and it became %+v", l)
	}
	a.join(Join{Role: auth.RoleStreamer})
	a.leave(presence.ReasonLeft)
	k = behind(3)
	h.hub.Refine(p, &k)
	if len(k.Ended) != 1 || k.Ended[0] != (presence.Ended{Room: studio, Broadcast: b.ID}) {
		t.Errorf("the members were told of the end, and it became %+v", k)
	}
	k = behind(5)
	h.hub.Refine(p, &k)
	if len(k.Ended) != 0 {
		t.Errorf("the log knows more, and it became %+v", k)
	}
}
