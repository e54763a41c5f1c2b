package presence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// onAir puts a broadcast into a directory, without a store.
func onAir(d *Directory, room string, user User, b Broadcast, viewers int) {
	d.setLocked(Lease{Room: room, State: StateLive, User: user, Broadcast: &b})
	d.SetViewers(room, viewers)
}

// programme is a directory with five rooms on air and one that is not.
func programme() *Directory {
	d := NewDirectory(NewMemory(), quiet)
	art, music := Details{Category: "art", Language: "en"}, Details{Category: "music", Language: "de"}
	onAir(d, "attic", alice, Broadcast{ID: "b1", StartedAt: 100, Details: art}, 7)
	onAir(d, "bar", bob, Broadcast{ID: "b2", StartedAt: 200, Details: music}, 30)
	onAir(d, "cellar", alice, Broadcast{ID: "b3", StartedAt: 300, Details: music}, 7)
	onAir(d, "dome", carol, Broadcast{ID: "b4", StartedAt: 300, Details: Details{Category: "art", Language: "de"}}, 0)
	onAir(d, "exile", User{ID: "dave"}, Broadcast{ID: "b5", StartedAt: 50}, 1)
	d.setLocked(Lease{Room: "exile", State: StateReconnecting, User: User{ID: "dave"}, Broadcast: &Broadcast{ID: "b5", StartedAt: 50}})
	d.setLocked(Lease{Room: "foyer", State: StateOnline, User: bob})
	return d
}

func TestLiveFiltersAndSorts(t *testing.T) {
	d := programme()
	for _, test := range []struct {
		name string
		q    Query
		want []string
	}{
		{"by viewers", Query{Sort: SortViewers}, []string{"bar", "attic", "cellar", "exile", "dome"}},
		{"by start", Query{Sort: SortStarted}, []string{"cellar", "dome", "bar", "attic", "exile"}},
		{"a category", Query{Sort: SortStarted, Categories: []string{"art"}}, []string{"dome", "attic"}},
		{"two categories", Query{Sort: SortStarted, Categories: []string{"art", "music"}}, []string{"cellar", "dome", "bar", "attic"}},
		{"a language", Query{Sort: SortStarted, Languages: []string{"de"}}, []string{"cellar", "dome", "bar"}},
		{"a category in a language", Query{Sort: SortStarted, Categories: []string{"art"}, Languages: []string{"de"}}, []string{"dome"}},
		{"a streamer", Query{Sort: SortStarted, Streamers: []string{"alice"}}, []string{"cellar", "attic"}},
		{"the live", Query{Sort: SortStarted, States: []State{StateLive}}, []string{"cellar", "dome", "bar", "attic"}},
		{"the reconnecting", Query{Sort: SortStarted, States: []State{StateReconnecting}}, []string{"exile"}},
		{"nobody", Query{Sort: SortStarted, Streamers: []string{"zoe"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.q.First = 100
			page, err := d.Live(test.q)
			if err != nil || page.Total != len(test.want) || page.Next != "" {
				t.Errorf("total %d, next %q, %v; want %d on one page", page.Total, page.Next, err, len(test.want))
			}
			if got := listed(page); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if paged := listedInPages(t, d, test.q, 1, func() {}); !slices.Equal(paged, test.want) {
				t.Errorf("one by one: got %q, want %q", paged, test.want)
			}
		})
	}
}

func listed(p Page) (rooms []string) {
	for _, e := range p.Entries {
		rooms = append(rooms, e.Room)
	}
	return rooms
}

// listedInPages reads a whole list in pages of a size; between two of them,
// something else happens.
func listedInPages(t *testing.T, d *Directory, q Query, size int, between func()) (rooms []string) {
	t.Helper()
	q.First = size
	for range 1000 {
		page, err := d.Live(q)
		if err != nil || len(page.Entries) > size {
			t.Fatalf("a page of %d: %v", len(page.Entries), err)
		}
		rooms = append(rooms, listed(page)...)
		if page.Next == "" {
			return rooms
		}
		q.After = page.Next
		between()
	}
	t.Fatal("the list never ends")
	return nil
}

// While broadcasts begin and end and viewers come and go, a list by start in
// pages has every broadcast that ran all the while, once.
func TestLivePagesByStartAreComplete(t *testing.T) {
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 0))
		d := NewDirectory(NewMemory(), quiet)
		n := 0
		begin := func() string {
			n++
			room := fmt.Sprint("room-", n)
			// Several begin in the same millisecond.
			onAir(d, room, alice, Broadcast{ID: fmt.Sprintf("b%04d", n), StartedAt: Millis(n / 3)}, dice.IntN(100))
			return room
		}
		lasting := map[string]int{}
		for range 100 {
			lasting[begin()] = 0
		}
		rooms := listedInPages(t, d, Query{Sort: SortStarted}, 7, func() {
			begin()
			i := 1 + dice.IntN(n)
			room := fmt.Sprint("room-", i)
			d.SetViewers(fmt.Sprint("room-", 1+dice.IntN(n)), dice.IntN(100))
			if dice.IntN(2) == 0 {
				d.setLocked(Lease{Room: room, State: StateOffline})
				delete(lasting, room)
			}
		})
		for _, room := range rooms {
			if seen, ok := lasting[room]; ok {
				lasting[room] = seen + 1
			}
		}
		for room, seen := range lasting {
			if seen != 1 {
				t.Errorf("seed %d: %s was listed %d times", seed, room, seen)
			}
		}
		if slices.Sort(rooms); len(slices.Compact(slices.Clone(rooms))) != len(rooms) {
			t.Errorf("seed %d: repeats in %q", seed, rooms)
		}
	}
}

