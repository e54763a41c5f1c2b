package chaos

import "testing"

func TestTold(t *testing.T) {
	testStories(t, []tell{
		{"gone, and told", func(s *story) {
			c, bob := alice(s)
			s.fault(Kill, "n1", 100, 105)
			c.close(100, EndLost)
			bob.told(108, "e", 3, "live.reconnecting b 2 node_lost", until(153)).told(153, "e", 4, "live.ended b 3 node_lost")
		}, nil},
		{"gone, and not told", func(s *story) {
			c, _ := alice(s)
			s.fault(Kill, "n1", 100, 105)
			c.close(100, EndLost)
		}, []string{badUntold}},
		{"gone, and a snapshot says so", func(s *story) {
			c, bob := alice(s)
			c.close(100, EndDropped)
			bob.snapshot(130, "f", 0, "offline", unasked)
		}, nil},
		{"gone by herself, and not told", func(s *story) {
			c, _ := alice(s)
			c.close(100, EndDropped)
		}, []string{badUntold}},
		{"gone, and back before anybody had to notice", func(s *story) {
			c, _ := alice(s)
			s.fault(Kill, "n1", 100, 105)
			c.close(100, EndLost)
			s.connect("alice", "n2", 108).snapshot(109, "e", 2, "live b 1")
		}, nil},
		{"gone, and Redis away since", func(s *story) {
			c, _ := alice(s)
			c.close(100, EndDropped)
			s.fault(RedisCut, "", 101, 598)
		}, nil},
		{"gone, and nobody there to be told", func(s *story) {
			c, bob := alice(s)
			c.close(100, EndDropped)
			gone(bob, 120)
		}, nil},
		{"she ended it, and nobody is told", func(s *story) {
			c, _ := alice(s)
			c.did(90, ActEnd, "b")
		}, []string{badUntold}},
		{"she is live, and nobody is told", func(s *story) {
			s.actor("alice").Slow = []Span{{0, s.Ended}}
			s.connect("alice", "n1", 1).snapshot(2, "e", 1, "online").did(10, ActStart, "b")
			s.connect("bob", "n2", 1).snapshot(2, "e", 1, "online")
		}, []string{badUntold}},
		{"she is live, and a snapshot says so", func(s *story) {
			s.actor("alice").Slow = []Span{{0, s.Ended}}
			s.connect("alice", "n1", 1).snapshot(2, "e", 1, "online").did(10, ActStart, "b")
			s.connect("bob", "n2", 1).snapshot(2, "e", 1, "online").snapshot(12, "f", 0, "live b 1", unasked)
		}, nil},
		{"she is live anew, and hears of the last end only then", func(s *story) {
			c, bob := alice(s)
			c.did(90, ActEnd, "b").did(91, ActStart, "b2").told(92, "e", 2, "live.started b 1").told(92, "e", 3, "live.ended b 2 ended_by_streamer").told(92, "e", 4, "live.started b2 1")
			bob.told(90, "e", 3, "live.ended b 2 ended_by_streamer").told(91, "e", 4, "live.started b2 1")
		}, nil},
		{"she had ended it", func(s *story) {
			c, bob := alice(s)
			c.did(90, ActEnd, "b").close(100, EndDropped)
			bob.told(90, "e", 3, "live.ended b 2 ended_by_streamer")
		}, nil},
	})
}
