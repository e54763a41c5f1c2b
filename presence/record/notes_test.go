package record

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// How many watch is on record minute by minute, and the most although nobody may
// know it any more by the time the end is recorded.
func TestSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := openSQLite(t)
		r, s := newRecorder(t, records)
		d := r.cfg.Directory
		a := join(t, s, alice, studio, "c1")
		b := a.start(presence.Details{})
		synctest.Wait()
		background(t, r.Run)
		d.SetViewers(studio, 3)
		time.Sleep(time.Minute + 500*time.Millisecond)
		back := away(t, records) // an hour without a database
		d.SetViewers(studio, 9)
		time.Sleep(time.Second)
		d.SetViewers(studio, 5)
		time.Sleep(time.Hour)
		a.end()
		time.Sleep(10 * time.Minute)
		back()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		samples, err := records.Samples(t.Context(), b.ID)
		if err != nil || len(samples) < 61 || len(samples) > 62 {
			t.Fatalf("%d samples, %v, of an hour and a minute", len(samples), err)
		}
		for i, sample := range samples {
			want := 5
			if i < 2 {
				want = 3
			}
			if sample.Viewers != want || sample.At%60_000 != 0 || i > 0 && sample.At-samples[i-1].At != 60_000 {
				t.Errorf("sample %d is %+v, want %d viewers", i, sample, want)
			}
		}
		if got := read(t, records, b.ID); got.PeakViewers == nil || *got.PeakViewers != 9 {
			t.Errorf("recorded %+v, want a peak of 9", got)
		}
	})
}

// Nobody watched a broadcast before it began, although the samples of the minute in
// which it did are taken after that.
func TestSamplesBeginWithTheBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := openSQLite(t)
		r, s := newRecorder(t, records)
		a := join(t, s, alice, studio, "c1")
		time.Sleep(300 * time.Millisecond)
		b := a.start(presence.Details{})
		synctest.Wait()
		background(t, r.Run)
		r.cfg.Directory.SetViewers(studio, 3)
		time.Sleep(2*time.Minute + 30*time.Second)
		synctest.Wait()
		samples, err := records.Samples(t.Context(), b.ID)
		minute := presence.MillisOf(time.Now().Truncate(time.Minute))
		if want := []Sample{{minute - 60_000, 3}, {minute, 3}}; err != nil || !slices.Equal(samples, want) {
			t.Errorf("a broadcast that began at %d has the samples %+v, %v, want %+v", b.StartedAt, samples, err, want)
		}
	})
}

// Notes that were taken in are not taken in again, though nobody heard of it.
func TestNotesAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, records *Store) {
		hooks := hook(t, records)
		r, s := newRecorder(t, records)
		p := presence.PartitionOf(studio)
		note := func(kind presence.NoteKind) {
			if err := s.Note(t.Context(), p, presence.Note{Kind: kind, Room: studio, Data: []byte(`{"epoch":"e","offset":7,"from":{"id":"bob"},"at":1790000000000,"data":{"text":"hello"}}`)}); err != nil {
				t.Fatal(err)
			}
		}
		note(presence.NoteOccupied)
		note(presence.NoteOccupied) // by the next node that looks after the room
		note(presence.NoteVacated)
		note(presence.NoteOccupied)
		note(presence.NoteChat)
		note("of a newer program")
		notes, err := s.Notes(t.Context(), p, 10)
		if err != nil {
			t.Fatal(err)
		}
		r.takeAllNotes(t.Context())
		want := []string{"room.occupied", "room.vacated", "room.occupied", "chat.message"}
		told := wantTold(t, hooks, want...)
		if body := string(told[3].Body); !strings.Contains(body, `"text":"hello"`) || !strings.Contains(body, `"from":{"id":"bob"}`) || told[3].Subject != "#studio" {
			t.Errorf("told %s of %s", body, told[3].Subject)
		}
		if left, err := s.Notes(t.Context(), p, 10); err != nil || len(left) != 0 {
			t.Errorf("left are %+v, %v", left, err)
		}
		for n := range notes {
			taken := notes[n:]
			r.cfg.Notes = stubborn{s, taken}
			if err := r.takeNotes(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		wantTold(t, hooks, want...)
	})
}

// stubborn returns notes that were dropped.
type stubborn struct {
	*presence.Memory
	notes []presence.Note
}

