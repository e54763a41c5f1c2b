package presence

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

// testStore is what every Store must pass. open returns an empty one whose log
// is kept for the follower "suite". Windows are short, and whatever needs time
// waits for a condition, so that it holds under a fake clock and a real one.
func testStore(t *testing.T, run func(t *testing.T, test func(t *testing.T, s Store))) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, s Store)
	}{
		{"claiming an empty room brings its streamer online", testClaim},
		{"another user gets a conflict until the room is offline", testConflict},
		{"claiming again over the same connection changes nothing", testClaimAgain},
		{"a claim says whether it begins something", testClaimBegan},
		{"a newer connection takes over without a transition", testTakeover},
		{"the late cleanup of a replaced connection does nothing", testLateCleanup},
		{"a claim that is undone gives the lease back to whom it was taken from", testUnclaim},
		{"a claim that is undone gives nothing to who is gone", testUnclaimGone},
		{"several claims that are undone give the lease back, in whatever order", testUnclaimSeveral},
		{"a claim that is undone leaves the lease of another alone", testUnclaimOther},
		{"a claim that is undone gives a handover back", testUnclaimHandedOver},
		{"every write is refused under another fence", testFenced},
		{"fences only grow", testFencesGrow},
		{"start, update and end are told in order", testBroadcast},
		{"starting again returns the running broadcast", testStartAgain},
		{"ending what is not live changes nothing", testEndAgain},
		{"an update that changes nothing is no transition", testIdleUpdate},
		{"a lost connection opens the window", testLost},
		{"a streamer back inside the window resumes", testResume},
		{"a streamer not back ends with connection_lost", testNotBack},
		{"a window of zero ends at once", testNoWindow},
		{"leaving is final", testLeave},
		{"who was taken for gone may still leave for good", testLeaveAfterLoss},
		{"being online only, a lost connection ends it", testOnlineLost},
		{"a lease that was handed over outlives its connection", testHandedOver},
		{"a handover that nobody follows opens the window", testHandoverEnds},
		{"a handover ends with the next claim, and leaving stays final", testHandoverClaimed},
		{"a swept room is ended once, however many sweep", testSweepOnce},
		{"one call sweeps many partitions, and no other", testSweepMany},
		{"takeovers at once have one winner", testTakeoverRace},
		{"claims of several users at once have one winner", testClaimRace},
		{"resume and sweep at once agree on one outcome", testResumeSweepRace},
		{"load and read continue each other", testLoadThenRead},
		{"the log is kept until its durable follower has read it", testLogKept},
		{"watchers are woken for the room's partition", testWatch},
		{"notes are kept in order until they are dropped", testNotes},
		{"several leases are read as each by itself", testGetAll},
		{"a beat moves last seen, under the right fence only, and tells who was replaced", testBeat},
	} {
		t.Run(test.name, func(t *testing.T) { run(t, test.do) })
	}
}

var alice, bob = User{ID: "alice", Name: "Alice"}, User{ID: "bob", Name: "Bob"}

const studio = "studio"

// streamer is an actor: a user's connection that holds, or held, a lease.
type streamer struct {
	t    *testing.T
	s    Store
	hold Hold
	was  Claimed
}

func claim(s Store, user User, connection string) (Claimed, error) {
	return s.Claim(context.Background(), Claim{Room: studio, User: user, Connection: connection, Node: "n1"})
}

func join(t *testing.T, s Store, user User, connection string) *streamer {
	t.Helper()
	claimed, err := claim(s, user, connection)
	if err != nil {
		t.Fatalf("%s joins over %s: %v", user.ID, connection, err)
	}
	return &streamer{t: t, s: s, hold: Hold{studio, claimed.Lease.Fence}, was: claimed}
}

func (a *streamer) start(window time.Duration) *Broadcast {
	a.t.Helper()
	l, err := a.s.Start(context.Background(), a.hold, Start{Details: Details{Title: "Sketches"}, Window: &window})
	if err != nil {
		a.t.Fatalf("start: %v", err)
	}
	return l.Broadcast
}

func (a *streamer) release(why Reason) {
	a.t.Helper()
	if err := a.s.Release(context.Background(), a.hold, why); err != nil {
		a.t.Fatalf("release for %s: %v", why, err)
	}
}

