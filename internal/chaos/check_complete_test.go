package chaos

import "testing"

func TestComplete(t *testing.T) {
	// bob is told of it all.
	bob := func(s *story) {
		s.connect("bob", "n1", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").told(200, "e", 2, "live.updated b 2")
	}
	testStories(t, []tell{
		{"carol is told too", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").told(201, "e", 2, "live.updated b 2")
		}, nil},
		{"carol misses the last one", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1")
		}, []string{badMissed}},
		{"a snapshot stands for it", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").snapshot(205, "e", 2, "live b 2", unasked)
		}, nil},
		{"a snapshot of a new epoch stands for it", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").snapshot(205, "f", 0, "live b 2", unasked)
		}, nil},
		{"a snapshot of before does not", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").snapshot(150, "e", 1, "live b 1", unasked)
		}, []string{badMissed}},
		{"a snapshot of another epoch, long before, does not", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "d", 9, "online")
		}, []string{badMissed}},
		{"carol had left the room", func(s *story) {
			bob(s)
			c := s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1")
			c.Items = append(c.Items, Item{At: at(150), Room: "alice", Kind: itemLeft})
		}, nil},
		{"carol was not connected any more", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").close(198, EndDropped)
		}, nil},
		{"carol had heard nothing for too long", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").silentFrom(170)
		}, nil},
		{"carol had heard something lately", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").silentFrom(195)
		}, []string{badMissed}},
		{"carol came while it happened", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 199).snapshot(199.5, "e", 1, "live b 1")
		}, nil},
		{"carol did not read", func(s *story) {
			bob(s)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1")
			s.actor("carol").Slow = []Span{{at(190), at(220)}}
		}, nil},
		{"her node was cut off, and it came when that was repaired", func(s *story) {
			bob(s)
			s.fault(Isolate, "n2", 190, 220)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").told(229, "e", 2, "live.updated b 2")
		}, nil},
		{"her node was cut off, and it did not come even then", func(s *story) {
			bob(s)
			s.fault(Isolate, "n2", 190, 220)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1")
		}, []string{badMissed}},
		{"her node was cut off, and she left before it had to come", func(s *story) {
			bob(s)
			s.fault(Isolate, "n2", 190, 220)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1").close(230, EndDropped)
		}, nil},
		{"another node's fault is no excuse", func(s *story) {
			bob(s)
			s.fault(Isolate, "n3", 190, 595)
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(100, "e", 1, "live.started b 1")
		}, []string{badMissed}},
	})
}
