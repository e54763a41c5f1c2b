package moderation

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
)

func openStore(t testing.TB, database string) *Store {
	t.Helper()
	db, dialect, err := migrations.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := migrations.Up(t.Context(), db, dialect); err != nil {
		t.Fatal(err)
	}
	return &Store{DB: db}
}

func openSQLite(t testing.TB) *Store {
	return openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "tallylight.db"))
}

func TestStoreOnSQLite(t *testing.T) { testStore(t, openSQLite) }

func TestStoreOnPostgres(t *testing.T) {
	testStore(t, func(t testing.TB) *Store { return openStore(t, testserver.Postgres(t)) })
}

// testStore is what holds on every database. open returns empty tables.
func testStore(t *testing.T, open func(testing.TB) *Store) {
	for _, test := range []struct {
		name string
		do   func(*testing.T, *Store)
	}{
		{"an act is read as it was written", testRoundTrip},
		{"what is in force is what the acts say", testInForce},
		{"a kick does not end a longer ban", testKickUnderBan},
		{"numbers become visible in their order", testOrder},
		{"an act that fails leaves nothing", testNothingLeft},
		{"the audit is paged, latest first, and filtered", testAudit},
		{"bans and mutes are paged, and end", testEntries},
		{"what ended long ago is forgotten", testForget},
		{"a book follows from the moment that it was loaded", testBookFollows},
		{"books that begin in the midst of acts all know the same", testBooksAgree},
		{"a book goes on while the database is away", testBookAway},
		{"tokens are revoked, and restored", testRevocations},
	} {
		t.Run(test.name, func(t *testing.T) { test.do(t, open(t)) })
	}
}

func do(t testing.TB, s *Store, a Act) Act {
	t.Helper()
	if a.Actor == "" {
		a.Actor = "mod"
	}
	done, err := s.Do(t.Context(), a)
	if err != nil {
		t.Fatalf("%+v: %v", a, err)
	}
	return done
}

func now() presence.Millis { return presence.MillisOf(time.Now()) }

func inOneHour() presence.Millis { return presence.MillisOf(time.Now().Add(time.Hour)) }

func testRoundTrip(t *testing.T, s *Store) {
	full := do(t, s, Act{
		Actor: "mod", Action: Kick, Room: "studio", Target: "eve", Reason: "Wörter ✏️ 'quoted'", Until: inOneHour(),
		Details: Details{Epoch: "e1", Offset: 7, Seconds: 30, Holds: []presence.Hold{{Room: "studio", Fence: 1 << 52}}},
	})
	bare := do(t, s, Act{Action: Drain, Target: "n1"})
	if full.Seq != 1 || bare.Seq != 2 || now()-full.At > 60_000 {
		t.Errorf("numbered %d and %d, at %d", full.Seq, bare.Seq, full.At)
	}
	got, err := s.Since(t.Context(), 0, 10)
	if err != nil || !reflect.DeepEqual(got, []Act{full, bare}) {
		t.Errorf("read  %+v, %v\nwrote %+v", got, err, []Act{full, bare})
	}
	if _, err := s.DB.ExecContext(t.Context(), `UPDATE audit SET details = '{"seconds":"many"}' WHERE seq = 1`); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Since(t.Context(), 0, 1); err != nil || len(got) != 1 || got[0].Seq != 1 {
		t.Errorf("the first is %+v, %v", got, err)
	}
	if got, err := s.Since(t.Context(), 2, 10); err != nil || len(got) != 0 {
		t.Errorf("after the last there is %+v, %v", got, err)
	}
}

