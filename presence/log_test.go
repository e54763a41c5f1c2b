package presence

import (
	"errors"
	"testing"
)

func appended(followers []string, n int) *transitionLog {
	g := newTransitionLog(followers)
	for range n {
		g.append([]Transition{{Room: studio, Kind: LiveUpdated}})
	}
	return &g
}

func TestLogRead(t *testing.T) {
	g := appended([]string{"record"}, 5)
	for _, test := range []struct {
		name       string
		after      uint64
		max        int
		first, len int
	}{
		{"all", 0, 10, 1, 5},
		{"the rest", 3, 10, 4, 2},
		{"at most", 1, 2, 2, 2},
		{"nothing new", 5, 10, 0, 0},
		{"from ahead of the log", 9, 10, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			made, err := g.read(test.after, test.max)
			if err != nil || len(made) != test.len {
				t.Fatalf("read %d, %v, want %d", len(made), err, test.len)
			}
			for i, tr := range made {
				if tr.Seq != uint64(test.first+i) {
					t.Errorf("entry %d has seq %d, want %d", i, tr.Seq, test.first+i)
				}
			}
		})
	}
}

// What a reader got is its own: the log goes on without touching it.
func TestLogReadIsACopy(t *testing.T) {
	g := appended(nil, 2)
	made, _ := g.read(0, 10)
	made[0].Room = "scribbled over"
	if again, _ := g.read(0, 1); again[0].Room != studio {
		t.Errorf("a reader changed the log: %q", again[0].Room)
	}
}

func TestLogTrim(t *testing.T) {
	for _, test := range []struct {
		name      string
		followers []string
		ack       map[string]uint64
		entries   int
		first     uint64 // the oldest one still there
	}{
		{"short logs are kept whole", nil, nil, 2*keptBehind - 1, 1},
		{"without followers the last ones stay", nil, nil, 2 * keptBehind, keptBehind + 1},
		{"a follower that read nothing keeps all", []string{"record"}, nil, 5 * keptBehind, 1},
		{"a follower in between keeps what it has not read", []string{"record"}, map[string]uint64{"record": 100}, 5 * keptBehind, 101},
		{"the slowest of two followers decides", []string{"record", "rooms"}, map[string]uint64{"record": 100, "rooms": 700}, 5 * keptBehind, 101},
		{"a follower at the end keeps the last ones", []string{"record"}, map[string]uint64{"record": 5 * keptBehind}, 5 * keptBehind, 4*keptBehind + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := appended(test.followers, test.entries)
			for f, seq := range test.ack {
				g.ack(f, seq)
			}
			if g.first != test.first || g.last() != uint64(test.entries) {
				t.Errorf("the log has %d to %d, want %d to %d", g.first, g.last(), test.first, test.entries)
			}
			if made, err := g.read(g.first-1, 1); err != nil || len(made) != 1 || made[0].Seq != g.first {
				t.Errorf("the oldest is %+v, %v", made, err)
			}
			if _, err := g.read(g.first-2, 1); g.first > 1 && !errors.Is(err, ErrTrimmed) {
				t.Errorf("reading before the oldest: %v, want ErrTrimmed", err)
			}
		})
	}
}

// An acknowledgement that comes late, after a later one, takes nothing back.
func TestLogAckOnlyGrows(t *testing.T) {
	g := appended([]string{"record"}, 10)
	g.ack("record", 8)
	g.ack("record", 3)
	if g.acked["record"] != 8 {
		t.Errorf("acked up to %d, want 8", g.acked["record"])
	}
}