func lease(t *testing.T, s Store) Lease {
	t.Helper()
	l, err := s.Get(context.Background(), studio)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantState(t *testing.T, s Store, want State) Lease {
	t.Helper()
	l := lease(t, s)
	if l.State != want {
		t.Fatalf("state is %s, want %s", l.State, want)
	}
	return l
}

// told returns all transitions of the room so far.
func told(t *testing.T, s Store) []Transition {
	t.Helper()
	made, err := s.Read(context.Background(), PartitionOf(studio), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(made, func(tr Transition) bool { return tr.Room != studio || tr.Kind == LeaseMoved })
}

// wantHolderTold checks that whoever follows the log knows who holds the lease. In memory it did not tell of a takeover,
// so that signals went to the old connection for as long as nothing else happened in the room.
func wantHolderTold(t *testing.T, s Store, connection string) {
	t.Helper()
	made, err := s.Read(context.Background(), PartitionOf(studio), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if last := made[len(made)-1]; last.Holder != lease(t, s).Holder || last.Holder.Connection != connection {
		t.Errorf("last, %s tells of the holder %+v, want %s, and the lease has %+v", last.Kind, last.Holder, connection, lease(t, s).Holder)
	}
}

// wantTold compares the transitions so far, each as "kind version reason".
func wantTold(t *testing.T, s Store, want ...string) {
	t.Helper()
	var got []string
	for _, tr := range told(t, s) {
		line := string(tr.Kind)
		if tr.Broadcast != nil {
			line += fmt.Sprintf(" %d", tr.Broadcast.Version)
		}
		if tr.Reason != "" {
			line += " " + string(tr.Reason)
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("told\n\t%q, want\n\t%q", got, want)
	}
}

func sweep(t *testing.T, s Store) int {
	t.Helper()
	n, err := s.Sweep(context.Background(), Due{Partition: PartitionOf(studio)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// everyPartition is what a sweeper that runs alone sweeps.
func everyPartition() []Due {
	due := make([]Due, Partitions)
	for p := range due {
		due[p].Partition = p
	}
	return due
}

func testSweepMany(t *testing.T, s Store) {
	every := everyPartition()
	if _, err := s.Sweep(t.Context(), every...); err != nil {
		t.Fatal(err)
	}
	lost := make(map[string]State) // room → what a sweep of the even partitions makes of it
	for n := range 100 {
		room := fmt.Sprint("room", n)
		c, err := s.Claim(t.Context(), Claim{Room: room, User: alice, Connection: room, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		h, window := Hold{room, c.Lease.Fence}, time.Millisecond
		if _, err := s.Start(t.Context(), h, Start{Window: &window}); err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context(), h, ReasonConnectionLost); err != nil {
			t.Fatal(err)
		}
		lost[room] = StateOffline
		if PartitionOf(room)%2 == 1 {
			lost[room] = StateReconnecting
		}
	}
	time.Sleep(5 * time.Millisecond) // the windows are over
	even := slices.DeleteFunc(every, func(d Due) bool { return d.Partition%2 == 1 })
	want := 0
	for _, state := range lost {
		if state == StateOffline {
			want++
		}
	}
	if n, err := s.Sweep(t.Context(), even...); n != want || err != nil {
		t.Errorf("changed %d, %v, want %d", n, err, want)
	}
	for room, state := range lost {
		if l, err := s.Get(t.Context(), room); l.State != state || err != nil {
			t.Errorf("%s of partition %d is %s, %v, want %s", room, PartitionOf(room), l.State, err, state)
		}
	}
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("a sweep of nothing changed %d, %v", n, err)
	}
}

// eventually waits for a condition, with a deadline.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func testClaim(t *testing.T, s Store) {
	wantState(t, s, StateOffline)
	join(t, s, alice, "c1")
	l := wantState(t, s, StateOnline)
	if l.User != alice || l.Connection != "c1" || l.Node != "n1" || l.LastSeen == 0 {
		t.Errorf("lease is %+v", l)
	}
	wantTold(t, s, "streamer.online")
	if tr := told(t, s)[0]; tr.User != alice || tr.Seq != 1 || tr.After.State != StateOnline || *tr.After.User != alice {
		t.Errorf("told %+v", tr)
	}
}

// A claim that begins is told from one that goes on.
func testClaimBegan(t *testing.T, s Store) {
	want := func(what, connection string, began bool) *streamer {
		t.Helper()
		a := join(t, s, alice, connection)
		if a.was.Began != began {
			t.Errorf("%s: began is %t", what, a.was.Began)
		}
		return a
	}
	want("the first", "c1", true)
	want("again", "c1", false)
	a := want("a takeover", "c2", false)
	a.start(time.Minute)
	a.release(ReasonConnectionLost)
	want("inside the window", "c3", false).release(ReasonLeft)
	want("after leaving", "c4", true)
}

func testConflict(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	refused := func(when string) {
		t.Helper()
		if _, err := claim(s, bob, "c2"); !errors.Is(err, ErrConflict) {
			t.Errorf("while alice is %s, bob gets %v, want a conflict", when, err)
		}
	}
	refused("online")
	a.start(time.Minute)
	refused("live")
	a.release(ReasonConnectionLost)
	refused("reconnecting")
	if l := wantState(t, s, StateReconnecting); l.User != alice {
		t.Errorf("the lease is %s's", l.User.ID)
	}
	join(t, s, alice, "c3").release(ReasonLeft)
	join(t, s, bob, "c4")
}

func testClaimAgain(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	again := join(t, s, alice, "c1")
	if again.hold != a.hold || again.was.Replaced != "" {
		t.Errorf("claimed again: %+v, at first %+v", again.was, a.was)
	}
	wantTold(t, s, "streamer.online")
}

func testTakeover(t *testing.T, s Store) {
	old := join(t, s, alice, "c1")
	b := old.start(time.Minute)
	young := join(t, s, alice, "c2")
	if young.was.Replaced != "c1" || young.was.ReplacedNode != "n1" {
		t.Errorf("replaced %q on %q, want c1 on n1", young.was.Replaced, young.was.ReplacedNode)
	}
	if l := wantState(t, s, StateLive); l.Broadcast.ID != b.ID || l.Broadcast.Version != 1 || l.Connection != "c2" {
		t.Errorf("after the takeover: %+v", l)
	}
	wantHolderTold(t, s, "c2")
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testLateCleanup(t *testing.T, s Store) {
	old := join(t, s, alice, "c1")
	old.start(time.Minute)
	join(t, s, alice, "c2")
	for _, why := range []Reason{ReasonConnectionLost, ReasonLeft} {
		if err := s.Release(context.Background(), old.hold, why); !errors.Is(err, ErrFenced) {
			t.Errorf("the old connection's release for %s: %v, want ErrFenced", why, err)
		}
	}
	wantState(t, s, StateLive)
	wantTold(t, s, "streamer.online", "live.started 1")
}

func unclaim(t *testing.T, s Store, connections ...string) {
	t.Helper()
	for _, c := range connections {
		if err := s.Unclaim(context.Background(), Claim{Room: studio, User: alice, Connection: c, Node: "n1"}); err != nil {
			t.Fatalf("undoing the claim of %s: %v", c, err)
		}
	}
}

func testUnclaim(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	b := a.start(time.Minute)
	join(t, s, alice, "c2")
	unclaim(t, s, "c2")
	if l := wantState(t, s, StateLive); l.Connection != "c1" || l.Node != "n1" || l.Fence != a.hold.Fence || l.Broadcast.ID != b.ID {
		t.Errorf("the lease is %+v", l)
	}
	wantHolderTold(t, s, "c1")
	a.end()
	wantTold(t, s, "streamer.online", "live.started 1", "live.ended 2 ended_by_streamer")
}

func testUnclaimGone(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Minute)
	join(t, s, alice, "c2")
	if err := s.Release(context.Background(), a.hold, ReasonConnectionLost); !errors.Is(err, ErrFenced) {
		t.Errorf("the release of who was replaced: %v", err)
	}
	unclaim(t, s, "c2", "c2")
	wantState(t, s, StateReconnecting)
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost")
}

func testUnclaimSeveral(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Minute)
	for _, order := range [][]string{{"c2", "c3", "c4"}, {"c7", "c6", "c5"}, {"c9", "c8", "c10"}} {
		for _, c := range slices.Sorted(slices.Values(order)) {
			join(t, s, alice, c)
		}
		unclaim(t, s, order...)
		if l := wantState(t, s, StateLive); l.Connection != "c1" || l.Fence != a.hold.Fence {
			t.Fatalf("after %q the lease is %+v", order, l)
		}
	}
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testUnclaimOther(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	unclaim(t, s, "c2")
	wantState(t, s, StateOnline)
	a.release(ReasonLeft)
	unclaim(t, s, "c3")
	join(t, s, bob, "b1")
	unclaim(t, s, "c1")
	if l := wantState(t, s, StateOnline); l.User != bob || l.Connection != "b1" {
		t.Errorf("the lease is %+v", l)
	}
}

func testUnclaimHandedOver(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Minute)
	a.handOver(200 * time.Millisecond)
	join(t, s, alice, "c2")
	unclaim(t, s, "c2")
	if l := wantState(t, s, StateLive); !l.Handed || l.Connection != "c1" || l.Fence != a.hold.Fence {
		t.Errorf("the lease is %+v", l)
	}
	a.release(ReasonDrain) // its node goes
	wantState(t, s, StateLive)
	eventually(t, "the handover ends", func() bool { sweep(t, s); return lease(t, s).State == StateReconnecting })
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 drain")
}

func testFenced(t *testing.T, s Store) {
	old := join(t, s, alice, "c1")
	join(t, s, alice, "c2").start(time.Minute)
	ctx, title := context.Background(), "Stolen"
	for name, write := range map[string]func(Hold) error{
		"start":   func(h Hold) error { _, err := s.Start(ctx, h, Start{}); return err },
		"update":  func(h Hold) error { _, err := s.Update(ctx, h, Changes{Title: &title}); return err },
		"end":     func(h Hold) error { _, err := s.End(ctx, h, ReasonEndedByStreamer); return err },
		"release": func(h Hold) error { return s.Release(ctx, h, ReasonLeft) },
	} {
		for _, h := range []Hold{old.hold, {studio, 0}, {"nowhere", old.hold.Fence}} {
			if err := write(h); !errors.Is(err, ErrFenced) {
				t.Errorf("%s under %+v: %v, want ErrFenced", name, h, err)
			}
		}
	}
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testFencesGrow(t *testing.T, s Store) {
	var last Fence
	for i := range 5 {
		a := join(t, s, alice, fmt.Sprint("c", i))
		if a.hold.Fence <= last {
			t.Fatalf("fence %d after %d", a.hold.Fence, last)
		}
		last = a.hold.Fence
		if i%2 == 1 {
			a.release(ReasonLeft) // growing over an empty room too
		}
	}
}

func testBroadcast(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	b := a.start(time.Minute)
	if b.ID == "" || b.Title != "Sketches" || b.Version != 1 || b.StartedAt == 0 {
		t.Errorf("started %+v", b)
	}
	title, tags := "Etchings", []string{"ink"}
	l, err := s.Update(context.Background(), a.hold, Changes{Title: &title, Tags: &tags})
	if err != nil || l.Broadcast.Title != title || l.Broadcast.ID != b.ID || l.Broadcast.StartedAt != b.StartedAt || !slices.Equal(l.Broadcast.Tags, tags) {
		t.Errorf("updated to %+v, %v", l.Broadcast, err)
	}
	if l, err = s.End(context.Background(), a.hold, ReasonEndedByStreamer); err != nil || l.State != StateOnline || l.Broadcast != nil {
		t.Errorf("ended: %+v, %v", l, err)
	}
	wantTold(t, s, "streamer.online", "live.started 1", "live.updated 2", "live.ended 3 ended_by_streamer")
	made := told(t, s)
	if ended := made[3]; ended.Broadcast.ID != b.ID || ended.Broadcast.Title != title || ended.After.State != StateOnline || ended.After.Broadcast != nil {
		t.Errorf("told of the end: %+v", ended)
	}
	if next := a.start(time.Minute); next.ID == b.ID || next.Version != 1 {
		t.Errorf("the next broadcast is %+v", next)
	}
}

func testStartAgain(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	first := a.start(time.Minute)
	if again := a.start(time.Second); again.ID != first.ID || again.Version != 1 {
		t.Errorf("started again: %+v, running %+v", again, first)
	}
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testEndAgain(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	if l, err := s.End(context.Background(), a.hold, ReasonEndedByStreamer); err != nil || l.State != StateOnline {
		t.Errorf("ending nothing: %+v, %v", l, err)
	}
	wantTold(t, s, "streamer.online")
}

func testIdleUpdate(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	title := "Sketches"
	if l, err := s.Update(context.Background(), a.hold, Changes{Title: &title}); err != nil || l.Broadcast != nil {
		t.Errorf("updating while only online: %+v, %v", l, err)
	}
	a.start(time.Minute)
	if l, err := s.Update(context.Background(), a.hold, Changes{Title: &title}); err != nil || l.Broadcast.Version != 1 {
		t.Errorf("updating to the same: %+v, %v", l, err)
	}
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testLost(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	b := a.start(time.Minute)
	before := time.Now()
	a.release(ReasonConnectionLost)
	l := wantState(t, s, StateReconnecting)
	if l.Broadcast.ID != b.ID || l.Connection != "" || l.Reason != ReasonConnectionLost {
		t.Errorf("reconnecting: %+v", l)
	}
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost")
	until := told(t, s)[2].Until.Time()
	if d := until.Sub(before); d < 59*time.Second || d > 62*time.Second {
		t.Errorf("the window ends %s after the loss, want a minute", d)
	}
	if n := sweep(t, s); n != 0 {
		t.Errorf("a sweep inside the window ended %d", n)
	}
	if err := s.Release(context.Background(), a.hold, ReasonConnectionLost); !errors.Is(err, ErrFenced) {
		t.Errorf("releasing twice: %v, want ErrFenced", err)
	}
}

func testResume(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	b := a.start(time.Minute)
	a.release(ReasonConnectionLost)
	back := join(t, s, alice, "c2")
	if back.was.Replaced != "" || back.was.Lease.State != StateLive || back.was.Lease.Broadcast.ID != b.ID {
		t.Errorf("back with %+v", back.was)
	}
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost", "live.resumed 3")
	if n := sweep(t, s); n != 0 {
		t.Errorf("a sweep after the return ended %d", n)
	}
	back.release(ReasonConnectionLost) // and the window opens anew
	if n := sweep(t, s); n != 0 {
		t.Errorf("a sweep inside the second window ended %d", n)
	}
	wantState(t, s, StateReconnecting)
}

func testNotBack(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	const window = 300 * time.Millisecond
	a.start(window)
	lost := time.Now()
	a.release(ReasonConnectionLost)
	eventually(t, "the broadcast ends", func() bool { return sweep(t, s) > 0 })
	if took := time.Since(lost); took < window {
		t.Errorf("ended after %s, before the window of %s had passed", took, window)
	}
	wantState(t, s, StateOffline)
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost",
		"live.ended 3 connection_lost", "streamer.offline")
	if _, err := claim(s, bob, "c2"); err != nil {
		t.Errorf("bob can't have the empty room: %v", err)
	}
}

func testNoWindow(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(0)
	a.release(ReasonConnectionLost)
	wantState(t, s, StateOffline)
	wantTold(t, s, "streamer.online", "live.started 1", "live.ended 2 connection_lost", "streamer.offline")
}

func testLeave(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Minute)
	a.release(ReasonLeft)
	wantState(t, s, StateOffline)
	wantTold(t, s, "streamer.online", "live.started 1", "live.ended 2 left", "streamer.offline")
}

func testLeaveAfterLoss(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Hour)
	a.release(ReasonNodeLost)
	if err := s.Release(context.Background(), a.hold, ReasonConnectionLost); !errors.Is(err, ErrFenced) {
		t.Errorf("being lost once more: %v", err)
	}
	a.release(ReasonLeft)
	wantState(t, s, StateOffline)
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 node_lost", "live.ended 3 left", "streamer.offline")
	if err := s.Release(context.Background(), a.hold, ReasonLeft); !errors.Is(err, ErrFenced) {
		t.Errorf("leaving once more: %v", err)
	}

	b := join(t, s, alice, "c2")
	b.start(time.Hour)
	b.release(ReasonNodeLost)
	join(t, s, alice, "c3")
	if err := s.Release(context.Background(), b.hold, ReasonLeft); !errors.Is(err, ErrFenced) {
		t.Errorf("leaving after a newer connection came: %v", err)
	}
	wantState(t, s, StateLive)
}

func testOnlineLost(t *testing.T, s Store) {
	join(t, s, alice, "c1").release(ReasonConnectionLost)
	wantState(t, s, StateOffline)
	wantTold(t, s, "streamer.online", "streamer.offline")
}

func (a *streamer) handOver(wait time.Duration) {
	a.t.Helper()
	if err := a.s.HandOver(context.Background(), []Handover{{a.hold, wait}, {Hold{studio, a.hold.Fence - 1}, 0}}); err != nil {
		a.t.Fatalf("handover: %v", err)
	}
}

func testHandedOver(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Minute)
	a.handOver(time.Hour)
	a.release(ReasonDrain)
	a.release(ReasonConnectionLost) // whatever the socket does
	sweep(t, s)
	if l := wantState(t, s, StateLive); !l.Handed || l.Fence != a.hold.Fence {
		t.Errorf("the lease is %+v", l)
	}
	back := join(t, s, alice, "c2")
	if l := wantState(t, s, StateLive); l.Handed || l.Connection != "c2" || back.was.Replaced != "c1" {
		t.Errorf("once claimed, the lease is %+v; replaced %q", l, back.was.Replaced)
	}
	if err := s.Release(context.Background(), a.hold, ReasonDrain); !errors.Is(err, ErrFenced) {
		t.Errorf("the late cleanup of the old connection gets %v", err)
	}
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testHandoverEnds(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Millisecond)
	a.handOver(time.Millisecond)
	a.release(ReasonDrain)
	eventually(t, "the handover ends", func() bool { sweep(t, s); return lease(t, s).State == StateReconnecting })
	if l := lease(t, s); l.Until-l.LastSeen != Millis(LeastWindow.Milliseconds()) {
		t.Errorf("a node that went opens a window of %d ms, of however few the broadcast's", l.Until-l.LastSeen)
	}
	lapseNow(t, s)
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 drain", "live.ended 3 connection_lost", "streamer.offline")

	b := join(t, s, bob, "c2") // online only
	b.handOver(time.Millisecond)
	eventually(t, "bob is gone", func() bool { sweep(t, s); return lease(t, s).State == StateOffline })
}

func testHandoverClaimed(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Hour)
	a.handOver(time.Millisecond)
	b := join(t, s, alice, "c2")
	time.Sleep(5 * time.Millisecond)
	sweep(t, s)
	wantState(t, s, StateLive)
	b.handOver(time.Hour)
	b.release(ReasonLeft)
	wantState(t, s, StateOffline)
	wantTold(t, s, "streamer.online", "live.started 1", "live.ended 2 left", "streamer.offline")
}

func testSweepOnce(t *testing.T, s Store) {
	a := join(t, s, alice, "c1")
	a.start(time.Millisecond)
	a.release(ReasonConnectionLost)
	time.Sleep(10 * time.Millisecond) // past the window, before any sweep
	sweep(t, s)                       // moves the partition's clock
	var sweepers sync.WaitGroup
	for range 8 {
		sweepers.Go(func() { _, _ = s.Sweep(context.Background(), Due{Partition: PartitionOf(studio)}) })
	}
	sweepers.Wait()
	eventually(t, "the broadcast ends", func() bool { sweep(t, s); return lease(t, s).State == StateOffline })
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost",
		"live.ended 3 connection_lost", "streamer.offline")
}

func testTakeoverRace(t *testing.T, s Store) {
	first := join(t, s, alice, "c0")
	first.start(time.Minute)
	var claims sync.WaitGroup
	claimed := make([]Claimed, 8)
	for i := range claimed {
		claims.Go(func() { claimed[i], _ = claim(s, alice, fmt.Sprint("c", i+1)) })
	}
	claims.Wait()
	holder, replaced := lease(t, s), map[string]int{}
	for _, c := range claimed {
		replaced[c.Replaced]++
		if c.Lease.Fence > holder.Fence {
			t.Errorf("fence %d was given, but the holder has %d", c.Lease.Fence, holder.Fence)
		}
	}
	if len(replaced) != len(claimed) || replaced[holder.Connection] != 0 {
		t.Errorf("each takeover must replace another connection, the holder %s none: %v", holder.Connection, replaced)
	}
	wantTold(t, s, "streamer.online", "live.started 1")
}

func testClaimRace(t *testing.T, s Store) {
	var claims sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		claims.Go(func() { _, errs[i] = claim(s, User{ID: fmt.Sprint("user", i)}, fmt.Sprint("c", i)) })
	}
	claims.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrConflict):
			t.Errorf("user%d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d users hold the room", won)
	}
	wantTold(t, s, "streamer.online")
}

