package chaos

import (
	"testing"
	"time"
)

// alice goes live at 10 s on n1, with bob watching on n2. What she is told of it herself she does not read: those are
// other stories.
func alice(s *story, change ...func(*Act)) (c, bob *conn) {
	s.actor("alice").Slow = []Span{{0, s.Ended}}
	c = s.connect("alice", "n1", 1).snapshot(2, "e", 1, "online").did(10, ActStart, "b", change...)
	bob = s.connect("bob", "n2", 1).snapshot(2, "e", 1, "online").told(10, "e", 2, "live.started b 1")
	return c, bob
}

// gone ends what bob sees too, so that nothing but the event matters.
func gone(bob *conn, when float64) { bob.close(when, EndDropped) }

func TestEnded(t *testing.T) {
	testStories(t, []tell{
		{"she left for longer than the window", func(s *story) {
			c, bob := alice(s)
			c.close(100, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(115.5, "e", 4, "live.ended b 3 connection_lost")
		}, nil},
		{"she was there all the time", func(s *story) {
			c, bob := alice(s)
			c.close(130, EndDropped)
			s.fault(Freeze, "n1", 90, 95) // so that the reconnecting itself can't be judged
			bob.told(100, "e", 3, "live.reconnecting b 2 node_lost", until(115)).told(115.5, "e", 4, "live.ended b 3 node_lost")
			gone(bob, 117)
		}, []string{badEnded}},
		{"she was silent for longer than 25 s", func(s *story) {
			c, bob := alice(s)
			c.close(130, EndSilent).silentFrom(80)
			s.fault(Clients, "n1", 79, 130)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(115.5, "e", 4, "live.ended b 3 connection_lost")
			gone(bob, 117)
		}, nil},
		{"her window was short and her node frozen, which she can't know", func(s *story) {
			c, bob := alice(s, window(3*time.Second))
			c.close(125, EndSilent).silentFrom(100)
			s.fault(Freeze, "n1", 100, 118)
			bob.told(109, "e", 3, "live.reconnecting b 2 node_lost", until(112)).told(112.5, "e", 4, "live.ended b 3 node_lost")
			gone(bob, 114)
		}, []string{badEnded}},
		{"her node was frozen, and nobody asked for a short window", func(s *story) {
			c, bob := alice(s)
			c.close(125, EndSilent).silentFrom(100)
			s.fault(Freeze, "n1", 100, 118)
			bob.told(109, "e", 3, "live.reconnecting b 2 node_lost", until(112)).told(112.5, "e", 4, "live.ended b 3 node_lost")
			gone(bob, 114)
		}, []string{badEnded}},
		{"her app was frozen and heard late what had been under way", func(s *story) {
			c, bob := alice(s)
			c.close(170, EndServer, 4408).silentFrom(100).speechlessFrom(90)
			c.Heard = append(c.Heard, Span{at(160), at(170)})
			s.fault(Silence, "n1", 100, 160)
			bob.told(130, "e", 3, "live.reconnecting b 2 connection_lost", until(165)).told(165.5, "e", 4, "live.ended b 3 connection_lost")
			gone(bob, 167)
		}, nil},
		{"her socket was reset, and she noticed that late", func(s *story) {
			c, bob := alice(s, window(3*time.Second))
			c.close(102, EndLost)
			s.fault(Clients, "n1", 100, 105)
			s.connect("alice", "n2", 104).snapshot(104.5, "e", 5, "online").did(104.5, ActLost, "b").close(110, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(103)).told(103.5, "e", 4, "live.ended b 3 connection_lost")
			gone(bob, 108)
		}, nil},
		{"she was back in time", func(s *story) {
			c, bob := alice(s)
			c.close(100, EndDropped)
			s.connect("alice", "n2", 104).snapshot(105, "e", 4, "live b 3").close(130, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(105, "e", 4, "live.resumed b 3").
				told(110, "e", 5, "live.reconnecting b 4 connection_lost", until(110.2)).told(110.5, "e", 6, "live.ended b 5 connection_lost")
			gone(bob, 112)
		}, []string{badEnded, badFalse}},
		{"it ended before the time that was announced", func(s *story) {
			c, bob := alice(s)
			c.close(100, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(108, "e", 4, "live.ended b 3 connection_lost")
			gone(bob, 110)
		}, []string{badEnded}},
		{"she ended it herself", func(s *story) {
			c, bob := alice(s)
			c.did(100, ActEnd, "b")
			bob.told(100.02, "e", 3, "live.ended b 2 ended_by_streamer")
			gone(bob, 110)
			c.close(101, EndDropped)
		}, nil},
	})
}

func TestLost(t *testing.T) {
	lost := func(sent float64) func(*Act) {
		return func(a *Act) { a.Sent, a.Acked, a.Tries = at(sent), at(sent+0.5), 0 }
	}
	// back comes back at a time and finds nothing.
	back := func(s *story, when float64) {
		s.connect("alice", "n2", when-1).snapshot(when+0.5, "f", 0, "online").did(when, ActLost, "b", lost(when)).close(when+1, EndDropped)
	}
	testStories(t, []tell{
		{"away for longer than the window", func(s *story) {
			c, bob := alice(s)
			gone(bob, 100)
			c.close(100, EndDropped)
			back(s, 120)
		}, nil},
		{"away for less than the window", func(s *story) {
			c, bob := alice(s)
			c.close(100, EndDropped)
			gone(bob, 100)
			back(s, 106)
		}, []string{badLost}},
		{"away for less than the window that she had asked for", func(s *story) {
			c, bob := alice(s, window(time.Minute))
			gone(bob, 100)
			c.close(100, EndDropped)
			back(s, 150)
		}, []string{badLost}},
		{"her node was killed, and she was back within 45 s", func(s *story) {
			c, bob := alice(s)
			gone(bob, 100)
			c.close(100, EndLost)
			s.fault(Kill, "n1", 100, 108)
			back(s, 130)
		}, []string{badLost}},
		{"her node was killed while Redis lost its memory", func(s *story) {
			c, bob := alice(s)
			gone(bob, 100)
			c.close(100, EndLost)
			s.fault(Kill, "n1", 100, 108)
			s.fault(RedisEmpty, "", 101, 103)
			back(s, 105)
		}, nil},
		{"her window was short, and her node frozen until after it", func(s *story) {
			c, bob := alice(s, window(3*time.Second))
			s.fault(Freeze, "n1", 100, 118)
			c.Heard = []Span{{at(1), at(100)}, {at(118), s.Ended}}
			bob.told(109, "e", 3, "live.reconnecting b 2 node_lost", until(112)).told(112.5, "e", 4, "live.ended b 3 node_lost")
			gone(bob, 114)
			c.snapshot(118, "f", 0, "online", unasked).did(118, ActLost, "b", lost(118)).close(120, EndDropped)
		}, []string{badLost, badEnded}},
		{"her window was short, and she left after her node had been frozen", func(s *story) {
			c, bob := alice(s, window(3*time.Second))
			s.fault(Freeze, "n1", 86, 95)
			c.close(100, EndDropped).silentFrom(82)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(103)).told(103.5, "e", 4, "live.ended b 3 connection_lost")
			gone(bob, 105)
			back(s, 106)
		}, nil},
		{"she never left", func(s *story) {
			c, bob := alice(s)
			gone(bob, 100)
			c.snapshot(100, "f", 0, "online", unasked).did(100, ActLost, "b", lost(100)).close(101, EndDropped)
		}, []string{badLost}},
	})
}

func TestFalseReconnecting(t *testing.T) {
	told := func(s *story) *conn {
		c, bob := alice(s)
		bob.told(100, "e", 3, "live.reconnecting b 2 node_lost", until(145)).told(101, "e", 4, "live.resumed b 3")
		return c
	}
	testStories(t, []tell{
		{"nothing was wrong", func(s *story) { told(s) }, []string{badFalse}},
		{"Redis is no excuse", func(s *story) { told(s); s.fault(RedisCut, "", 60, 99) }, []string{badFalse}},
		{"another node is no excuse", func(s *story) { told(s); s.fault(Kill, "n2", 60, 99) }, []string{badFalse}},
		{"her node was frozen", func(s *story) { told(s); s.fault(Freeze, "n1", 85, 99) }, nil},
		{"her node was frozen long ago", func(s *story) { told(s); s.fault(Freeze, "n1", 60, 80) }, []string{badFalse}},
		{"her socket was closed", func(s *story) { told(s).close(99.9, EndDropped) }, nil},
		{"her socket was silent", func(s *story) { told(s).silentFrom(70) }, nil},
		{"she had a newer socket", func(s *story) {
			told(s).close(99.9, EndMoved)
			s.connect("alice", "n2", 90).snapshot(91, "e", 2, "live b 1")
		}, []string{badFalse}},
	})
}

func TestDrainIsSilent(t *testing.T) {
	// She moves from n1 to n2 when n1 is restarted in order; bob is told something.
	moves := func(s *story, told string) {
		c, bob := alice(s)
		s.fault(Rolling, "n1", 100, 107)
		c.close(103, EndMoved)
		s.connect("alice", "n2", 102.5).snapshot(103, "e", 2, "live b 1")
		if told != "" {
			bob.told(104, "e", 3, told)
		}
		gone(bob, 106)
	}
	testStories(t, []tell{
		{"nothing is told", func(s *story) { moves(s, "") }, nil},
		{"her title is told", func(s *story) { moves(s, "live.updated b 2") }, nil},
		{"she is said to be gone", func(s *story) { moves(s, "live.reconnecting b 2 drain") }, []string{badDrain}},
		{"something else was wrong", func(s *story) { moves(s, "live.reconnecting b 2 drain"); s.fault(RedisCut, "", 95, 103) }, nil},
		{"she left by herself", func(s *story) {
			moves(s, "live.reconnecting b 2 drain")
			(&conn{s.actor("alice").Conns[1], s.actor("alice")}).did(103.9, ActDrop, "").close(103.9, EndDropped)
		}, nil},
	})
}