func (s stubborn) Notes(context.Context, int, int) ([]presence.Note, error) { return s.notes, nil }

// A note that can't be read does not keep the others.
func TestBadNote(t *testing.T) {
	records := openSQLite(t)
	hooks := hook(t, records)
	r, s := newRecorder(t, records)
	for _, n := range []presence.Note{
		{Kind: presence.NoteViewers, Data: []byte("{")}, {Kind: presence.NotePeaks, Data: []byte("[]")}, {Kind: presence.NoteOccupied, Room: studio},
	} {
		if err := s.Note(t.Context(), presence.PartitionOf(studio), n); err != nil {
			t.Fatal(err)
		}
	}
	r.takeAllNotes(t.Context())
	wantTold(t, hooks, "room.occupied")
}

// A room is occupied once somebody views it, and vacated once nobody has for a
// while: who loads a page anew is no news.
func TestOccupancy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := openSQLite(t)
		hooks := hook(t, records)
		r, _ := newRecorder(t, records)
		stop := background(t, r.Run)
		d := r.cfg.Directory
		after := func(pause time.Duration, viewers int, want ...string) {
			t.Helper()
			d.SetViewers(studio, viewers)
			time.Sleep(pause)
			synctest.Wait()
			wantTold(t, hooks, want...)
		}
		after(2*time.Second, 0)
		after(2*time.Second, 2, "room.occupied")
		after(2*time.Second, 7, "room.occupied")
		after(3*time.Second, 0, "room.occupied")
		after(20*time.Second, 1, "room.occupied")
		after(20*time.Second, 0, "room.occupied", "room.vacated")
		after(2*time.Second, 1, "room.occupied", "room.vacated", "room.occupied")
		// Another node goes on, to which it is no news, and finds that they have gone.
		stop()
		other := New(r.cfg)
		stop = background(t, other.Run)
		after(2*time.Second, 1, "room.occupied", "room.vacated", "room.occupied")
		stop()
		d.SetViewers(studio, 0)
		d.Turned() // which it does not hear of either
		background(t, New(r.cfg).Run)
		after(3*time.Minute, 0, "room.occupied", "room.vacated", "room.occupied", "room.vacated")
	})
}

// Broadcasts that the record has and nobody else are closed, once, and what is
// still there is not.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := openSQLite(t)
		hooks := hook(t, records)
		r, s := newRecorder(t, records)
		a := join(t, s, alice, studio, "c1")
		b := a.start(presence.Details{})
		r.Drain(t.Context())
		running := join(t, s, bob, "attic", "c2").start(presence.Details{})
		r.Drain(t.Context())
		if _, err := records.DB.ExecContext(t.Context(), `INSERT INTO viewer_samples (broadcast, at, viewers) VALUES ($1, $2, 4)`, b.ID, int64(b.StartedAt)+120_000); err != nil {
			t.Fatal(err)
		}
		// Another store, in which the studio's is not: what was is lost.
		lost, left := newRecorder(t, records)
		d := presence.NewDirectory(withLease{left, running}, quiet)
		background(t, d.Run)
		<-d.Ready()
		lost.cfg.Directory = d
		background(t, lost.Run)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := read(t, records, b.ID); got.State != Ended || got.Reason != presence.ReasonLost || got.EndedAt != b.StartedAt+120_000 || *got.PeakViewers != 4 {
			t.Errorf("recorded %+v", got)
		}
		if got := read(t, records, running.ID); got.State != Live || got.EndedAt != 0 {
			t.Errorf("recorded %+v", got)
		}
		told := toldOf(t, hooks)
		if n := len(told); n != 3 || told[2].Type != "stream.offline" || dataOf(t, told[2]).Reason != presence.ReasonLost {
			t.Errorf("told %d: %+v", n, told)
		}
	})
}

// withLease is a store in which the attic has a broadcast that began elsewhere.
type withLease struct {
	*presence.Memory
	b *presence.Broadcast
}

func (w withLease) Load(ctx context.Context, partition int) ([]presence.Lease, uint64, error) {
	leases, seq, err := w.Memory.Load(ctx, partition)
	if partition == presence.PartitionOf("attic") {
		leases = append(leases, presence.Lease{Room: "attic", State: presence.StateLive, User: bob, Broadcast: w.b})
	}
	return leases, seq, err
}
