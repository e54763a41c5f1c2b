package presence

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var carol = User{ID: "carol", Name: "Carol"}

// joinRoom is join for a room of one's choice.
func joinRoom(t *testing.T, s Store, user User, room, connection string) *streamer {
	t.Helper()
	claimed, err := s.Claim(context.Background(), Claim{Room: room, User: user, Connection: connection, Node: "n1"})
	if err != nil {
		t.Fatalf("%s joins %s over %s: %v", user.ID, room, connection, err)
	}
	return &streamer{t: t, s: s, hold: Hold{room, claimed.Lease.Fence}, was: claimed}
}

func (a *streamer) end() {
	a.t.Helper()
	if _, err := a.s.End(context.Background(), a.hold, ReasonEndedByStreamer); err != nil {
		a.t.Fatalf("end: %v", err)
	}
}

// watching returns a directory that is loaded and follows.
func watching(t *testing.T, log Log) *Directory {
	t.Helper()
	d := NewDirectory(log, quiet)
	background(t, d.Run)
	<-d.Ready()
	synctest.Wait()
	return d
}

func roomsOf(d *Directory, user User) []string {
	rooms := []string{}
	for _, e := range d.Streamer(user.ID) {
		rooms = append(rooms, e.Room)
	}
	slices.Sort(rooms)
	return rooms
}

func wantRooms(t *testing.T, d *Directory, user User, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := roomsOf(d, user); !slices.Equal(got, want) {
		t.Errorf("%s has the rooms %q, want %q", user.ID, got, want)
	}
}

// wantTruth checks that the directory says what the store says, and that its
// maps agree with each other.
func wantTruth(t *testing.T, d *Directory, log Log) {
	t.Helper()
	truth := map[string]View{}
	for p := range Partitions {
		leases, _, err := log.Load(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		for i := range leases {
			truth[leases[i].Room] = leases[i].View()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rooms, onAir := 0, 0
	for room, want := range truth {
		e := d.entryLocked(room)
		if e == nil || e.Room != room || !reflect.DeepEqual(e.View, want) {
			t.Errorf("the directory has %s as %+v, want %+v", room, e, want)
			continue
		}
		if want.State.OnAir() {
			onAir++
			for _, s := range []Sort{SortViewers, SortStarted} {
				if listed, _ := d.onAir.all.in(s).Get(e); listed != e {
					t.Errorf("%s is listed by %s as %+v, and is %+v", room, s, listed, e)
				}
			}
		}
	}
	indexed := 0
	for user, theirs := range d.byUser {
		if len(theirs) == 0 {
			t.Errorf("%s is listed without a room", user)
		}
		for _, e := range theirs {
			indexed++
			if d.entryLocked(e.Room) != e || e.View.User.ID != user {
				t.Errorf("%s is listed with %+v, which is %+v", user, e, d.entryLocked(e.Room))
			}
		}
	}
	for _, here := range d.rooms {
		rooms += len(here)
	}
	if rooms != len(truth) || indexed != len(truth) {
		t.Errorf("%d rooms and %d of users, want %d", rooms, indexed, len(truth))
	}
	for _, s := range []Sort{SortViewers, SortStarted} {
		if n := d.onAir.all.in(s).Len(); n != onAir {
			t.Errorf("%d are listed by %s, and %d are on air", n, s, onAir)
		}
	}
}

func TestDirectoryLoadsThenFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		a := joinRoom(t, s, alice, "attic", "c1")
		b := a.start(time.Minute)
		joinRoom(t, s, bob, "cellar", "c2")

		d := watching(t, s)
		if e := d.Room("attic"); e.View.State != StateLive || e.View.Broadcast.ID != b.ID || *e.View.User != alice {
			t.Errorf("the attic was loaded as %+v", e)
		}
		if e := d.Room("nowhere"); e.Room != "nowhere" || e.View != Offline {
			t.Errorf("a room that nobody holds is %+v", e)
		}
		a.release(ReasonConnectionLost)
		joinRoom(t, s, carol, "garden", "c3")
		synctest.Wait()
		if e := d.Room("attic"); e.View.State != StateReconnecting || e.View.Reason != ReasonConnectionLost || e.View.Until == 0 {
			t.Errorf("after the loss, the attic is %+v", e)
		}
		wantRooms(t, d, carol, "garden")
		wantTruth(t, d, s)
	})
}

func TestDirectoryIsNotReadyBeforeItIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		log := &faultyLog{Log: s, down: true}
		joinRoom(t, s, alice, "attic", "c1")
		d := NewDirectory(log, quiet)
		background(t, d.Run)
		time.Sleep(time.Minute)
		select {
		case <-d.Ready():
			t.Fatal("ready although nothing could be loaded")
		default:
		}
		if !d.Stale() {
			t.Error("not stale although nothing could be loaded")
		}
		log.set(func(f *faultyLog) { f.down = false })
		time.Sleep(2 * time.Second)
		<-d.Ready()
		if d.Stale() {
			t.Error("stale once loaded")
		}
		wantTruth(t, d, s)
	})
}

// Whoever stops a directory that could never load must not wait for it.
func TestDirectoryStopsWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDirectory(&faultyLog{Log: NewMemory(), down: true}, quiet)
		stop := background(t, d.Run)
		time.Sleep(time.Second)
		stop()
	})
}

func TestDirectoryStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &faultyLog{Log: NewMemory()}
		d := watching(t, log)
		time.Sleep(time.Hour) // nothing happens; that is not stale
		if d.Stale() {
			t.Error("stale because nothing happened")
		}
		log.set(func(f *faultyLog) { f.down = true })
		time.Sleep(StaleAfter - pollEvery)
		if d.Stale() {
			t.Errorf("stale before %s have passed", StaleAfter)
		}
		time.Sleep(pollEvery + time.Second)
		if !d.Stale() {
			t.Errorf("not stale although the store is away for more than %s", StaleAfter)
		}
		log.set(func(f *faultyLog) { f.down = false })
		time.Sleep(pollEvery)
		synctest.Wait()
		if d.Stale() {
			t.Error("stale although the store is back")
		}
	})
}

func TestDirectoryOfOneStreamerWithSeveralRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		attic := joinRoom(t, s, alice, "attic", "c1")
		cellar := joinRoom(t, s, alice, "cellar", "c1")
		joinRoom(t, s, bob, "garden", "c2")
		wantRooms(t, d, alice, "attic", "cellar")
		attic.start(time.Minute)
		attic.release(ReasonLeft)
		wantRooms(t, d, alice, "cellar")
		wantRooms(t, d, bob, "garden")
		cellar.release(ReasonLeft)
		wantRooms(t, d, alice)
		wantTruth(t, d, s)
	})
}

// The room passes from alice to bob: once followed step by step, once loaded
// anew, when the directory sees only that its holder is another one.
func TestDirectoryOfARoomThatChangesHands(t *testing.T) {
	for _, trimmed := range []bool{false, true} {
		t.Run(fmt.Sprint("trimmed ", trimmed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewMemory()
				log := &faultyLog{Log: s}
				d := watching(t, log)
				a := join(t, s, alice, "c1")
				a.start(time.Minute)
				wantRooms(t, d, alice, studio)
				if trimmed {
					log.set(func(f *faultyLog) { f.deaf, f.trimmed = true, allPartitions })
				}
				a.release(ReasonLeft)
				join(t, s, bob, "c2").start(time.Minute)
				time.Sleep(pollEvery)
				wantRooms(t, d, alice)
				wantRooms(t, d, bob, studio)
				wantTruth(t, d, s)
			})
		})
	}
}

// Alice came and went unseen: loaded anew, her room must not stay behind.
func TestDirectoryOfARoomLeftUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		log := &faultyLog{Log: s}
		d := watching(t, log)
		a := join(t, s, alice, "c1")
		a.start(time.Minute)
		wantRooms(t, d, alice, studio)
		log.set(func(f *faultyLog) { f.deaf, f.trimmed = true, allPartitions })
		a.release(ReasonLeft)
		time.Sleep(pollEvery)
		wantRooms(t, d, alice)
		wantTruth(t, d, s)
	})
}

// A follower hands over again what it is not sure of. The second time nothing
// happens, whatever has happened since.
func TestDirectoryToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		a := join(t, s, alice, "c1")
		a.start(time.Minute)
		a.release(ReasonLeft)
		synctest.Wait()
		_, before := d.Snapshot()
		if err := d.follow(t.Context(), told(t, s)[:2]); err != nil {
			t.Fatal(err)
		}
		if _, after := d.Snapshot(); after != before {
			t.Errorf("the feed went on from %s to %s", before, after)
		}
		wantTruth(t, d, s)
	})
}

func TestDirectoryViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		d.SetViewers(studio, 5)
		if e := d.Room(studio); e.Viewers != 5 || e.View != Offline {
			t.Errorf("a room that waits for its streamer is %+v", e)
		}
		a := join(t, s, alice, "c1")
		synctest.Wait()
		if e := d.Room(studio); e.Viewers != 5 {
			t.Errorf("those who waited are counted as %d once she is there", e.Viewers)
		}
		want := func(viewers, peak int) {
			t.Helper()
			synctest.Wait()
			if e := d.Room(studio); e.Viewers != viewers || e.Peak != peak {
				t.Errorf("%d viewers and a peak of %d, want %d and %d", e.Viewers, e.Peak, viewers, peak)
			}
		}
		d.SetViewers(studio, 7)
		want(7, 0) // waiting for her to begin is not watching
		a.start(time.Minute)
		want(7, 7)
		d.SetViewers(studio, 9)
		want(9, 9)
		d.SetViewers(studio, 4)
		want(4, 9)
		a.release(ReasonConnectionLost)
		d.SetViewers(studio, 3)
		join(t, s, alice, "c2")
		want(3, 9)
		d.SetViewers(studio, 0)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.viewers) != 0 {
			t.Errorf("%d rooms without viewers are kept", len(d.viewers))
		}
	})
}

// Each broadcast has a peak of its own, which the record may still ask for
// when the broadcast is over.
func TestDirectoryPeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		a := join(t, s, alice, "c1")
		first := a.start(time.Minute)
		synctest.Wait()
		d.SetViewers(studio, 20)
		d.SetViewers(studio, 6)
		a.end()
		second := a.start(time.Minute)
		synctest.Wait()
		d.SetViewers(studio, 8)
		const unknown = -1
		wantPeak := func(when, broadcast string, want int) {
			t.Helper()
			got, known := d.Peak(studio, broadcast)
			if !known {
				got = -1
			}
			if got != want {
				t.Errorf("%s: the peak is %d, want %d", when, got, want)
			}
		}
		wantPeak("the first, over", first.ID, 20)
		wantPeak("the second, running", second.ID, 8)
		wantPeak("an unknown one", "nothing", unknown)
		a.release(ReasonLeft)
		synctest.Wait()
		wantPeak("the second, over and its streamer gone", second.ID, 8)
		time.Sleep(endedFor / 2)
		wantPeak("the second, half a minute later", second.ID, 8)
		time.Sleep(endedFor)
		synctest.Wait()
		wantPeak("the first, long over", first.ID, unknown)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.ended) != 0 {
			t.Errorf("%d peaks are kept for ever", len(d.ended))
		}
	})
}

// A broadcast that ended while the directory could not follow is known by its
// absence only; its peak must not get lost with it, nor pass to the next.
func TestDirectoryPeakOverAReload(t *testing.T) {
	for _, next := range []bool{false, true} {
		t.Run(fmt.Sprint("another one runs ", next), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewMemory()
				log := &faultyLog{Log: s}
				d := watching(t, log)
				a := join(t, s, alice, "c1")
				first := a.start(time.Minute)
				synctest.Wait()
				d.SetViewers(studio, 20)
				d.SetViewers(studio, 2)
				log.set(func(f *faultyLog) { f.deaf, f.trimmed = true, allPartitions })
				a.end()
				if next {
					a.start(time.Minute)
				}
				time.Sleep(pollEvery)
				synctest.Wait()
				if got, known := d.Peak(studio, first.ID); got != 20 || !known {
					t.Errorf("the peak is %d, %t, want 20", got, known)
				}
				if e := d.Room(studio); next && (e.Peak != 2 || e.View.Broadcast.ID == first.ID) {
					t.Errorf("the next broadcast begins with %+v", e)
				}
			})
		})
	}
}

// What was missed while the log was trimmed is loaded, and whoever follows the
// feed is told to begin again.
func TestDirectoryReloadsAfterATrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		log := &faultyLog{Log: s, deaf: true}
		a := join(t, s, alice, "c1")
		joinRoom(t, s, bob, "attic", "c2")
		d := watching(t, log)
		_, position := d.Snapshot()
		for range 3 * keptBehind { // no follower holds the log back
			a.start(time.Minute)
			a.end()
		}
		a.release(ReasonLeft)
		join(t, s, carol, "c3").start(time.Minute)
		time.Sleep(pollEvery)
		wantRooms(t, d, alice)
		wantRooms(t, d, bob, "attic")
		wantRooms(t, d, carol, studio)
		wantTruth(t, d, s)
		if _, ok, err := d.Changes(t.Context(), position); ok || err != nil {
			t.Errorf("the feed goes on from before the gap: %v, %v", ok, err)
		}
	})
}

