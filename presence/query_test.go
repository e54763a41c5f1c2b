package presence

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// Whatever happens to rooms, and whatever is asked: the lists that are kept say the same as looking at everything.
func TestLiveSaysWhatIsThere(t *testing.T) {
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 1))
		d := NewDirectory(NewMemory(), quiet)
		is := map[string]Entry{}
		pick := func(from ...string) string { return from[dice.IntN(len(from))] }
		some := func(from ...string) []string {
			dice.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
			return from[:dice.IntN(len(from)+1)]
		}
		for range 400 {
			room := fmt.Sprint("room-", dice.IntN(40))
			e := is[room]
			user := User{ID: pick("alice", "bob", "carol")}
			switch state := State(pick(string(StateOffline), string(StateOnline), string(StateLive), string(StateReconnecting), "", "")); state {
			case "":
				e.Viewers = dice.IntN(5)
				d.SetViewers(room, e.Viewers)
			case StateOffline, StateOnline:
				d.setLocked(Lease{Room: room, State: state, User: user})
				e.View = View{State: state}
			default:
				b := Broadcast{
					ID: fmt.Sprint("b", dice.IntN(3), room), StartedAt: Millis(dice.IntN(6)),
					Details: Details{Category: pick("art", "music", ""), Language: pick("en", "de")},
				}
				d.setLocked(Lease{Room: room, State: state, User: user, Broadcast: &b})
				e.View = View{State: state, User: &user, Broadcast: &b}
			}
			e.Room = room
			is[room] = e

			q := Query{
				Sort:       Sort(pick(string(SortViewers), string(SortStarted))),
				Categories: some("art", "music", "", "sport", "art"), Languages: some("en", "de", "fr"), Streamers: some("alice", "bob", "zoe"),
				First: 1 + dice.IntN(5),
			}
			for _, state := range some(string(StateLive), string(StateReconnecting)) {
				q.States = append(q.States, State(state))
			}
			for _, without := range []func(){func() { q.Categories = nil }, func() { q.Languages = nil }, func() { q.Streamers = nil }, func() { q.States = nil }} {
				if dice.IntN(2) == 0 {
					without()
				}
			}
			var want []Entry
			for _, e := range is {
				if e.View.State.OnAir() && q.matches(&e) {
					want = append(want, e)
				}
			}
			slices.SortFunc(want, func(a, b Entry) int { return keyOf(q.Sort, &a).compare(keyOf(q.Sort, &b)) })
			got := listedInPages(t, d, q, q.First, func() {})
			if !slices.Equal(got, listed(Page{Entries: want})) {
				t.Fatalf("seed %d: %+v lists %q, and there are %q", seed, q, got, listed(Page{Entries: want}))
			}
			if page, err := d.Live(q); err != nil || page.Total != len(want) || len(page.Entries) > 0 && page.Entries[0].Viewers != want[0].Viewers {
				t.Fatalf("seed %d: %+v gives %+v, %v; there are %+v", seed, q, page, err, want)
			}
		}
		for room := range is {
			d.setLocked(Lease{Room: room, State: StateOffline})
		}
		if n := len(d.onAir.facet) + d.onAir.all.len() + len(d.byUser); n != 0 {
			t.Errorf("seed %d: with everybody gone, %d things are kept", seed, n)
		}
	}
}

// crowd is a directory with that many on air.
func crowd(n int) *Directory {
	d := NewDirectory(NewMemory(), quiet)
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		onAir(d, fmt.Sprint("room-", i), User{ID: fmt.Sprint("user-", i)}, Broadcast{
			ID: newBroadcastID(), StartedAt: Millis(i), Details: Details{Category: fmt.Sprint(i % 10), Language: fmt.Sprint(i % 7)},
		}, dice.IntN(1000))
	}
	return d
}

