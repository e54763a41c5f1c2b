package rooms

import (
	"context"
	"testing"

	"github.com/tallylight/tallylight/presence"
)

// A message may come when what was read is handed over already, and reading has not ended yet: who acts upon the first
// snapshot at once causes it.
func TestTapMessageBetweenReadingAndItsEnd(t *testing.T) {
	e := &ear{t: t}
	tap := &tap{relay: &Redis{life: context.Background()}, room: studio, recv: e, behind: true, reading: true}
	from, more := tap.nextRead()
	if !more {
		t.Fatal("there is nothing to read for who was just subscribed")
	}
	tap.catchUp(Snapshot{Position: Position{Epoch: "e", Offset: 1}, View: presence.Offline}, from)
	next := &Event{Position: Position{Epoch: "e", Offset: 2}, Room: studio, Name: EventChat}
	tap.take(next)
	from, more = tap.nextRead()
	if !more || from.Offset != 1 {
		t.Fatalf("reading goes on: %t, from %+v, although an event was told of since", more, from)
	}
	tap.catchUp(Snapshot{Position: next.Position, View: presence.Offline, Events: []*Event{next}}, from)
	tap.take(next) // what was read is told as well
	if _, more = tap.nextRead(); more {
		t.Error("what was read is to be read again")
	}
	if _, events := e.heard(1); events[0] != next {
		t.Errorf("delivered %+v", events[0])
	}
}
