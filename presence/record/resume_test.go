package record

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// A node that runs alone and comes back takes up what was running, on record and
// for webhooks as well; what was interrupted for too long is closed.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := openSQLite(t)
		hooks := hook(t, records)
		r, s := newRecorder(t, records)
		long := join(t, s, bob, "attic", "c0").start(presence.Details{})
		r.Drain(t.Context())
		time.Sleep(presence.MaxWindow - time.Minute)
		b := join(t, s, alice, studio, "c1").start(presence.Details{Title: "Sketches", Tags: []string{"ink"}})
		r.Drain(t.Context())
		time.Sleep(2 * time.Minute) // it was killed meanwhile

		r, s = newRecorder(t, records)
		if err := r.Resume(t.Context(), s.Resume); err != nil {
			t.Fatal(err)
		}
		a := join(t, s, alice, studio, "c1")
		l, err := s.Get(t.Context(), studio)
		if err != nil || l.State != presence.StateLive || l.Broadcast.ID != b.ID || l.Broadcast.Title != "Sketches" || *l.Window != time.Minute {
			t.Errorf("it goes on as %+v, %v", l, err)
		}
		a.end()
		r.Drain(t.Context())
		wantTold(t, hooks, "stream.online", "stream.online", "stream.offline", "stream.reconnecting", "stream.resumed", "stream.offline")
		if got := read(t, records, b.ID); got.State != Ended || got.Reason != presence.ReasonEndedByStreamer || got.Version != 4 {
			t.Errorf("recorded %+v", got)
		}
		if got := read(t, records, long.ID); got.State != Ended || got.Reason != presence.ReasonNodeLost || got.EndedAt != long.StartedAt {
			t.Errorf("recorded %+v", got)
		}
	})
}