// What is loaded at once is listed as what came one by one, and goes on from there.
func TestLiveOfAllThatWasLoaded(t *testing.T) {
	dice := rand.New(rand.NewPCG(5, 6))
	one, all := NewDirectory(NewMemory(), quiet), NewDirectory(NewMemory(), quiet)
	all.leaveCatalog()
	for i := range 1000 {
		room, user := fmt.Sprint("room-", i), User{ID: fmt.Sprint("user-", i%300)}
		b := Broadcast{
			ID: fmt.Sprint("b", dice.Uint32()), StartedAt: Millis(dice.IntN(100)),
			Details: Details{Category: fmt.Sprint(dice.IntN(5)), Language: fmt.Sprint(dice.IntN(3))},
		}
		viewers, again := dice.IntN(50), dice.IntN(2) == 0
		for _, d := range []*Directory{one, all} {
			onAir(d, room, user, b, viewers)
			if again { // as a partition that is loaded once more says it
				d.setLocked(Lease{Room: room, State: StateReconnecting, User: user, Broadcast: &b})
			}
		}
	}
	all.fillCatalog()
	same := func() {
		t.Helper()
		for _, s := range []Sort{SortViewers, SortStarted} {
			for _, q := range []Query{
				{Sort: s}, {Sort: s, Categories: []string{"3"}}, {Sort: s, Languages: []string{"2", "1"}},
				{Sort: s, States: []State{StateReconnecting}}, {Sort: s, Categories: []string{"3"}, States: []State{StateLive}},
			} {
				got, want := listedInPages(t, all, q, 7, func() {}), listedInPages(t, one, q, 7, func() {})
				if !slices.Equal(got, want) || len(want) < 50 {
					t.Fatalf("%+v: %d are listed, %d would be one by one, or in another order", q, len(got), len(want))
				}
			}
		}
	}
	same()
	for range 2000 {
		room, viewers, end := fmt.Sprint("room-", dice.IntN(1000)), dice.IntN(50), dice.IntN(10) == 0
		for _, d := range []*Directory{one, all} {
			if end {
				d.setLocked(Lease{Room: room, State: StateOffline})
			}
			d.SetViewers(room, viewers)
		}
	}
	same()
}

// Who is live, a page of 100,000, in the middle of the list.
func BenchmarkLive100k(b *testing.B) {
	d := crowd(100_000)
	for name, q := range map[string]Query{
		"viewers":                 {Sort: SortViewers},
		"started":                 {Sort: SortStarted},
		"a category":              {Sort: SortViewers, Categories: []string{"3"}},
		"a category and language": {Sort: SortViewers, Categories: []string{"3"}, Languages: []string{"2"}},
		"two categories":          {Sort: SortViewers, Categories: []string{"3", "4"}},
		"the live":                {Sort: SortViewers, States: []State{StateLive}},
		"a streamer":              {Sort: SortViewers, Streamers: []string{"user-7"}},
	} {
		b.Run(name, func(b *testing.B) {
			q.First = 100
			if first, err := d.Live(q); err != nil {
				b.Fatal(err)
			} else {
				q.After = first.Next
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Live(q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A count that changes, of one of 100,000 who are asked for all the while: what is being read is copied before it is
// written to.
func BenchmarkSetViewers100k(b *testing.B) {
	d := crowd(100_000)
	dice := rand.New(rand.NewPCG(3, 4))
	for _, everyN := range []int{1, 100} {
		b.Run(fmt.Sprintf("asked every %d", everyN), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.SetViewers(fmt.Sprint("room-", dice.IntN(100_000)), dice.IntN(1000))
				if i%everyN == 0 {
					_, _ = d.Live(Query{Sort: SortViewers, First: 1})
				}
			}
		})
	}
}

// Loading 100,000 leases that a store has ready.
func BenchmarkDirectoryLoad100k(b *testing.B) {
	log := loaded{}
	for i := range 100_000 {
		room := fmt.Sprint("room-", i)
		p := PartitionOf(room)
		log.leases[p] = append(log.leases[p], Lease{Room: room, State: StateLive, User: User{ID: fmt.Sprint("user-", i)}, Broadcast: &Broadcast{
			ID: newBroadcastID(), StartedAt: Millis(i), Details: Details{Category: fmt.Sprint(i % 40), Language: fmt.Sprint(i % 9)},
		}})
	}
	for b.Loop() {
		d := NewDirectory(&log, quiet)
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); d.Run(ctx) }()
		<-d.Ready()
		stop()
		<-done
	}
}

// loaded is a log in which nothing happens any more.
type loaded struct {
	Log
	leases [Partitions][]Lease
}

func (l *loaded) Load(_ context.Context, p int) ([]Lease, uint64, error) { return l.leases[p], 0, nil }
func (l *loaded) Read(context.Context, int, uint64, int) ([]Transition, error) {
	return nil, nil
}
func (l *loaded) Watch(func(int)) (stop func()) { return func() {} }

// What the directory needs for one who is on air.
func BenchmarkDirectoryMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := crowd(100_000)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/record")
		runtime.KeepAlive(d)
	}
}
