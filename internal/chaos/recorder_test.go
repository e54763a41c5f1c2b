package chaos

import (
	"reflect"
	"slices"
	"testing"
)

// What a node lists is noted by what changes.
func TestPollsAreCompared(t *testing.T) {
	r := newRecorder([]*node{{name: "n1"}})
	a, b := Row{"alice", "b1", "live"}, Row{"bob", "b2", "live"}
	gone := Row{"alice", "b1", "reconnecting"}
	for k, rows := range [][]Row{{a, b}, {a, b}, nil, {gone, b}, {a}, {a, b}} {
		r.poll("n1", Poll{At: at(float64(k)), OK: rows != nil, Ready: true}, rows)
	}
	want := []Listing{
		{"alice", "b1", "live", at(0), at(1)}, {"bob", "b2", "live", at(0), at(3)}, {"alice", "b1", "reconnecting", at(3), at(3)},
		{"alice", "b1", "live", at(4), at(5)}, {"bob", "b2", "live", at(5), at(5)},
	}
	if got := r.notes.Polls[0].Listings; !slices.Equal(got, want) {
		t.Errorf("noted\n%v, want\n%v", got, want)
	}
	if live, reconnecting := r.listed(); live != 2 || reconnecting != 0 {
		t.Errorf("%d live, %d reconnecting", live, reconnecting)
	}
}

// A snapshot stays as it is while more is noted.
func TestSnapshotOfNotes(t *testing.T) {
	r := newRecorder([]*node{{name: "n1"}})
	a := r.actor("alice", true)
	c := r.open(a, "nginx", "n1")
	k := r.act(a, Act{Kind: ActStart, Acked: never})
	n := r.snapshot()
	r.item(c, Item{Room: "alice", Kind: "chat"})
	r.heard(c, r.now())
	r.amend(a, k, func(a *Act) { a.Acked = 1 })
	r.closed(c, EndServer, 1001)
	d := n.Actors[0].Conns[0]
	if len(d.Items) != 0 || d.Closed != never || d.Heard[0].To != d.Opened || n.Actors[0].Acts[0].Acked != never {
		t.Errorf("the snapshot has changed: %+v, %+v", d, n.Actors[0].Acts)
	}
	if got := r.snapshot().Actors[0].Conns[0]; got.Code != 1001 || len(got.Items) != 1 || r.count() != 1 {
		t.Errorf("the notes are %+v", got)
	}
}

func TestMessagesAreNoted(t *testing.T) {
	r := newRecorder(nil)
	began := r.began.UnixMilli()
	e := r.eventItem(message{
		Room: "alice", Epoch: "e", Offset: 4, Event: "live.reconnecting", At: began + 1000,
		Data: []byte(`{"broadcast":{"id":"b","version":3},"reason":"node_lost","until":` + "1" + `}`),
	}, at(2))
	if e.Broadcast != "b" || e.Version != 3 || e.Reason != "node_lost" || e.Position != (Position{"e", 4}) || e.Made < at(0.99) || e.Made > at(1.01) {
		t.Errorf("noted %+v", e)
	}
	if odd := r.eventItem(message{Event: "live.started", Data: []byte(`{}`)}, 0); odd.Kind != itemOdd {
		t.Errorf("a start of nothing is noted as %+v", odd)
	}
	j := r.joinedItem(message{
		Re: "1", Room: "alice", Role: "streamer", Epoch: "e", Offset: 4, Recovered: true,
		Streamer: view{State: "live", Broadcast: &broadcast{"b", 3}}, Events: []message{{Event: "chat", Offset: 4, Epoch: "e"}},
	}, at(2))
	j.Events = nil
	want := Item{
		At: at(2), Sent: at(2), Room: "alice", Kind: itemJoined, Position: Position{"e", 4}, State: "live", Broadcast: "b", Version: 3,
		Streamer: true, Asked: true, Recovered: true,
	}
	if !reflect.DeepEqual(j, want) {
		t.Errorf("noted %+v, want %+v", j, want)
	}
}
