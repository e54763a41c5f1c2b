package record

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
)

// hook has all that happens delivered to nobody: what is to be told can be read in
// the order in which it would be.
func hook(t *testing.T, s *Store) *webhook.Store {
	t.Helper()
	hooks := &webhook.Store{DB: s.DB}
	if _, err := hooks.Create(t.Context(), "https://example.com", webhook.Types, "admin", 0); err != nil {
		t.Fatal(err)
	}
	return hooks
}

// toldOf returns what is to be delivered, oldest first.
func toldOf(t *testing.T, hooks *webhook.Store) []webhook.Delivery {
	t.Helper()
	all, err := hooks.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page, err := hooks.Deliveries(t.Context(), webhook.DeliveryQuery{Endpoint: all[0].ID, First: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(page)
	return page
}

func wantTold(t *testing.T, hooks *webhook.Store, want ...string) []webhook.Delivery {
	t.Helper()
	told := toldOf(t, hooks)
	got := make([]string, len(told))
	for i, d := range told {
		got[i] = string(d.Type)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("told\n%q, want\n%q", got, want)
	}
	return told
}

func dataOf(t *testing.T, d webhook.Delivery) (s Stream) {
	t.Helper()
	var body struct {
		Type      string
		Timestamp presence.Time
		Data      *Stream
	}
	body.Data = &s
	if err := json.Unmarshal(d.Body, &body); err != nil || body.Type != string(d.Type) || body.Timestamp != presence.Time(d.HappenedAt) {
		t.Fatalf("the body is %s, %v", d.Body, err)
	}
	return s
}

// The record and what is told of it follow a broadcast from its start to its end.
func TestRecorder(t *testing.T) {
	eachDatabase(t, func(t *testing.T, records *Store) {
		hooks := hook(t, records)
		asked, written := 0, 0
		r, s := newRecorder(t, records, func(c *Config) {
			c.Written = func() { written++ }
			c.Figures = func(_ context.Context, ended presence.Transition) (presence.Figures, error) {
				if asked++; asked == 1 {
					return presence.Figures{}, fmt.Errorf("not now: %w", presence.ErrUnavailable)
				}
				return presence.Figures{PeakViewers: new(int64(42)), UniqueViewers: new(int64(0))}, nil
			}
		})
		a := join(t, s, alice, studio, "c1")
		b := a.start(presence.Details{Title: "Sketches"})
		r.Drain(t.Context())
		if got := read(t, records, b.ID); got.State != Live || got.EndedAt != 0 || got.StartedAt != b.StartedAt || got.Version != 1 || got.Streamer != alice || got.Room != studio {
			t.Errorf("while it is live, the record is %+v", got)
		}
		a.release(presence.ReasonConnectionLost)
		r.Drain(t.Context())
		if got := read(t, records, b.ID); got.State != Reconnecting || got.Reason != presence.ReasonConnectionLost {
			t.Errorf("while its streamer is gone, the record is %+v", got)
		}
		a = join(t, s, alice, studio, "c2")
		if _, err := s.Update(t.Context(), a.hold, presence.Changes{Title: new("Etchings")}); err != nil {
			t.Fatal(err)
		}
		a.end()
		r.Drain(t.Context())
		if got := read(t, records, b.ID); got.State == Ended {
			t.Errorf("recorded without the figures, which could not be had: %+v", got)
		}
		for range 2 {
			r.Drain(t.Context())
		}
		got := read(t, records, b.ID)
		if got.State != Ended || got.Details.Title != "Etchings" || got.EndedAt < got.StartedAt || got.Reason != presence.ReasonEndedByStreamer || got.Version != 5 ||
			got.PeakViewers == nil || *got.PeakViewers != 42 || got.UniqueViewers == nil || *got.UniqueViewers != 0 || got.WatchSeconds != nil {
			t.Errorf("recorded %+v", got)
		}

		told := wantTold(t, hooks, "stream.online", "stream.reconnecting", "stream.resumed", "stream.updated", "stream.offline")
		lost, ended := dataOf(t, told[1]), dataOf(t, told[4])
		if lost.Until-presence.Time(told[1].HappenedAt) != presence.Time(time.Minute.Milliseconds()) || lost.Reason != presence.ReasonConnectionLost || lost.EndedAt != 0 {
			t.Errorf("reconnecting: told %+v", lost)
		}
		if ended.Broadcast.ID != b.ID || ended.Broadcast.Title != "Etchings" || ended.Streamer != alice || ended.Room != studio || ended.EndedAt != presence.Time(got.EndedAt) ||
			ended.Reason != presence.ReasonEndedByStreamer || *ended.PeakViewers != 42 || ended.WatchSeconds != nil || ended.Until != 0 {
			t.Errorf("offline: told %+v", ended)
		}
		ids := make(map[string]bool)
		for _, d := range told {
			if ids[d.Event] = true; d.Subject != "alice" || strings.Trim(d.Event, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				t.Errorf("event %q of %q", d.Event, d.Subject)
			}
		}
		if len(ids) != 5 || written == 0 {
			t.Errorf("%d ids, %d times told that there is something to deliver", len(ids), written)
		}
	})
}

// again reads all of the log anew, as a node does that did not hear how far the
// one before it had come.
func again(t *testing.T, r *Recorder, s *presence.Memory) {
	t.Helper()
	made, err := s.Read(t.Context(), presence.PartitionOf(studio), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for n := range made { // in pieces that end anywhere
		if err := r.take(t.Context(), made[:n+1]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, records *Store) {
		hooks := hook(t, records)
		r, s := newRecorder(t, records)
		a := join(t, s, alice, studio, "c1")
		b := a.start(presence.Details{})
		a.release(presence.ReasonConnectionLost)
		join(t, s, alice, studio, "c2").end()
		r.Drain(t.Context())
		was := read(t, records, b.ID)
		again(t, r, s)
		if got := read(t, records, b.ID); fmt.Sprint(got) != fmt.Sprint(was) {
			t.Errorf("read again, the record is %+v, was %+v", got, was)
		}
		wantTold(t, hooks, "stream.online", "stream.reconnecting", "stream.resumed", "stream.offline")
	})
}

// Two nodes that both take a partition for theirs write one record, and one event
// of each kind.
func TestTwoRecorders(t *testing.T) {
	eachDatabase(t, func(t *testing.T, records *Store) {
		hooks := hook(t, records)
		r, s := newRecorder(t, records)
		other := New(r.cfg)
		const many = 50
		a := join(t, s, alice, studio, "c1")
		for range many {
			a.start(presence.Details{})
			a.end()
		}
		done := make(chan struct{})
		go func() { defer close(done); other.Drain(context.Background()) }()
		r.Drain(t.Context())
		<-done
		for range 5 { // one may have been told to try again
			r.Drain(t.Context())
		}
		all, err := records.List(t.Context(), Query{First: 1000})
		if err != nil || len(all) != many {
			t.Fatalf("%d records, %v", len(all), err)
		}
		want := slices.Repeat([]string{"stream.online", "stream.offline"}, many)
		wantTold(t, hooks, want...)
	})
}

// What Redis lost of a broadcast's life is made up for: what is told leads from
// what was told last to what is.
func TestRestored(t *testing.T) {
	records := openSQLite(t)
	hooks := hook(t, records)
	r, _ := newRecorder(t, records)
	seq := uint64(0)
	restored := func(b *presence.Broadcast, state presence.State) presence.Transition {
		seq++
		return presence.Transition{Seq: seq, Room: studio, Kind: presence.LeaseRestored, At: presence.Millis(1000 * seq),
			After: presence.View{State: state, User: &alice, Broadcast: b, Until: 99, Reason: map[bool]presence.Reason{true: presence.ReasonNodeLost}[state == presence.StateReconnecting]}}
	}
	b := func(version int64, title string) *presence.Broadcast {
		return &presence.Broadcast{ID: "00000000-0000-7000-8000-000000000001", StartedAt: 500, Version: version, Details: presence.Details{Title: title}}
	}
	take := func(made ...presence.Transition) {
		t.Helper()
		if err := r.take(t.Context(), made); err != nil {
			t.Fatal(err)
		}
	}
	take(restored(b(4, "x"), presence.StateReconnecting)) // nobody had recorded the start
	want := []string{"stream.online", "stream.reconnecting"}
	wantTold(t, hooks, want...)
	take(restored(b(4, "x"), presence.StateReconnecting))
	wantTold(t, hooks, want...)
	take(restored(b(7, "y"), presence.StateLive))
	want = append(want, "stream.resumed", "stream.updated")
	wantTold(t, hooks, want...)
	seq++
	take(presence.Transition{Seq: seq, Room: studio, Kind: presence.LiveEnded, At: 9000, User: alice, Broadcast: b(9, "y"), Reason: presence.ReasonLeft, After: presence.Offline})
	want = append(want, "stream.offline")
	wantTold(t, hooks, want...)
	if got := read(t, records, b(0, "").ID); got.State != Ended || got.EndedAt != 9000 || got.Version != 9 {
		t.Errorf("recorded %+v", got)
	}
	// Of one whose whole life was lost but the end, both ends are told.
	other := &presence.Broadcast{ID: "00000000-0000-7000-8000-000000000002", StartedAt: 600, Version: 5}
	take(presence.Transition{Room: studio, Kind: presence.LiveEnded, At: 9500, User: alice, Broadcast: other, Reason: presence.ReasonLeft, After: presence.Offline})
	wantTold(t, hooks, append(want, "stream.online", "stream.offline")...)
}

// away takes the table away and returns what brings it back.
func away(t *testing.T, s *Store) (back func()) {
	t.Helper()
	run := func(statement string) {
		if _, err := s.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("ALTER TABLE broadcasts RENAME TO elsewhere")
	return func() { run("ALTER TABLE elsewhere RENAME TO broadcasts") }
}

// While the database is away, streamers go on as if nothing was; once it is
// back, every broadcast is in it, even if there were more than the log keeps
// for those who have read it.
func TestDatabaseAway(t *testing.T) {
	eachDatabase(t, func(t *testing.T, records *Store) {
		const many = 1000
		hooks := hook(t, records)
		r, s := newRecorder(t, records)
		back := away(t, records)
		a := join(t, s, alice, studio, "c1")
		var ids []string
		for range many {
			ids = append(ids, a.start(presence.Details{}).ID)
			a.end()
			if len(ids)%100 == 0 {
				r.Drain(t.Context())
			}
		}
		back()
		r.Drain(t.Context())
		for _, id := range ids {
			if got := read(t, records, id); got.State != Ended {
				t.Fatalf("recorded %+v", got)
			}
		}
		told := toldOf(t, hooks)
		if len(told) != 2*many {
			t.Fatalf("told %d events, want %d", len(told), 2*many)
		}
		for i, d := range told {
			if got, want := dataOf(t, d).Broadcast.ID, ids[i/2]; got != want {
				t.Fatalf("event %d is of %s, want %s", i, got, want)
			}
		}
	})
}

// The recorder needs no wake-up to try again, and presence does not wait for it.
func TestRecorderPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := openSQLite(t)
		r, s := newRecorder(t, records)
		back := away(t, records)
		background(t, r.Run)
		a := join(t, s, alice, studio, "c1")
		b := a.start(presence.Details{})
		a.release(presence.ReasonLeft)
		time.Sleep(time.Minute)
		back()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := read(t, records, b.ID); got.Reason != presence.ReasonLeft || got.EndedAt != b.StartedAt {
			t.Errorf("recorded %+v", got)
		}
	})
}

// A partition that is another node's is left alone, until it is ours; then it goes
// on where the other left off.
func TestMine(t *testing.T) {
	records := openSQLite(t)
	hooks := hook(t, records)
	mine := false
	r, s := newRecorder(t, records, func(c *Config) { c.Mine = func(int) bool { return mine } })
	a := join(t, s, alice, studio, "c1")
	b := a.start(presence.Details{})
	r.Drain(t.Context())
	if _, ok, err := records.Get(t.Context(), b.ID); ok || err != nil {
		t.Errorf("recorded what is another's: %v, %v", ok, err)
	}
	mine = true
	r.Drain(t.Context())
	read(t, records, b.ID)
	mine = false
	r.Drain(t.Context())
	seq, err := s.Acked(t.Context(), Follower, presence.PartitionOf(studio))
	if err != nil || seq == 0 {
		t.Fatalf("acknowledged %d, %v", seq, err)
	}
	a.end()
	other := New(r.cfg)
	other.cfg.Mine, other.follower.Mine = nil, nil
	other.follower.Drain(t.Context())
	a.start(presence.Details{})
	mine = true
	r.Drain(t.Context())
	wantTold(t, hooks, "stream.online", "stream.offline", "stream.online")
}
