package moderation

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

var nowhere netip.Addr

// openBook returns a book that is loaded, and does nothing by itself.
func openBook(t testing.TB, s *Store) *Book {
	t.Helper()
	b := NewBook(s, quiet)
	if err := b.readOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func follow(t testing.TB, b *Book) {
	t.Helper()
	if err := b.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func banned(b *Book, room, user string) (Term, bool) {
	return b.Banned(room, user, nowhere, time.Now())
}

func testBookFollows(t *testing.T, s *Store) {
	do(t, s, Act{Action: Ban, Room: "a", Target: "eve", Reason: "before"})
	b := NewBook(s, quiet)
	var told []string
	loads := 0
	b.On(func(a Act) { told = append(told, fmt.Sprintf("%d %s %s", a.Seq, a.Action, a.Target)) }, func() { loads++ })
	if err := b.Follow(t.Context()); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("followed without having begun: %v", err)
	}
	if err := b.readOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if term, ok := banned(b, "a", "eve"); !ok || term.Reason != "before" {
		t.Errorf("loaded: %+v, %v", term, ok)
	}
	do(t, s, Act{Action: Unban, Room: "a", Target: "eve"})
	do(t, s, Act{Action: Ban, Room: "a", Target: "bob"})
	do(t, s, Act{Action: Slow, Room: "a", Details: Details{Seconds: 3}})
	do(t, s, Act{Action: Mute, Room: "a", Target: "carol"})
	follow(t, b)
	follow(t, b)
	_, eve := banned(b, "a", "eve")
	_, bob := banned(b, "a", "bob")
	_, elsewhere := banned(b, "b", "bob")
	_, carol := b.Muted("a", "carol", time.Now())
	if eve || !bob || elsewhere || !carol || b.Slow("a") != 3*time.Second || b.Slow("b") != 0 {
		t.Errorf("eve banned %v, bob %v, elsewhere %v, carol muted %v, slow %s", eve, bob, elsewhere, carol, b.Slow("a"))
	}
	if want := []string{"2 unban eve", "3 ban bob", "4 slow ", "5 mute carol"}; !slices.Equal(told, want) || loads != 1 {
		t.Errorf("told %q, want %q; loaded %d times", told, want, loads)
	}
}

// Whenever a book begins, and whoever follows it at the same time, in the end it knows what all know.
func testBooksAgree(t *testing.T, s *Store) {
	const users = 20
	var writing sync.WaitGroup
	for w := range 3 {
		writing.Go(func() {
			for i := range 40 {
				a := Act{Actor: "mod", Action: []Action{Ban, Unban, Ban}[(w+i)%3], Room: "a", Target: fmt.Sprint("user-", (7*i+w)%users), Reason: fmt.Sprint(w, i)}
				if _, err := s.Do(t.Context(), a); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var books []*Book
	for range 5 {
		b := openBook(t, s)
		books = append(books, b)
		for range 2 {
			writing.Go(func() {
				for range 10 {
					if err := b.Follow(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	writing.Wait()
	truth := openBook(t, s)
	for i, b := range books {
		follow(t, b)
		for u := range users {
			user := fmt.Sprint("user-", u)
			got, is := banned(b, "a", user)
			want, should := banned(truth, "a", user)
			if got != want || is != should {
				t.Errorf("book %d: %s is banned: %v %+v, want %v %+v", i, user, is, got, should, want)
			}
		}
	}
}

func testBookAway(t *testing.T, s *Store) {
	b := openBook(t, s)
	do(t, s, Act{Action: Ban, Room: "a", Target: "eve"})
	follow(t, b)
	back := away(t, s, "audit")
	if err := b.Follow(t.Context()); err == nil {
		t.Error("followed without a database")
	}
	if _, ok := banned(b, "a", "eve"); !ok {
		t.Error("eve is let in while the database is away")
	}
	back()
	do(t, s, Act{Action: Ban, Room: "a", Target: "bob"})
	follow(t, b)
	if _, ok := banned(b, "a", "bob"); !ok {
		t.Error("once the database is back, bob is not banned")
	}
}

// in runs a test with a book that runs, in a bubble.
func in(t *testing.T, s func(t *testing.T) *Store, test func(t *testing.T, b *Book)) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook(s(t), quiet)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		t.Cleanup(func() { cancel(); running.Wait() })
		synctest.Wait()
		test(t, b)
	})
}

func TestRunPolls(t *testing.T) {
	in(t, func(t *testing.T) *Store { return openSQLite(t) }, func(t *testing.T, b *Book) {
		if !b.Loaded() || !b.Ready() {
			t.Fatal("not loaded at once")
		}
		do(t, b.Store(), Act{Action: Ban, Room: "a", Target: "eve"})
		synctest.Wait()
		if _, ok := banned(b, "a", "eve"); ok {
			t.Error("known before anybody looked")
		}
		time.Sleep(followEvery)
		synctest.Wait()
		if _, ok := banned(b, "a", "eve"); !ok {
			t.Errorf("not known after %s", followEvery)
		}
		do(t, b.Store(), Act{Action: Unban, Room: "a", Target: "eve"})
		b.Wake()
		b.Wake()
		synctest.Wait()
		if _, ok := banned(b, "a", "eve"); ok {
			t.Error("woken, and did not look")
		}
	})
}

// A node that starts while the database is away waits a while for it, then lets people in, and knows of the bans as soon
// as they can be read.
func TestRunWithoutADatabase(t *testing.T) {
	var back func()
	without := func(t *testing.T) *Store {
		s := openSQLite(t)
		do(t, s, Act{Action: Ban, Room: "a", Target: "eve"})
		back = away(t, s, "bans")
		return s
	}
	in(t, without, func(t *testing.T, b *Book) {
		loads := 0
		b.On(nil, func() { loads++ })
		time.Sleep(loadPatience - time.Second)
		synctest.Wait()
		if b.Loaded() || b.Ready() {
			t.Errorf("loaded %v, ready %v, want neither", b.Loaded(), b.Ready())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.Loaded() || !b.Ready() {
			t.Errorf("after %s loaded %v, ready %v, want to be ready without it", loadPatience, b.Loaded(), b.Ready())
		}
		back()
		time.Sleep(followEvery)
		synctest.Wait()
		if _, ok := banned(b, "a", "eve"); !ok || !b.Loaded() || loads != 1 {
			t.Errorf("once it is back, banned %v, loaded %v, told so %d times", ok, b.Loaded(), loads)
		}
	})
}

// A ban ends by itself at its time, to the millisecond, and leaves no memory.
func TestEndsByItself(t *testing.T) {
	in(t, func(t *testing.T) *Store { return openSQLite(t) }, func(t *testing.T, b *Book) {
		until := presence.MillisOf(time.Now().Add(10 * time.Second))
		for _, a := range []Act{
			{Action: Ban, Room: "a", Target: "eve"}, {Action: Ban, Room: "a", Target: "ip:192.0.2.1/32"}, {Action: Mute, Room: "a", Target: "eve"},
		} {
			a.Until = until
			do(t, b.Store(), a)
		}
		follow(t, b)
		wants := func(when string, want bool) {
			t.Helper()
			_, ban := banned(b, "a", "eve")
			_, addr := b.Banned("a", "bob", netip.MustParseAddr("192.0.2.1"), time.Now())
			_, mute := b.Muted("a", "eve", time.Now())
			if ban != want || addr != want || mute != want {
				t.Errorf("%s: banned %v, by address %v, muted %v, want %v", when, ban, addr, mute, want)
			}
		}
		time.Sleep(10*time.Second - time.Millisecond)
		wants("a moment before", true)
		time.Sleep(time.Millisecond)
		wants("at the end", false)
		time.Sleep(dropEvery)
		synctest.Wait()
		if len(b.bans) != 0 || len(b.mutes) != 0 || b.addresses != 0 {
			t.Errorf("left: %v, %v, %d addresses", b.bans, b.mutes, b.addresses)
		}
	})
}

func TestWhomABanHits(t *testing.T) {
	b := NewBook(nil, quiet)
	long, short := inOneHour(), inOneHour()-1000
	for _, a := range []Act{
		{Room: "a", Target: "eve", Until: short, Reason: "here"},
		{Room: Everywhere, Target: "eve", Until: long, Reason: "everywhere"},
		{Room: "a", Target: "bob", Reason: "for ever"},
		{Room: Everywhere, Target: "bob", Until: long},
		{Room: "a", Target: "ip:192.0.2.7/32"},
		{Room: Everywhere, Target: "ip:2001:db8:0:1::/64"},
		{Room: "a", Target: "ip:192.0.2.8"}, // a user who is called like this
	} {
		a.Action = Ban
		b.apply(a)
	}
	for _, test := range []struct {
		room, user, addr string
		want             string
	}{
		{"a", "eve", "", "everywhere"},
		{"b", "eve", "", "everywhere"},
		{"a", "bob", "", "for ever"},
		{"a", "carol", "", "no"},
		{"a", "carol", "192.0.2.7", "yes"},
		{"a", "carol", "::ffff:192.0.2.7", "yes"},
		{"b", "carol", "192.0.2.7", "no"},
		{"a", "carol", "192.0.2.8", "no"},
		{"a", "ip:192.0.2.8", "", "yes"},
		{"b", "carol", "2001:db8:0:1:abcd::9", "yes"},
		{"b", "carol", "2001:db8:0:1::1%eth0", "yes"},
		{"b", "carol", "2001:db8:0:2::1", "no"},
		{"a", "", "", "no"},
	} {
		addr, _ := netip.ParseAddr(test.addr)
		got := "no"
		if term, ok := b.Banned(test.room, test.user, addr, time.Now()); ok {
			if got = term.Reason; got == "" {
				got = "yes"
			}
		}
		if got != test.want {
			t.Errorf("%s from %s in %s: banned %s, want %s", test.user, test.addr, test.room, got, test.want)
		}
	}
	var none *Book
	_, ban := none.Banned("a", "eve", nowhere, time.Now())
	_, mute := none.Muted("a", "eve", time.Now())
	if none.Wake(); ban || mute || none.Slow("a") != 0 || !none.Loaded() || !none.Ready() {
		t.Error("no book is not an empty one")
	}
}

// BenchmarkBookOfAMillion says what one ban costs in memory, and one question in time.
func BenchmarkBookOfAMillion(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const bans = 1_000_000
	before := heap()
	book := NewBook(nil, quiet)
	for i := range bans {
		book.apply(Act{Action: Ban, Room: fmt.Sprint("room-", i%1000), Target: fmt.Sprint("user-", i), Reason: "spam"})
	}
	after := heap()
	b.ResetTimer()
	for i := range b.N {
		if _, ok := banned(book, "room-7", fmt.Sprint("user-", i)); ok && i%1000 != 7 {
			b.Fatal("banned elsewhere")
		}
	}
	b.ReportMetric(float64(after-before)/bans, "B/ban")
	runtime.KeepAlive(book)
}