func testResumeSweepRace(t *testing.T, s Store) {
	for range 20 {
		from := len(told(t, s))
		a := join(t, s, alice, "c1")
		a.start(time.Millisecond)
		a.release(ReasonConnectionLost)
		time.Sleep(2 * time.Millisecond) // past the window: either may win
		var both sync.WaitGroup
		both.Go(func() { _, _ = s.Sweep(context.Background(), Due{Partition: PartitionOf(studio)}) })
		both.Go(func() { _, _ = claim(s, alice, "c2") })
		both.Wait()
		var kinds []Kind
		for _, tr := range told(t, s)[from:] {
			kinds = append(kinds, tr.Kind)
		}
		resumed := []Kind{StreamerOnline, LiveStarted, LiveReconnecting, LiveResumed}
		ended := []Kind{StreamerOnline, LiveStarted, LiveReconnecting, LiveEnded, StreamerOffline, StreamerOnline}
		if !slices.Equal(kinds, resumed) && !slices.Equal(kinds, ended) {
			t.Fatalf("told %v", kinds)
		}
		if err := s.Release(context.Background(), Hold{studio, lease(t, s).Fence}, ReasonLeft); err != nil {
			t.Fatal(err)
		}
	}
}

func testLoadThenRead(t *testing.T, s Store) {
	ctx, p := context.Background(), PartitionOf(studio)
	a := join(t, s, alice, "c1")
	b := a.start(time.Minute)
	leases, seq, err := s.Load(ctx, p)
	if err != nil || len(leases) != 1 || leases[0].State != StateLive || leases[0].Broadcast.ID != b.ID || seq != 2 {
		t.Fatalf("loaded %+v up to %d, %v", leases, seq, err)
	}
	a.release(ReasonLeft)
	made, err := s.Read(ctx, p, seq, 100)
	if err != nil || len(made) != 2 || made[0].Kind != LiveEnded || made[0].Seq != 3 || made[1].Kind != StreamerOffline {
		t.Fatalf("read %+v, %v", made, err)
	}
	if made, err = s.Read(ctx, p, 0, 1); err != nil || len(made) != 1 || made[0].Seq != 1 {
		t.Fatalf("read one: %+v, %v", made, err)
	}
	if leases, seq, err = s.Load(ctx, p); err != nil || len(leases) != 0 || seq != 4 {
		t.Fatalf("loaded at the end: %+v up to %d, %v", leases, seq, err)
	}
}

