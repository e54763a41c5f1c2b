package presence

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
)

func openRecords(t *testing.T, database string) *Records {
	t.Helper()
	db, dialect, err := migrations.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := migrations.Up(t.Context(), db, dialect); err != nil {
		t.Fatal(err)
	}
	return &Records{DB: db}
}

func openSQLite(t *testing.T) *Records {
	return openRecords(t, "sqlite:"+filepath.Join(t.TempDir(), "tallylight.db"))
}

func TestRecordsOnSQLite(t *testing.T) { testRecords(t, openSQLite) }

func TestRecordsOnPostgres(t *testing.T) {
	testRecords(t, func(t *testing.T) *Records { return openRecords(t, testserver.Postgres(t)) })
}

// testRecords is what holds on every database. open returns empty tables.
func testRecords(t *testing.T, open func(*testing.T) *Records) {
	for _, test := range []struct {
		name string
		do   func(*testing.T, *Records)
	}{
		{"a record is read as it was written", testRecordRoundTrip},
		{"writing a record again changes nothing", testRecordAgain},
		{"lists are paged, latest first, and filtered", testRecordList},
		{"the last end of a streamer", testLastEnd},
		{"a broadcast is recorded at its end", testRecorder},
		{"nothing is lost while the database is away", testRecorderAway},
	} {
		t.Run(test.name, func(t *testing.T) { test.do(t, open(t)) })
	}
}

