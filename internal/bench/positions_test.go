package bench

import "testing"

func at(epoch string, offset int64) position { return position{epoch, offset} }

func TestTrack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []position
		want   wrong
		end    position
	}{
		{"in order", []position{at("e", 6), at("e", 7), at("e", 8)}, wrong{}, at("e", 8)},
		{"a gap of one", []position{at("e", 6), at("e", 8)}, wrong{lost: 1}, at("e", 8)},
		{"the first ones are missing", []position{at("e", 9)}, wrong{lost: 3}, at("e", 9)},
		{"a repeat", []position{at("e", 6), at("e", 6)}, wrong{repeated: 1}, at("e", 6)},
		{"an old one does not lead back", []position{at("e", 6), at("e", 2), at("e", 7)}, wrong{repeated: 1}, at("e", 7)},
		{"out of order", []position{at("e", 7), at("e", 6)}, wrong{lost: 1, repeated: 1}, at("e", 7)},
		{"an epoch that nothing announced", []position{at("f", 1), at("f", 2)}, wrong{strayed: 1}, at("f", 2)},
	} {
		tr := track{at: at("e", 5)}
		var got wrong
		for _, e := range tt.events {
			w := tr.event([]byte(e.Epoch), e.Offset)
			got.lost, got.repeated, got.strayed = got.lost+w.lost, got.repeated+w.repeated, got.strayed+w.strayed
		}
		if got != tt.want || tr.at != tt.end {
			t.Errorf("%s: got %+v at %v, want %+v at %v", tt.name, got, tr.at, tt.want, tt.end)
		}
	}
}

func TestSnapshotBeginsAnew(t *testing.T) {
	tr := track{at: at("e", 5)}
	for _, p := range []position{at("e", 90), at("f", 1), at("f", 0)} {
		tr.snapshot(p)
		if w := tr.event([]byte(p.Epoch), p.Offset+1); !w.none() {
			t.Errorf("after the snapshot %v: %+v", p, w)
		}
	}
}

func TestRecovered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []position
		head   position
		want   wrong
	}{
		{"nothing was missed", nil, at("e", 5), wrong{}},
		{"all that was missed", []position{at("e", 6), at("e", 7)}, at("e", 7), wrong{}},
		{"one is left out", []position{at("e", 7)}, at("e", 7), wrong{lost: 1}},
		{"the last is left out", []position{at("e", 6)}, at("e", 7), wrong{lost: 1}},
		{"one was known", []position{at("e", 5), at("e", 6)}, at("e", 6), wrong{repeated: 1}},
		{"one comes before its snapshot's time", []position{at("e", 6), at("e", 7)}, at("e", 6), wrong{repeated: 1}},
		{"another epoch", nil, at("f", 5), wrong{strayed: 1}},
	} {
		tr := track{at: at("e", 5)}
		if got := tr.recovered(tt.events, tt.head); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
		if tr.at != tt.head {
			t.Errorf("%s: at %v, want %v", tt.name, tr.at, tt.head)
		}
	}
}

func TestMissing(t *testing.T) {
	tr := track{at: at("e", 5)}
	for head, want := range map[position]int64{at("e", 5): 0, at("e", 8): 3, at("e", 4): 0, at("f", 9): 0} {
		if got := tr.missing(head); got != want {
			t.Errorf("%v: got %d, want %d", head, got, want)
		}
	}
}

func TestEventAllocatesNothing(t *testing.T) {
	tr, epoch, n := track{at: at("an epoch", 0)}, []byte("an epoch"), int64(0)
	if allocs := testing.AllocsPerRun(100, func() { n++; tr.event(epoch, n) }); allocs != 0 {
		t.Errorf("%g allocations", allocs)
	}
}