// A page begins behind the cursor even if the row that it names is gone.
func TestLivePageAfterAnEnd(t *testing.T) {
	d := programme()
	page, err := d.Live(Query{Sort: SortStarted, First: 2})
	if err != nil || !slices.Equal(listed(page), []string{"cellar", "dome"}) || page.Total != 5 {
		t.Fatalf("first page %q of %d, %v", listed(page), page.Total, err)
	}
	d.setLocked(Lease{Room: "dome", State: StateOffline})
	page, err = d.Live(Query{Sort: SortStarted, First: 2, After: page.Next})
	if err != nil || !slices.Equal(listed(page), []string{"bar", "attic"}) || page.Total != 4 {
		t.Errorf("second page %q of %d, %v", listed(page), page.Total, err)
	}
}

func TestLiveRefusesCursors(t *testing.T) {
	d := programme()
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, cursor := range map[string]string{
		"of the other order": sortKey{7, "b1"}.cursor(SortViewers),
		"garbage":            "!!",
		"encoded garbage":    encode("garbage"),
		"without a number":   encode("started b1"),
		"without an id":      encode("started 7"),
		"too large":          encode("started 99999999999999999999 b1"),
		"of another list":    encode("title 7 b1"),
	} {
		if page, err := d.Live(Query{Sort: SortStarted, First: 10, After: cursor}); !errors.Is(err, ErrCursor) {
			t.Errorf("a cursor %s: %d entries, %v, want ErrCursor", name, len(page.Entries), err)
		}
	}
}

// Whatever a client sends as cursor, it is refused or means one place.
func FuzzParseCursor(f *testing.F) {
	f.Add("", true)
	f.Add(sortKey{7, "b1"}.cursor(SortViewers), true)
	f.Add(sortKey{int64(MillisOf(time.Unix(1790000000, 0))), newBroadcastID()}.cursor(SortStarted), false)
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("started 7 \xff")), false)
	f.Fuzz(func(t *testing.T, cursor string, viewers bool) {
		sort, other := SortStarted, SortViewers
		if viewers {
			sort, other = other, sort
		}
		k, err := parseCursor(sort, cursor)
		if err != nil {
			if !errors.Is(err, ErrCursor) || k != (sortKey{}) {
				t.Fatalf("refused with %+v, %v", k, err)
			}
			return
		}
		if cursor == "" {
			return
		}
		again, err := parseCursor(sort, k.cursor(sort))
		if err != nil || again != k {
			t.Errorf("%+v came back as %+v, %v", k, again, err)
		}
		if _, err := parseCursor(other, cursor); !errors.Is(err, ErrCursor) {
			t.Errorf("a cursor by %s is taken for one by %s", sort, other)
		}
	})
}

// Who is live, the first page of 10,000.
func BenchmarkLive10k(b *testing.B) {
	d := NewDirectory(NewMemory(), quiet)
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		onAir(d, fmt.Sprint("room-", i), User{ID: fmt.Sprint("user-", i)},
			Broadcast{ID: newBroadcastID(), StartedAt: Millis(i), Details: Details{Category: fmt.Sprint(i % 10)}}, dice.IntN(1000))
	}
	for _, sort := range []Sort{SortViewers, SortStarted} {
		b.Run(string(sort), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if page, err := d.Live(Query{Sort: sort, First: 50}); err != nil || len(page.Entries) != 50 {
					b.Fatal(len(page.Entries), err)
				}
			}
		})
	}
}
