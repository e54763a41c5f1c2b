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

func TestSpeechless(t *testing.T) {
	testStories(t, []tell{
		{"closed in time", func(s *story) { s.connect("alice", "n1", 1).speechlessFrom(100).close(226, EndServer, 4408) }, nil},
		{"closed too early", func(s *story) { s.connect("alice", "n1", 1).speechlessFrom(100).close(180, EndServer, 4408) }, []string{badClosed}},
		{"kept", func(s *story) { s.connect("alice", "n1", 1).speechlessFrom(100) }, []string{badSpeechless}},
		{"kept by a node that was frozen too", func(s *story) {
			s.connect("alice", "n1", 1).speechlessFrom(100).close(260, EndServer, 4408)
			s.fault(Freeze, "n1", 200, 245)
		}, nil},
		{"a viewer may be silent", func(s *story) { s.connect("bob", "n1", 1).speechlessFrom(100) }, nil},
		{"a viewer must not be closed for it", func(s *story) { s.connect("bob", "n1", 1).speechlessFrom(100).close(226, EndServer, 4408) }, []string{badClosed}},
	})
}

func TestReplaced(t *testing.T) {
	// alice joins at 100 s over a connection to n3.
	renewed := func(s *story, old *conn) *conn {
		c := s.connect("alice", "n3", 99.5).snapshot(100, "e", 2, "live b 1")
		return c.did(99.5, ActRenew, "", func(a *Act) { a.Acked, a.Old, a.Tries = at(100), old.N, 0 })
	}
	testStories(t, []tell{
		{"in silence", func(s *story) {
			c, _ := alice(s)
			renewed(s, c.close(100.05, EndServer, 4409))
		}, nil},
		{"the old one stays", func(s *story) {
			c, _ := alice(s)
			renewed(s, c.close(110, EndSpare))
		}, []string{badReplaced}},
		{"the old one stays, as its node is frozen", func(s *story) {
			c, _ := alice(s)
			renewed(s, c.close(110, EndSpare))
			s.fault(Freeze, "n1", 98, 112)
		}, nil},
		{"the room is told", func(s *story) {
			c, bob := alice(s)
			renewed(s, c.close(100.05, EndServer, 4409))
			bob.told(100.1, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(100.2, "e", 4, "live.resumed b 3")
			gone(bob, 120)
		}, []string{badReplaced}},
		{"the room is told, as she left right after", func(s *story) {
			c, bob := alice(s)
			renewed(s, c.close(100.05, EndServer, 4409)).did(101, ActDrop, "").close(101, EndDropped)
			bob.told(101.1, "e", 3, "live.reconnecting b 2 connection_lost", until(116))
			gone(bob, 110)
		}, nil},
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
			c, bob := alice(s)
			c.did(100, ActUpdate, "b", func(a *Act) { a.Acked, a.Tries, a.Tried = never, 0, 0 }).close(99, EndSilent)
			gone(bob, 90)
		}, nil},
		{"not answered, and its streamer stayed away after that", func(s *story) {
			c, bob := alice(s)
			c.did(100, ActUpdate, "b", unanswered, func(a *Act) { a.Tried = at(100) }).close(105, EndSilent)
			gone(bob, 90)
		}, nil},
		{"not answered, and its streamer's network was gone before she asked again", func(s *story) {
			c, bob := alice(s)
			c.did(100, ActUpdate, "b", unanswered, func(a *Act) { a.Tried = at(100) }).close(110.5, EndSilent)
			gone(bob, 90)
		}, nil},
		{"not answered, and its streamer came back just before the end", func(s *story) {
			c, bob := alice(s)
			c.did(100, ActUpdate, "b", unanswered, func(a *Act) { a.Tried = at(100) }).close(105, EndSilent)
			gone(bob, 90)
			s.connect("alice", "n1", 590)
		}, nil},
		{"never answered", func(s *story) {
			c, _ := alice(s)
			c.did(100, ActUpdate, "b", unanswered)
		}, []string{badUnsettled}},
		{"never asked again, over an open connection", func(s *story) {
			c, _ := alice(s)
			c.did(100, ActUpdate, "b", unanswered, func(a *Act) { a.Tries, a.Tried = 1, at(100) })
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
