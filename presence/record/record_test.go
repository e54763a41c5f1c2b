package record

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/presence"
)

func write(t *testing.T, s *Store, b Broadcast) {
	t.Helper()
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// broadcastNo returns a broadcast with a readable id; larger numbers are later.
func broadcastNo(n int64, streamer presence.User, room string) Broadcast {
	return Broadcast{
		ID:        fmt.Sprintf("00000000-0000-7000-8000-%012d", n),
		Streamer:  streamer,
		Room:      room,
		Details:   presence.Details{Tags: []string{}},
		State:     Ended,
		StartedAt: presence.Millis(1000 * n),
		EndedAt:   presence.Millis(1000*n + 500),
		Reason:    presence.ReasonLeft,
		Version:   2,
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func TestRoundTrip(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		full := Broadcast{
			ID:        newID(),
			Streamer:  alice,
			Room:      studio,
			Details:   presence.Details{Title: "Skizzen ✏️ 'quoted'", Category: "art", Language: "de", Tags: []string{"ink", `"`}},
			State:     Ended,
			StartedAt: 1790000000000,
			EndedAt:   1790000001000,
			Reason:    presence.ReasonConnectionLost,
			Version:   9,
			Figures:   presence.Figures{PeakViewers: new(int64(7)), UniqueViewers: new(int64(0)), WatchSeconds: new(int64(1) << 40)},
		}
		bare := broadcastNo(1, bob, "attic") // figures that nobody measured are nil, not 0
		bare.Details.Tags = nil
		running := broadcastNo(2, bob, "attic")
		running.State, running.EndedAt, running.Reason = Live, 0, ""
		for _, b := range []Broadcast{full, bare, running} {
			write(t, s, b)
			got := read(t, s, b.ID)
			if b.Details.Tags == nil {
				b.Details.Tags = []string{} // so that a list is never null in JSON
			}
			if !reflect.DeepEqual(got, b) {
				t.Errorf("read  %+v\nwrote %+v", got, b)
			}
		}
		if b, ok, err := s.Get(t.Context(), newID()); ok || err != nil {
			t.Errorf("reading what was never written: %+v, %v, %v, want none", b, ok, err)
		}
	})
}

// PostgreSQL has no place for a zero byte in a text; it must not keep all that
// comes after from being written.
func TestZeroBytes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		b := broadcastNo(1, presence.User{ID: "alice", Name: "A\x00"}, studio)
		b.Details = presence.Details{Title: "a\x00b", Category: "\x00", Language: "d\x00", Tags: []string{"\x00"}}
		write(t, s, b)
		if got := read(t, s, b.ID); got.Details.Title != "a\uFFFDb" || got.Details.Tags[0] != "\uFFFD" || got.Streamer.Name != "A\uFFFD" {
			t.Errorf("read %+v", got)
		}
	})
}

func TestOlderChangesNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		b := broadcastNo(1, alice, studio)
		write(t, s, b)
		for _, version := range []int64{1, 2} {
			late := b
			late.Reason, late.EndedAt, late.Version = presence.ReasonLost, 9999, version
			write(t, s, late)
		}
		if got := read(t, s, b.ID); !reflect.DeepEqual(got, b) {
			t.Errorf("written again, it is %+v, want %+v", got, b)
		}
	})
}

func TestList(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		for n := range int64(12) {
			b := broadcastNo(n, []presence.User{alice, bob}[n%2], []string{"attic", "cellar", studio}[n%3])
			b.ID = newID()[:35] + fmt.Sprint(9-n%10) // a clock that is wrong makes ids of another order than the starts
			write(t, s, b)
		}
		for _, test := range []struct {
			name string
			q    Query
			want []int64 // by start
		}{
			{"all", Query{}, []int64{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
			{"a streamer's", Query{Streamer: "bob"}, []int64{11, 9, 7, 5, 3, 1}},
			{"a room's", Query{Room: studio}, []int64{11, 8, 5, 2}},
			{"a streamer's in a room", Query{Streamer: "alice", Room: studio}, []int64{8, 2}},
			{"from", Query{From: 9000}, []int64{11, 10, 9}},
			{"until", Query{To: 2000}, []int64{1, 0}},
			{"from and until", Query{From: 4000, To: 7000}, []int64{6, 5, 4}},
			{"nobody's", Query{Streamer: "zoe"}, nil},
			{"a quote", Query{Streamer: "' OR 1=1 --"}, nil},
		} {
			for _, size := range []int{100, 5, 1} {
				var got []int64
				for q := test.q; ; {
					q.First = size
					page, err := s.List(t.Context(), q)
					if err != nil || len(page) > size {
						t.Fatalf("%s: a page of %d, %v", test.name, len(page), err)
					}
					for _, b := range page {
						got = append(got, int64(b.StartedAt)/1000)
					}
					if len(page) < size {
						break
					}
					q.After = page[len(page)-1].Cursor()
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("%s, in pages of %d: got %v, want %v", test.name, size, got, test.want)
				}
			}
		}
		for _, cursor := range []string{"nonsense", "'", "MTIzIG5vLWlk"} {
			if _, err := s.List(t.Context(), Query{First: 1, After: cursor}); err != ErrCursor {
				t.Errorf("after %q: got %v", cursor, err)
			}
		}
	})
}

func TestForget(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		running := broadcastNo(1, alice, "attic")
		running.State, running.EndedAt = Live, 0
		long := broadcastNo(2, alice, "cellar")
		long.EndedAt = 900_000
		write(t, s, running)
		write(t, s, long)
		for n := range int64(1200) {
			write(t, s, broadcastNo(10+n, bob, studio))
		}
		if _, err := s.DB.ExecContext(t.Context(), `INSERT INTO viewer_samples (broadcast, at, viewers) SELECT id, started_at, 3 FROM broadcasts`); err != nil {
			t.Fatal(err)
		}
		rounds := 1
		for more, err := s.Forget(t.Context(), 800_000); more; more, err = s.Forget(t.Context(), 800_000) {
			if rounds++; err != nil {
				t.Fatal(err)
			}
		}
		left := 2 + 1200 - (800 - 10) // the two, and all that ended later
		page, err := s.List(t.Context(), Query{First: 2000})
		if err != nil || len(page) != left || rounds != 2 {
			t.Errorf("left are %d after %d rounds, %v, want %d", len(page), rounds, err, left)
		}
		var samples int
		if err := s.DB.QueryRowContext(t.Context(), `SELECT count(*) FROM viewer_samples`).Scan(&samples); err != nil || samples != left {
			t.Errorf("left are %d samples, %v, want %d", samples, err, left)
		}
	})
}

// A handle that was closed answers every question with an error, not a panic and
// not an empty list.
func TestOfAClosedDatabase(t *testing.T) {
	s := openSQLite(t)
	s.DB.Close()
	ctx := context.Background()
	_, listErr := s.List(ctx, Query{First: 1})
	_, ok, getErr := s.Get(ctx, newID())
	_, endErr := s.LastEnds(ctx, []string{"alice"})
	_, samplesErr := s.Samples(ctx, newID())
	writeErr := s.Write(ctx, broadcastNo(1, alice, studio))
	if listErr == nil || getErr == nil || ok || endErr == nil || writeErr == nil || samplesErr == nil {
		t.Errorf("list %v, get %v, last end %v, write %v, samples %v", listErr, getErr, endErr, writeErr, samplesErr)
	}
}