// Many streamers do whatever they like, and the directory, which now and then
// loses wake-ups or the log, never disagrees with the store for long.
func TestDirectoryAfterARandomWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, dice := t.Context(), rand.New(rand.NewPCG(1, 2))
		s := NewMemory()
		log := &faultyLog{Log: s}
		d := watching(t, log)
		users := []User{alice, bob, carol}
		var holds []Hold
		for step := range 5000 {
			room := fmt.Sprint("room-", dice.IntN(20))
			hold := Hold{Room: room}
			if len(holds) > 0 {
				hold = holds[dice.IntN(len(holds))]
			}
			title, window := fmt.Sprint("take ", step), time.Duration(dice.IntN(5))*time.Second
			switch dice.IntN(8) {
			case 0, 1:
				c := Claim{Room: room, User: users[dice.IntN(3)], Connection: fmt.Sprint("c", dice.IntN(4)), Node: "n1"}
				if claimed, err := s.Claim(ctx, c); err == nil {
					holds = append(holds[max(0, len(holds)-30):], Hold{room, claimed.Lease.Fence})
				}
			case 2, 3:
				_, _ = s.Start(ctx, hold, Start{Window: &window})
			case 4:
				_, _ = s.Update(ctx, hold, Changes{Title: &title})
			case 5:
				_, _ = s.End(ctx, hold, ReasonEndedByStreamer)
			case 6:
				_ = s.Release(ctx, hold, []Reason{ReasonConnectionLost, ReasonLeft}[dice.IntN(2)])
			case 7:
				d.SetViewers(room, dice.IntN(50))
				_, _ = s.Sweep(ctx, Due{Partition: PartitionOf(room)})
				time.Sleep(100 * time.Millisecond)
			}
			if step%100 == 0 {
				log.set(func(f *faultyLog) { f.trimmed, f.deaf = dice.Uint64()&dice.Uint64(), dice.IntN(4) == 0 })
			}
			if step%500 == 499 {
				time.Sleep(pollEvery)
				synctest.Wait()
				wantTruth(t, d, s)
			}
		}
	})
}

func TestDirectoryFlushesCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		a, b := joinRoom(t, s, alice, "attic", "c1"), joinRoom(t, s, bob, "cellar", "c2")
		a.start(time.Minute)
		b.start(time.Minute)
		joinRoom(t, s, carol, "garden", "c3") // online only: nobody lists her
		synctest.Wait()
		_, position := d.Snapshot()
		for n := range 10 {
			d.SetViewers("attic", n)
			d.SetViewers("cellar", 2*n)
			d.SetViewers("garden", n)
		}
		b.release(ReasonLeft)
		time.Sleep(time.Second)
		synctest.Wait()
		changes, ok, err := d.Changes(t.Context(), position)
		if err != nil || !ok || len(changes) != 2 {
			t.Fatalf("told %+v, %v, %v; want the end in the cellar and the counts", changes, ok, err)
		}
		if ended := changes[0]; ended.Transition.Kind != LiveEnded || ended.Entry.Viewers != 18 || ended.Entry.Peak != 18 || ended.Entry.View.Broadcast == nil {
			t.Errorf("told of the end: %+v", ended)
		}
		counts := changes[1].Viewers
		slices.SortFunc(counts, func(a, b Entry) int { return cmp.Compare(a.Room, b.Room) })
		if len(counts) != 1 || counts[0].Room != "attic" || counts[0].Viewers != 9 || counts[0].Peak != 9 {
			t.Errorf("counted %+v, want the attic with 9", counts)
		}
		time.Sleep(time.Minute)
		if _, now := d.Snapshot(); now != changes[1].Position {
			t.Error("told again of counts that did not change")
		}
	})
}

// Who looks after rooms learns which turned, once, and not which only changed.
func TestDirectoryTurned(t *testing.T) {
	d := NewDirectory(NewMemory(), quiet)
	want := func(when string, want ...string) {
		t.Helper()
		got := d.Turned()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: turned %q, want %q", when, got, want)
		}
	}
	d.SetViewers("attic", 1)
	d.SetViewers(studio, 3)
	want("at first", "attic", studio)
	d.SetViewers(studio, 4)
	want("one more came")
	d.SetViewers("attic", 0)
	d.SetViewers(studio, 0)
	d.SetViewers(studio, 1)
	want("all left, and one came back", "attic", studio)
	if d.Viewers(studio) != 1 || d.Viewers("attic") != 0 || !slices.Equal(d.Viewed(PartitionOf(studio)), []string{studio}) {
		t.Errorf("viewed are %q", d.Viewed(PartitionOf(studio)))
	}
}