// inForce loads everything, in words.
func inForce(t *testing.T, s *Store) (all []string, seq int64) {
	t.Helper()
	note := func(what string) func(room, target string, term Term) {
		return func(room, target string, term Term) {
			all = append(all, fmt.Sprintf("%s %s %s", room, target, Term{Reason: term.Reason}.Says(what)))
		}
	}
	seq, err := s.Load(t.Context(), now(), Taker{
		Ban: note("banned"), Mute: note("muted"),
		Slow: func(room string, seconds int) { all = append(all, fmt.Sprintf("%s slow %d", room, seconds)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all, seq
}

func testInForce(t *testing.T, s *Store) {
	for _, a := range []Act{
		{Action: Ban, Room: "a", Target: "eve", Reason: "spam"},
		{Action: Ban, Room: "a", Target: "eve", Reason: "more spam"},
		{Action: Ban, Room: "b", Target: "eve"},
		{Action: Ban, Room: Everywhere, Target: "ip:192.0.2.1/32", Until: inOneHour()},
		{Action: Ban, Room: "a", Target: "short", Until: now() - 1},
		{Action: Unban, Room: "b", Target: "eve"},
		{Action: Unban, Room: "b", Target: "nobody"},
		{Action: Mute, Room: "a", Target: "eve", Until: inOneHour()},
		{Action: Mute, Room: "a", Target: "bob"},
		{Action: Unmute, Room: "a", Target: "bob"},
		{Action: Kick, Room: "a", Target: "carol"},
		{Action: Kick, Room: "a", Target: "dave", Until: inOneHour(), Reason: "cool down"},
		{Action: Slow, Room: "a", Details: Details{Seconds: 5}},
		{Action: Slow, Room: "a", Details: Details{Seconds: 9}},
		{Action: Slow, Room: "b", Details: Details{Seconds: 5}},
		{Action: Slow, Room: "b"},
		{Action: Delete, Room: "a", Target: "eve", Details: Details{Offset: 3}},
	} {
		do(t, s, a)
	}
	all, seq := inForce(t, s)
	want := []string{"* ip:192.0.2.1/32 banned", "a dave banned: cool down", "a eve banned: more spam", "a eve muted", "a slow 9"}
	if !slices.Equal(all, want) || seq != 17 {
		t.Errorf("after act %d in force: %q\nwant %q", seq, all, want)
	}
	for room, want := range map[string]int{"a": 9, "b": 0, "c": 0} {
		if got, err := s.SlowSeconds(t.Context(), room); got != want || err != nil {
			t.Errorf("room %s is slow by %d, %v, want %d", room, got, err, want)
		}
	}
}

func testKickUnderBan(t *testing.T, s *Store) {
	b := openBook(t, s)
	end := inOneHour()
	for _, target := range []string{"ever", "long", "brief"} {
		until := map[string]presence.Millis{"long": end + 1000, "brief": end - 1000}[target]
		do(t, s, Act{Action: Ban, Room: "a", Target: target, Until: until})
		do(t, s, Act{Action: Kick, Room: "a", Target: target, Until: end})
	}
	follow(t, b)
	loaded := openBook(t, s)
	for target, want := range map[string]presence.Millis{"ever": 0, "long": end + 1000, "brief": end} {
		for name, b := range map[string]*Book{"followed": b, "loaded": loaded} {
			if got, ok := banned(b, "a", target); !ok || got.Until != want {
				t.Errorf("%s: %s is banned until %d, %v, want %d", name, target, got.Until, ok, want)
			}
		}
	}
}

// Many nodes write while another reads on from the last number that it has seen: it must never see a number before a
// smaller one. Were numbers given out by anything that does not wait for the transaction before, it would.
func testOrder(t *testing.T, s *Store) {
	const writers, each = 4, 40
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if _, err := s.Do(t.Context(), Act{Actor: "mod", Action: Mute, Room: "a", Target: fmt.Sprintf("user-%d-%d", w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var last int64
	for deadline := time.Now().Add(30 * time.Second); last < writers*each; {
		acts, err := s.Since(t.Context(), last, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range acts {
			if a.Seq != last+1 {
				t.Fatalf("act %d came after %d: those between are missed", a.Seq, last)
			}
			last = a.Seq
		}
		if time.Now().After(deadline) {
			t.Fatalf("read %d acts, want %d", last, writers*each)
		}
	}
	writing.Wait()
}

func testNothingLeft(t *testing.T, s *Store) {
	back := away(t, s, "bans")
	if _, err := s.Do(t.Context(), Act{Actor: "mod", Action: Ban, Room: "a", Target: "eve"}); err == nil {
		t.Fatal("banned without a table")
	}
	back()
	if acts, err := s.Since(t.Context(), 0, 10); len(acts) != 0 || err != nil {
		t.Errorf("what failed is in the audit: %+v, %v", acts, err)
	}
	if a := do(t, s, Act{Action: Ban, Room: "a", Target: "eve"}); a.Seq != 1 {
		t.Errorf("the first act has the number %d", a.Seq)
	}
}

// away takes a table away and returns what brings it back.
func away(t *testing.T, s *Store, table string) (back func()) {
	t.Helper()
	run := func(statement string) {
		if _, err := s.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("ALTER TABLE " + table + " RENAME TO elsewhere")
	return func() { run("ALTER TABLE elsewhere RENAME TO " + table) }
}

func testAudit(t *testing.T, s *Store) {
	for n := range 12 {
		do(t, s, Act{
			Actor: []string{"mod", "boss"}[n%2], Action: []Action{Ban, Unban, Mute}[n%3],
			Room: []string{"a", "b"}[n/6], Target: []string{"eve", "bob", "ip:192.0.2.1/32", "' OR 1=1 --"}[n%4],
		})
	}
	for _, test := range []struct {
		name string
		q    AuditQuery
		want []int64
	}{
		{"all", AuditQuery{}, []int64{12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{"a room's", AuditQuery{Room: "a"}, []int64{6, 5, 4, 3, 2, 1}},
		{"an actor's", AuditQuery{Actor: "boss"}, []int64{12, 10, 8, 6, 4, 2}},
		{"a target's", AuditQuery{Target: "eve"}, []int64{9, 5, 1}},
		{"an action's", AuditQuery{Action: Mute}, []int64{12, 9, 6, 3}},
		{"several", AuditQuery{Room: "b", Actor: "mod", Action: Ban}, []int64{7}},
		{"a quote", AuditQuery{Target: "' OR 1=1 --"}, []int64{12, 8, 4}},
		{"nobody's", AuditQuery{Actor: "zoe"}, nil},
	} {
		for _, size := range []int{100, 5, 1} {
			var got []int64
			for q := test.q; ; {
				q.First = size
				page, err := s.Audit(t.Context(), q)
				if err != nil || len(page) > size {
					t.Fatalf("%s: a page of %d, %v", test.name, len(page), err)
				}
				for _, a := range page {
					got = append(got, a.Seq)
				}
				if len(page) < size {
					break
				}
				q.After = page[len(page)-1].Seq
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s, in pages of %d: got %v, want %v", test.name, size, got, test.want)
			}
		}
	}
}

func testEntries(t *testing.T, s *Store) {
	end := inOneHour()
	for _, target := range []string{"dave", "ip:192.0.2.1/32", "bob", "eve"} {
		do(t, s, Act{Action: Ban, Room: "a", Target: target, Reason: "because", Until: end})
		do(t, s, Act{Action: Mute, Room: "a", Target: target + "-quiet"})
	}
	do(t, s, Act{Action: Ban, Room: Everywhere, Target: "mallory"})
	do(t, s, Act{Action: Ban, Room: "a", Target: "gone", Until: now() - 1})
	for name, list := range map[string]struct {
		of   func(EntryQuery) ([]Entry, error)
		room string
		want []string
	}{
		"bans":     {func(q EntryQuery) ([]Entry, error) { return s.Bans(t.Context(), q) }, "a", []string{"bob", "dave", "eve", "ip:192.0.2.1/32"}},
		"mutes":    {func(q EntryQuery) ([]Entry, error) { return s.Mutes(t.Context(), q) }, "a", []string{"bob-quiet", "dave-quiet", "eve-quiet", "ip:192.0.2.1/32-quiet"}},
		"all over": {func(q EntryQuery) ([]Entry, error) { return s.Bans(t.Context(), q) }, Everywhere, []string{"mallory"}},
	} {
		for _, size := range []int{100, 3, 1} {
			var got []string
			for q := (EntryQuery{Room: list.room, First: size, Now: now()}); ; {
				page, err := list.of(q)
				if err != nil || len(page) > size {
					t.Fatalf("%s: a page of %d, %v", name, len(page), err)
				}
				for _, e := range page {
					got = append(got, e.Target)
				}
				if len(page) < size {
					break
				}
				q.After = page[len(page)-1].Target
			}
			if !slices.Equal(got, list.want) {
				t.Errorf("%s, in pages of %d: %q, want %q", name, size, got, list.want)
			}
		}
	}
	page, err := s.Bans(t.Context(), EntryQuery{Room: "a", First: 1, Now: now()})
	if err != nil || len(page) != 1 || page[0].Created == 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	page[0].Created = 0
	if want := (Entry{Room: "a", Target: "bob", Actor: "mod", Reason: "because", Until: end}); page[0] != want {
		t.Errorf("the first is %+v, want %+v", page[0], want)
	}
}

func testForget(t *testing.T, s *Store) {
	for target, until := range map[string]presence.Millis{"old": 1000, "late": 3000, "ever": 0} {
		do(t, s, Act{Action: Ban, Room: "a", Target: target, Until: until})
		do(t, s, Act{Action: Mute, Room: "a", Target: target, Until: until})
	}
	if err := s.Forget(t.Context(), 2000); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]func(EntryQuery) ([]Entry, error){
		"bans":  func(q EntryQuery) ([]Entry, error) { return s.Bans(t.Context(), q) },
		"mutes": func(q EntryQuery) ([]Entry, error) { return s.Mutes(t.Context(), q) },
	} {
		var left []string
		all, err := of(EntryQuery{Room: "a", First: 10, Now: 0})
		for _, e := range all {
			left = append(left, e.Target)
		}
		if err != nil || !slices.Equal(left, []string{"ever", "late"}) {
			t.Errorf("%s that are left: %q, %v", name, left, err)
		}
	}
}
