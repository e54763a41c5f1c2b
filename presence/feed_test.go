package presence

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// changesSince returns what the feed has after the position, which must be
// something.
func changesSince(t *testing.T, d *Directory, position string) []Numbered {
	t.Helper()
	changes, ok, err := d.Changes(t.Context(), position)
	if err != nil || !ok || len(changes) == 0 {
		t.Fatalf("changes since %s: %d, %v, %v", position, len(changes), ok, err)
	}
	return changes
}

func TestFeedResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		_, begin := d.Snapshot()
		a := join(t, s, alice, "c1") // being online is nothing for the feed
		a.start(time.Minute)
		a.release(ReasonConnectionLost)
		join(t, s, alice, "c2").release(ReasonLeft)
		synctest.Wait()

		all := changesSince(t, d, begin)
		want := []Kind{LiveStarted, LiveReconnecting, LiveResumed, LiveEnded}
		states := []State{StateLive, StateReconnecting, StateLive, StateLive} // as it last was
		if len(all) != len(want) {
			t.Fatalf("%d changes, want %d", len(all), len(want))
		}
		for i, c := range all {
			if c.Transition.Kind != want[i] || c.Entry.View.State != states[i] || c.Entry.View.Broadcast == nil || c.Viewers != nil {
				t.Errorf("change %d is %+v, want %s", i, c, want[i])
			}
			if i == len(all)-1 {
				break
			}
			if rest := changesSince(t, d, c.Position); !reflect.DeepEqual(rest, all[i+1:]) {
				t.Errorf("resumed after %s with %d changes, want the other %d", c.Transition.Kind, len(rest), len(all)-i-1)
			}
		}
	})
}

func TestFeedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		_, begin := d.Snapshot()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		a := join(t, s, alice, "c1")
		go func() { time.Sleep(time.Minute); a.start(time.Minute) }()
		asked := time.Now()
		changes := changesSince(t, d, begin)
		if waited := time.Since(asked); waited != time.Minute || changes[0].Transition.Kind != LiveStarted {
			t.Errorf("after %s: %+v", waited, changes)
		}
		if _, ok, err := d.Changes(ctx, changes[0].Position); !ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with nothing more to come: %v, %v, want the context's end", ok, err)
		}
	})
}

func TestFeedRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		join(t, s, alice, "c1").start(time.Minute)
		synctest.Wait()
		_, now := d.Snapshot()
		id, _, _ := strings.Cut(now, "-")
		for name, position := range map[string]string{
			"nothing":               "",
			"garbage":               "garbage",
			"another node's":        "cafe0123-1",
			"no number":             id + "-",
			"a negative number":     id + "--1",
			"from ahead":            id + "-2",
			"far ahead":             id + "-18446744073709551615",
			"beyond what is stored": id + "-99999999999999999999",
		} {
			if _, ok, err := d.Changes(t.Context(), position); ok || err != nil {
				t.Errorf("%s: %v, %v, want to begin again", name, ok, err)
			}
		}
	})
}

// The feed remembers at least feedKept changes, and knows when it does not.
func TestFeedForgets(t *testing.T) {
	f := newFeed()
	begin := f.position(f.next)
	for range 2 * feedKept {
		f.append(Change{})
	}
	if changes, _, ok := f.since(begin); !ok || len(changes) != 2*feedKept {
		t.Errorf("%d changes, %v, want all %d", len(changes), ok, 2*feedKept)
	}
	f.append(Change{})
	if _, _, ok := f.since(begin); ok {
		t.Error("goes on from what it has forgotten")
	}
	if changes, _, ok := f.since(f.position(f.next - feedKept)); !ok || len(changes) != feedKept {
		t.Errorf("%d changes, %v, want %d", len(changes), ok, feedKept)
	}
	if changes, next, ok := f.since(f.position(f.next)); !ok || len(changes) != 0 || next != f.next {
		t.Errorf("at the end: %d changes, %v", len(changes), ok)
	}
	f.reset()
	if _, _, ok := f.since(f.position(f.next - 1)); ok {
		t.Error("goes on from before it was reset")
	}
}

// A snapshot and the changes after its position are the truth at any later
// moment, whenever the snapshot was taken: nothing is lost, nothing repeated.
func TestFeedContinuesTheSnapshot(t *testing.T) {
	s := NewMemory("suite") // which keeps the log, however far the directory is behind
	d := NewDirectory(s, quiet)
	background(t, d.Run)
	<-d.Ready()

	done := make(chan struct{})
	var streamers, readers sync.WaitGroup
	for i := range 4 { // all in all, fewer changes than the feed remembers
		room, user := fmt.Sprint("room-", i), User{ID: fmt.Sprint("user-", i)}
		streamers.Go(func() {
			for n := range 300 {
				a := joinRoom(t, s, user, room, fmt.Sprint("c", n))
				a.start(time.Minute)
				if n%3 == 0 {
					a.release(ReasonConnectionLost)
					a = joinRoom(t, s, user, room, fmt.Sprint("d", n))
				}
				a.release(ReasonLeft)
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for {
				onAir, position := d.Snapshot()
				versions := map[string]int64{} // of the broadcasts
				for _, e := range onAir {
					versions[e.View.Broadcast.ID] = e.View.Broadcast.Version
				}
				for range 3 {
					position = wantVersions(t, d, position, versions)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	streamers.Wait()
	close(done)
	// Whoever waits for changes now gets some.
	last := joinRoom(t, s, carol, "foyer", "c1")
	eventually(t, "all readers are done", func() bool {
		last.start(time.Minute)
		last.end()
		waiting := make(chan struct{})
		go func() { readers.Wait(); close(waiting) }()
		select {
		case <-waiting:
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
}

// wantVersions reads on in the feed and checks that every change is the one
// after what is known of its broadcast.
func wantVersions(t *testing.T, d *Directory, position string, versions map[string]int64) string {
	changes, ok, err := d.Changes(context.Background(), position)
	if !ok || err != nil {
		t.Errorf("changes since %s: %v, %v", position, ok, err)
		return position
	}
	for _, c := range changes {
		b := c.Transition.Broadcast
		if last := versions[b.ID]; b.Version != last+1 {
			t.Errorf("%s of %s is version %d, known was %d", c.Transition.Kind, c.Transition.Room, b.Version, last)
		}
		versions[b.ID] = b.Version
	}
	return changes[len(changes)-1].Position
}