func testLogKept(t *testing.T, s Store) {
	ctx, p := context.Background(), PartitionOf(studio)
	a := join(t, s, alice, "c1")
	churn := func() {
		for range 3 * keptBehind {
			a.start(time.Minute)
			if _, err := s.End(ctx, a.hold, ReasonEndedByStreamer); err != nil {
				t.Fatal(err)
			}
		}
	}
	churn()
	if _, err := s.Read(ctx, p, 0, 1); err != nil {
		t.Fatalf("the log was trimmed past a follower that has read nothing: %v", err)
	}
	_, last, err := s.Load(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ack(ctx, "suite", p, last); err != nil {
		t.Fatal(err)
	}
	churn()
	if _, err := s.Read(ctx, p, last, 1); err != nil {
		t.Errorf("the log was trimmed past its follower: %v", err)
	}
	if _, err := s.Read(ctx, p, 0, 1); !errors.Is(err, ErrTrimmed) {
		t.Errorf("reading what all have finished with: %v, want ErrTrimmed", err)
	}
}

func testWatch(t *testing.T, s Store) {
	woken := make(chan int, 16)
	stop := s.Watch(func(p int) { woken <- p })
	a := join(t, s, alice, "c1")
	select {
	case p := <-woken:
		if p != PartitionOf(studio) {
			t.Errorf("woken for partition %d, want %d", p, PartitionOf(studio))
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not woken")
	}
	stop()
	a.release(ReasonLeft)
	if len(woken) > 0 {
		t.Error("woken after stop")
	}
}

func testBeat(t *testing.T, s Store) {
	old := join(t, s, alice, "c1")
	young := join(t, s, alice, "c2")
	before := lease(t, s).LastSeen
	time.Sleep(20 * time.Millisecond)
	beat := func(h Hold, want ...Hold) Millis {
		t.Helper()
		replaced, err := s.Beat(context.Background(), []Hold{h, {"nowhere", 7}})
		if err != nil || !slices.Equal(replaced, want) {
			t.Errorf("beating under %+v: replaced are %+v, %v, want %+v", h, replaced, err, want)
		}
		return lease(t, s).LastSeen
	}
	if seen := beat(old.hold, old.hold); seen != before {
		t.Errorf("a replaced holder's beat moved last seen from %d to %d", before, seen)
	}
	if seen := beat(young.hold); seen <= before {
		t.Errorf("the holder's beat left last seen at %d", seen)
	}
	young.start(time.Minute)
	young.release(ReasonConnectionLost)
	beat(young.hold) // nobody holds it: nobody was replaced by anybody
	beat(old.hold)
	wantTold(t, s, "streamer.online", "live.started 1", "live.reconnecting 2 connection_lost")
}

func testNotes(t *testing.T, s Store) {
	ctx, p := t.Context(), PartitionOf(studio)
	kept := func(max int) (notes []Note) {
		t.Helper()
		notes, err := s.Notes(ctx, p, max)
		if err != nil {
			t.Fatal(err)
		}
		return notes
	}
	if notes := kept(10); len(notes) != 0 {
		t.Fatalf("at first: %+v", notes)
	}
	for i := range 3 {
		err := s.Note(ctx, p, Note{Kind: NoteOccupied, Room: studio}, Note{Kind: NoteViewers, Data: fmt.Appendf(nil, `{"n":%d}`, i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Note(ctx, (p+1)%Partitions, Note{Kind: NoteVacated, Room: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	notes := kept(10)
	if len(notes) != 6 || notes[0].Kind != NoteOccupied || notes[0].Room != studio || string(notes[5].Data) != `{"n":2}` {
		t.Fatalf("got %+v", notes)
	}
	for i := range notes[1:] {
		if CompareNotes(notes[i].ID, notes[i+1].ID) >= 0 {
			t.Errorf("note %s is not before %s", notes[i].ID, notes[i+1].ID)
		}
	}
	if some := kept(2); len(some) != 2 || some[1].ID != notes[1].ID {
		t.Errorf("the first two are %+v", some)
	}
	for range 2 { // dropping again changes nothing
		if err := s.DropNotes(ctx, p, notes[3].ID); err != nil {
			t.Fatal(err)
		}
		if left := kept(10); len(left) != 2 || left[0].ID != notes[4].ID {
			t.Errorf("left are %+v", left)
		}
	}
	if err := s.DropNotes(ctx, p, notes[5].ID); err != nil || len(kept(10)) != 0 {
		t.Errorf("left are %+v, %v", kept(10), err)
	}
}

// testGetAll has leases in every state, in one partition and in several, and asks for some twice.
func testGetAll(t *testing.T, s Store) {
	ctx := context.Background()
	if none, err := s.GetAll(ctx, nil); len(none) != 0 || err != nil {
		t.Errorf("of no rooms: %+v, %v", none, err)
	}
	if one, err := s.GetAll(ctx, []string{"nowhere"}); err != nil || len(one) != 1 || one[0].State != StateOffline || one[0].Room != "nowhere" {
		t.Errorf("of a room that nobody holds: %+v, %v", one, err)
	}
	var rooms []string
	states := make(map[State]int)
	for i := range 200 {
		room := fmt.Sprint("room-", i)
		rooms = append(rooms, room)
		if i%5 == 0 {
			continue // nobody ever held it
		}
		user := User{ID: fmt.Sprint("user-", i), Name: `Zoë "\`}
		claimed, err := s.Claim(ctx, Claim{Room: room, User: user, Connection: "c" + room, Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		hold := Hold{room, claimed.Lease.Fence}
		window := time.Minute
		if i%5 > 1 {
			if _, err := s.Start(ctx, hold, Start{Details: Details{Title: room, Tags: []string{"a", "b"}}, Window: &window}); err != nil {
				t.Fatal(err)
			}
		}
		if i%5 > 2 {
			if err := s.Release(ctx, hold, map[int]Reason{3: ReasonConnectionLost, 4: ReasonLeft}[i%5]); err != nil {
				t.Fatal(err)
			}
		}
	}
	rooms = append(rooms, rooms[3], "nowhere", rooms[3], rooms[7])
	leases, err := s.GetAll(ctx, rooms)
	if err != nil || len(leases) != len(rooms) {
		t.Fatalf("%d leases, %v, want %d", len(leases), err, len(rooms))
	}
	for i, room := range rooms {
		alone, err := s.Get(ctx, room)
		if err != nil || !reflect.DeepEqual(leases[i], alone) || alone.Room != room {
			t.Errorf("%s is %+v, %v, and among others %+v", room, alone, err, leases[i])
		}
		states[alone.State]++
	}
	for _, state := range []State{StateOffline, StateOnline, StateLive, StateReconnecting} {
		if states[state] < 40 {
			t.Errorf("%d rooms are %s", states[state], state)
		}
	}
}