func writeRecord(t *testing.T, r *Records, rec Record) {
	t.Helper()
	if err := r.Write(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
}

func readRecord(t *testing.T, r *Records, id string) Record {
	t.Helper()
	rec, ok, err := r.Get(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("reading %s: %v, %v", id, ok, err)
	}
	return rec
}

// recordNo returns a record with a readable id; larger numbers are later.
func recordNo(n int64, streamer User, room string) Record {
	return Record{
		ID:        fmt.Sprintf("00000000-0000-7000-8000-%012d", n),
		Streamer:  streamer,
		Room:      room,
		Details:   Details{Tags: []string{}},
		StartedAt: Millis(1000 * n),
		EndedAt:   Millis(1000*n + 500),
		Reason:    ReasonLeft,
		Version:   2,
	}
}

func testRecordRoundTrip(t *testing.T, r *Records) {
	peak, unique, watched := int64(7), int64(0), int64(1)<<40
	full := Record{
		ID:        newBroadcastID(),
		Streamer:  alice,
		Room:      studio,
		Details:   Details{Title: "Skizzen ✏️ 'quoted'", Category: "art", Language: "de", Tags: []string{"ink", `"`}},
		StartedAt: 1790000000000,
		EndedAt:   1790000001000,
		Reason:    ReasonConnectionLost,
		Version:   9,
		Figures:   Figures{PeakViewers: &peak, UniqueViewers: &unique, WatchSeconds: &watched},
	}
	bare := recordNo(1, bob, "attic") // figures that nobody measured are nil, not 0
	bare.Details.Tags = nil
	for _, rec := range []Record{full, bare} {
		writeRecord(t, r, rec)
		got := readRecord(t, r, rec.ID)
		if rec.Details.Tags == nil {
			rec.Details.Tags = []string{} // so that a list is never null in JSON
		}
		if !reflect.DeepEqual(got, rec) {
			t.Errorf("read  %+v\nwrote %+v", got, rec)
		}
	}
	if rec, ok, err := r.Get(t.Context(), newBroadcastID()); ok || err != nil {
		t.Errorf("reading what was never written: %+v, %v, %v, want none", rec, ok, err)
	}
}

func testRecordAgain(t *testing.T, r *Records) {
	rec := recordNo(1, alice, studio)
	writeRecord(t, r, rec)
	late := rec
	late.Reason, late.EndedAt, late.Version = ReasonLost, 9999, 1
	writeRecord(t, r, late)
	if got := readRecord(t, r, rec.ID); !reflect.DeepEqual(got, rec) {
		t.Errorf("written again, it is %+v, want %+v", got, rec)
	}
}

func testRecordList(t *testing.T, r *Records) {
	for n := range int64(12) {
		writeRecord(t, r, recordNo(n, []User{alice, bob}[n%2], []string{"attic", "cellar", studio}[n%3]))
	}
	for _, test := range []struct {
		name string
		q    RecordQuery
		want []int64 // by start
	}{
		{"all", RecordQuery{}, []int64{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"a streamer's", RecordQuery{Streamer: "bob"}, []int64{11, 9, 7, 5, 3, 1}},
		{"a room's", RecordQuery{Room: studio}, []int64{11, 8, 5, 2}},
		{"a streamer's in a room", RecordQuery{Streamer: "alice", Room: studio}, []int64{8, 2}},
		{"from", RecordQuery{From: 9000}, []int64{11, 10, 9}},
		{"until", RecordQuery{To: 2000}, []int64{1, 0}},
		{"from and until", RecordQuery{From: 4000, To: 7000}, []int64{6, 5, 4}},
		{"nobody's", RecordQuery{Streamer: "zoe"}, nil},
		{"a quote", RecordQuery{Streamer: "' OR 1=1 --"}, nil},
	} {
		for _, size := range []int{100, 5, 1} {
			var got []int64
			for q := test.q; ; {
				q.First = size
				page, err := r.List(t.Context(), q)
				if err != nil || len(page) > size {
					t.Fatalf("%s: a page of %d, %v", test.name, len(page), err)
				}
				for _, rec := range page {
					got = append(got, int64(rec.StartedAt)/1000)
				}
				if len(page) < size {
					break
				}
				q.After = page[len(page)-1].ID
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s, in pages of %d: got %v, want %v", test.name, size, got, test.want)
			}
		}
	}
}

func testLastEnd(t *testing.T, r *Records) {
	for _, n := range []int64{3, 5, 4} {
		writeRecord(t, r, recordNo(n, alice, studio))
	}
	writeRecord(t, r, recordNo(9, bob, studio))
	for user, want := range map[string]Millis{"alice": 5500, "bob": 9500, "carol": 0} {
		if got, err := r.LastEnd(t.Context(), user); err != nil || got != want {
			t.Errorf("%s's last end is %d, %v, want %d", user, got, err, want)
		}
	}
}

func nobodyCounted(context.Context, Transition) (Figures, error) { return Figures{}, nil }

func testRecorder(t *testing.T, r *Records) {
	s := NewMemory(RecordFollower)
	var asked []string
	f := NewRecorder(s, quiet, r, func(_ context.Context, ended Transition) (Figures, error) {
		asked = append(asked, ended.Room+" "+ended.Broadcast.ID)
		switch len(asked) {
		case 1:
			return Figures{}, fmt.Errorf("not now: %w", ErrUnavailable)
		case 2:
			return Figures{PeakViewers: new(int64(42)), UniqueViewers: new(int64(0))}, nil
		}
		return Figures{}, nil
	})
	a := join(t, s, alice, "c1")
	b := a.start(time.Minute)
	title := "Etchings"
	if _, err := s.Update(t.Context(), a.hold, Changes{Title: &title}); err != nil {
		t.Fatal(err)
	}
	f.Drain(t.Context())
	if _, ok, err := r.Get(t.Context(), b.ID); ok || err != nil {
		t.Errorf("recorded while it is running: %v, %v", ok, err)
	}
	a.release(ReasonConnectionLost)
	join(t, s, alice, "c2").release(ReasonLeft)
	f.Drain(t.Context())
	if _, ok, err := r.Get(t.Context(), b.ID); ok || err != nil {
		t.Errorf("recorded without the figures, which could not be had: %v, %v", ok, err)
	}
	f.Drain(t.Context())
	rec := readRecord(t, r, b.ID)
	ended := told(t, s)[5]
	if rec.Streamer != alice || rec.Room != studio || rec.Details.Title != title || rec.StartedAt != b.StartedAt ||
		rec.EndedAt != ended.At || rec.Reason != ReasonLeft || rec.Version != 5 {
		t.Errorf("recorded %+v of %+v", rec, ended)
	}
	if rec.PeakViewers == nil || *rec.PeakViewers != 42 || rec.UniqueViewers == nil || *rec.UniqueViewers != 0 || rec.WatchSeconds != nil {
		t.Errorf("recorded the figures %v, %v, %v", rec.PeakViewers, rec.UniqueViewers, rec.WatchSeconds)
	}
	again := join(t, s, alice, "c3")
	b2 := again.start(time.Minute)
	again.release(ReasonLeft)
	f.Drain(t.Context())
	if rec := readRecord(t, r, b2.ID); rec.PeakViewers != nil {
		t.Errorf("a peak that nobody knows is recorded as %d", *rec.PeakViewers)
	}
	if want := []string{studio + " " + b.ID, studio + " " + b.ID, studio + " " + b2.ID}; !slices.Equal(asked, want) {
		t.Errorf("asked for the figures of %q, want %q", asked, want)
	}
}

// away takes the table away and returns what brings it back.
func away(t *testing.T, db *sql.DB) (back func()) {
	t.Helper()
	run := func(statement string) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("ALTER TABLE broadcasts RENAME TO elsewhere")
	return func() { run("ALTER TABLE elsewhere RENAME TO broadcasts") }
}

// While the database is away, streamers go on as if nothing was; once it is
// back, every broadcast is in it, even if there were more than the log keeps
// for those who have read it.
func testRecorderAway(t *testing.T, r *Records) {
	const many = 3 * keptBehind
	s := NewMemory(RecordFollower)
	f := NewRecorder(s, quiet, r, nobodyCounted)
	back := away(t, r.DB)
	a := join(t, s, alice, "c1")
	var ids []string
	for range many {
		ids = append(ids, a.start(time.Minute).ID)
		a.end()
		if len(ids)%100 == 0 {
			f.Drain(t.Context())
		}
	}
	back()
	f.Drain(t.Context())
	all, err := r.List(t.Context(), RecordQuery{First: many + 1})
	if err != nil || len(all) != many {
		t.Fatalf("%d records, %v, want %d", len(all), err, many)
	}
	for i, id := range ids {
		if got := all[many-1-i].ID; got != id {
			t.Fatalf("record %d is of %s, want %s", i, got, id)
		}
	}
}

// The recorder needs no wake-up to try again, and presence does not wait for it.
func TestRecorderPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openSQLite(t)
		s := NewMemory(RecordFollower)
		back := away(t, r.DB)
		background(t, NewRecorder(s, quiet, r, nobodyCounted).Run)
		a := join(t, s, alice, "c1")
		b := a.start(time.Minute)
		a.release(ReasonLeft)
		time.Sleep(time.Minute)
		back()
		time.Sleep(pollEvery)
		synctest.Wait()
		if rec := readRecord(t, r, b.ID); rec.Reason != ReasonLeft || int64(rec.EndedAt-b.StartedAt) != 0 {
			t.Errorf("recorded %+v", rec)
		}
	})
}

// A handle that was closed answers every question with an error, not a panic
// and not an empty list.
func TestRecordsOfAClosedDatabase(t *testing.T) {
	r := openSQLite(t)
	r.DB.Close()
	ctx := context.Background()
	_, listErr := r.List(ctx, RecordQuery{First: 1})
	_, ok, getErr := r.Get(ctx, newBroadcastID())
	_, endErr := r.LastEnd(ctx, "alice")
	writeErr := r.Write(ctx, recordNo(1, alice, studio))
	if listErr == nil || getErr == nil || ok || endErr == nil || writeErr == nil {
		t.Errorf("list %v, get %v, last end %v, write %v", listErr, getErr, endErr, writeErr)
	}
}
