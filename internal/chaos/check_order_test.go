package chaos

import "testing"

func TestOrder(t *testing.T) {
	testStories(t, []tell{
		{"all as it should be", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "offline").
				told(3, "e", 1, "streamer.online").told(4, "e", 2, "live.started b 1").told(5, "e", 3, "live.updated b 2").
				told(6, "e", 4, "live.reconnecting b 3").told(7, "e", 5, "live.resumed b 4").told(8, "e", 6, "live.ended b 5 ended_by_streamer").
				told(9, "e", 7, "live.started c 1").told(10, "e", 8, "live.ended c 2 left").told(11, "e", 9, "streamer.offline")
		}, nil},
		{"other events count too", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 4, "live b 1").told(3, "e", 5, "chat").told(4, "e", 6, "live.updated b 2")
		}, nil},
		{"a gap", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "online").told(3, "e", 2, "live.started b 1")
		}, []string{badOrder}},
		{"a repeat", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "online").told(3, "e", 1, "chat").told(3, "e", 1, "chat")
		}, []string{badOrder}},
		{"an event of the snapshot again", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 5, "live b 1").told(3, "e", 5, "live.started b 1")
		}, []string{badOrder, badMachine, badVersion}},
		{"an event before joined", func(s *story) {
			s.connect("bob", "n1", 1).told(3, "e", 1, "chat")
		}, []string{badOrder}},
		{"an event after leaving", func(s *story) {
			c := s.connect("bob", "n1", 1).snapshot(2, "e", 0, "offline")
			c.Items = append(c.Items, Item{At: at(3), Room: "alice", Kind: itemLeft})
			c.told(4, "e", 1, "chat")
		}, []string{badOrder}},
		{"another epoch with a snapshot", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").snapshot(3, "f", 0, "live b 3", unasked).told(4, "f", 1, "live.updated b 4")
		}, nil},
		{"another epoch without one", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").told(4, "f", 1, "live.updated b 4")
		}, []string{badOrder}},
		{"another epoch as if it went on", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").told(4, "f", 8, "live.updated b 4")
		}, []string{badOrder}},
		{"a version left out", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(3, "e", 1, "live.updated b 5")
		}, []string{badVersion}},
		{"a start that is not the first version", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "online").told(3, "e", 1, "live.started b 2")
		}, []string{badVersion}},
		{"resumed while live", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(3, "e", 1, "live.resumed b 4")
		}, []string{badMachine}},
		{"one broadcast in the middle of another", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(3, "e", 1, "live.updated c 9")
		}, []string{badMachine}},
		{"online twice", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "online").told(3, "e", 1, "streamer.online")
		}, []string{badMachine}},
		{"an end again in the next epoch", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(3, "e", 1, "live.ended b 4 left").
				snapshot(4, "f", 0, "live b 3", unasked, stale).told(5, "f", 1, "live.ended b 4 left")
		}, []string{badAfterEnd}},
		{"a version again in the next epoch", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(3, "e", 1, "live.updated b 4").
				snapshot(4, "f", 0, "live b 3", unasked).told(5, "f", 1, "live.updated b 4")
		}, []string{badBackwards}},
		{"a version again on the next connection", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(3, "e", 1, "live.updated b 4").close(10, EndDropped)
			s.connect("bob", "n2", 11).snapshot(12, "f", 0, "live b 3").told(13, "f", 1, "live.updated b 4")
		}, []string{badBackwards}},
		{"the same events on two connections at a time", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 3").told(5, "e", 1, "live.updated b 4").close(10, EndMoved)
			s.connect("bob", "n2", 3).snapshot(4, "e", 0, "live b 3").told(6, "e", 1, "live.updated b 4")
		}, nil},
		{"recovered", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").close(3, EndDropped)
			s.connect("bob", "n2", 5).snapshot(6, "e", 9, "live b 5",
				recovered("e", 7, event(4, "live.reconnecting b 4"), event(5, "live.resumed b 5"))).told(8, "e", 10, "live.updated b 6")
		}, nil},
		{"recovered with an event too few", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").close(3, EndDropped)
			s.connect("bob", "n2", 5).snapshot(6, "e", 9, "live b 5", recovered("e", 7, event(4, "live.reconnecting b 4")))
		}, []string{badOrder, badMachine}},
		{"recovered events that do not lead to the snapshot", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").close(3, EndDropped)
			s.connect("bob", "n2", 5).snapshot(6, "e", 8, "live b 4", recovered("e", 7, event(4, "live.reconnecting b 4")))
		}, []string{badMachine}},
		{"recovered events that do not follow what was known", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").close(3, EndDropped)
			s.connect("bob", "n2", 5).snapshot(6, "e", 8, "live b 4", recovered("e", 7, event(4, "live.resumed b 4")))
		}, []string{badMachine}},
		{"recovered across epochs", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").close(3, EndDropped)
			s.connect("bob", "n2", 5).snapshot(6, "f", 7, "live b 3", recovered("e", 7))
		}, []string{badOrder}},
		{"not recovered, and a snapshot that is older than what was known", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 7, "live b 3").close(3, EndDropped)
			s.connect("bob", "n2", 5).snapshot(6, "f", 0, "live b 2").told(7, "f", 1, "live.updated b 3")
		}, nil},
		{"a message that makes no sense", func(s *story) {
			c := s.connect("bob", "n1", 1)
			c.Items = append(c.Items, Item{At: at(3), Kind: itemOdd, Reason: "nonsense"})
		}, []string{badOdd}},
	})
}

func TestForks(t *testing.T) {
	testStories(t, []tell{
		{"two are told the same", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "online").told(3, "e", 1, "live.started b 1")
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "online").told(4, "e", 1, "live.started b 1")
		}, nil},
		{"two are told different things of the same place", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 1").told(3, "e", 1, "live.updated b 2")
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "live b 1").told(4, "e", 1, "live.reconnecting b 2")
		}, []string{badFork}},
		{"one is told something else at the same place", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 1").told(3, "e", 1, "chat")
			s.connect("carol", "n2", 1).snapshot(2, "e", 0, "live b 1").told(4, "e", 1, "x.poll")
		}, []string{badFork}},
		{"one transition at two places", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 1").told(3, "e", 1, "live.updated b 2").close(5, EndDropped)
			s.connect("carol", "n2", 1).snapshot(2, "e", 4, "live b 1").told(4, "e", 5, "live.updated b 2").close(5, EndDropped)
		}, []string{badFork}},
		{"one is told more after the end that another was told", func(s *story) {
			s.connect("bob", "n1", 1).snapshot(2, "e", 0, "live b 1").told(3, "e", 1, "live.ended b 2 left").close(5, EndDropped)
			s.connect("carol", "n2", 5).snapshot(6, "f", 0, "live b 2").told(7, "f", 1, "live.updated b 3").close(9, EndDropped)
		}, []string{badAfterEnd}},
	})
}
