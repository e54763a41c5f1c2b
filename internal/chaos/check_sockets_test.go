package chaos

import "testing"

func TestClosed(t *testing.T) {
	testStories(t, []tell{
		{"by the client", func(s *story) { s.connect("bob", "n1", 1).close(100, EndDropped) }, nil},
		{"by the server, for nothing", func(s *story) { s.connect("bob", "n1", 1).close(100, EndServer, 1001) }, []string{badClosed}},
		{"without a frame, for nothing", func(s *story) { s.connect("bob", "n1", 1).close(100, EndLost) }, []string{badClosed}},
		{"Redis is no excuse", func(s *story) {
			s.connect("bob", "n1", 1).close(100, EndLost)
			s.fault(RedisCut, "", 90, 110)
		}, []string{badClosed}},
		{"its node was killed", func(s *story) {
			s.connect("bob", "n1", 1).close(100, EndLost)
			s.fault(Kill, "n1", 100, 110)
		}, nil},
		{"another node was killed", func(s *story) {
			s.connect("bob", "n1", 1).close(100, EndLost)
			s.fault(Kill, "n2", 100, 110)
		}, []string{badClosed}},
		{"it did not read", func(s *story) {
			s.connect("bob", "n1", 1).close(100, EndServer, 4410)
			s.actor("bob").Slow = []Span{{at(80), at(95)}}
		}, nil},
		{"it did not read, long ago", func(s *story) {
			s.connect("bob", "n1", 1).close(150, EndServer, 4410)
			s.actor("bob").Slow = []Span{{at(80), at(95)}}
		}, []string{badClosed}},
		{"replaced", func(s *story) {
			s.connect("alice", "n1", 1).close(100, EndServer, 4409)
			s.connect("alice", "n2", 99)
		}, nil},
		{"replaced by nobody", func(s *story) {
			s.connect("alice", "n1", 1).close(100, EndServer, 4409)
		}, []string{badClosed}},
		{"a viewer is never replaced", func(s *story) {
			s.connect("bob", "n1", 1).close(100, EndServer, 4409)
			s.connect("bob", "n2", 99)
		}, []string{badClosed}},
	})
}

func TestActs(t *testing.T) {
	unanswered := func(a *Act) { a.Acked, a.Tries = never, 9 }
	testStories(t, []tell{
		{"refused", func(s *story) {
			c, _ := alice(s)
			c.did(100, ActUpdate, "b", func(a *Act) { a.Refused = "forbidden" })
		}, []string{badRefused}},
		{"never sent, as its streamer stayed away", func(s *story) {
			c, _ := alice(s)
			c.did(100, ActUpdate, "b", func(a *Act) { a.Acked, a.Tries = never, 0 })
		}, nil},
		{"never answered", func(s *story) {
			c, _ := alice(s)
			c.did(100, ActUpdate, "b", unanswered)
		}, []string{badUnsettled}},
		{"not answered yet", func(s *story) {
			c, _ := alice(s)
			c.did(590, ActUpdate, "b", unanswered)
		}, nil},
		{"not answered, and Redis is away since", func(s *story) {
			c, _ := alice(s)
			s.fault(RedisCut, "", 99, 580)
			c.did(100, ActUpdate, "b", unanswered)
		}, nil},
		{"a start is answered with what has ended", func(s *story) {
			c, bob := alice(s)
			c.did(100, ActEnd, "b").did(200, ActStart, "b").close(201, EndDropped)
			bob.told(100.1, "e", 3, "live.ended b 2 ended_by_streamer")
			gone(bob, 150)
		}, []string{badGhost}},
		{"what has ended runs, she is told", func(s *story) {
			c, bob := alice(s)
			gone(bob, 90)
			c.did(100, ActEnd, "b").did(200, ActGhost, "b").close(201, EndDropped)
		}, []string{badGhost}},
		{"what has ended ran when she asked, she is told", func(s *story) {
			c, bob := alice(s)
			gone(bob, 90)
			c.did(100, ActEnd, "b").did(100.02, ActGhost, "b", func(a *Act) { a.Sent = at(99.9) }).close(201, EndDropped)
		}, nil},
	})
}
