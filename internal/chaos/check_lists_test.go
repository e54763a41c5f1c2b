package chaos

import (
	"testing"
	"time"
)

func TestGhostSnapshots(t *testing.T) {
	ended := func(s *story) {
		c, bob := alice(s)
		c.did(100, ActEnd, "b").close(101, EndDropped)
		bob.told(100, "e", 3, "live.ended b 2 ended_by_streamer")
	}
	testStories(t, []tell{
		{"a snapshot on the way", func(s *story) {
			ended(s)
			s.connect("carol", "n3", 99).snapshot(101, "e", 2, "live b 1").told(101.1, "e", 3, "live.ended b 2 ended_by_streamer")
		}, nil},
		{"it is live for somebody later", func(s *story) {
			ended(s)
			s.connect("carol", "n3", 200).snapshot(201, "f", 2, "live b 1").close(203, EndDropped)
		}, []string{badGhost}},
		{"it is read late, by somebody who had stopped reading", func(s *story) {
			ended(s)
			s.actor("carol").Slow = []Span{{at(99), at(201)}}
			s.connect("carol", "n3", 98).snapshot(201, "e", 2, "live b 1").told(201, "e", 3, "live.ended b 2 ended_by_streamer")
		}, nil},
		{"the snapshot says that it is stale", func(s *story) {
			ended(s)
			s.connect("carol", "n3", 200).snapshot(201, "f", 2, "live b 1", stale).close(203, EndDropped)
		}, nil},
		{"Redis came back from an old dump just now", func(s *story) {
			ended(s)
			s.fault(RedisOld, "", 190, 195)
			s.connect("carol", "n3", 200).snapshot(201, "f", 2, "live b 1").close(203, EndDropped)
		}, nil},
		{"Redis came back from an old dump long ago", func(s *story) {
			ended(s)
			s.fault(RedisOld, "", 150, 155)
			s.connect("carol", "n3", 200).snapshot(201, "f", 2, "live b 1").close(203, EndDropped)
		}, []string{badGhost}},
	})
}

func TestListed(t *testing.T) {
	testStories(t, []tell{
		{"as long as she is live, and a moment longer", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s)
			c.did(100, ActEnd, "b").close(101, EndDropped)
			bob.told(100, "e", 3, "live.ended b 2 ended_by_streamer")
			s.listed("b", "live", 10, 101)
		}, nil},
		{"after the end was told", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s)
			c.did(100, ActEnd, "b").close(101, EndDropped)
			bob.told(100, "e", 3, "live.ended b 2 ended_by_streamer")
			s.listed("b", "live", 10, 101)
			s.listed("b", "live", 102, 120, "n3")
		}, []string{badListed}},
		{"after she was said to be lost", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s)
			c.close(100, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(115, "e", 4, "live.ended b 3 connection_lost")
			s.listed("b", "live", 10, 100)
			s.listed("b", "reconnecting", 101, 130)
		}, []string{badListed}},
		{"after the end was answered, and nobody told", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s)
			c.did(100, ActEnd, "b").close(101, EndDropped)
			gone(bob, 100)
			s.listed("b", "live", 10, 120)
		}, []string{badListed}},
		{"a node that says it is not sure", func(s *story) {
			s.polled(1, 99, true, false)
			s.polled(100, 130, true, true)
			c, bob := alice(s)
			c.did(100, ActEnd, "b").close(101, EndDropped)
			bob.told(100, "e", 3, "live.ended b 2 ended_by_streamer")
			s.listed("b", "live", 10, 120)
		}, nil},
		{"long after she was gone", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s, window(20*time.Second))
			c.close(100, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(120))
			s.listed("b", "live", 10, 100)
			s.listed("b", "reconnecting", 101, 200)
		}, []string{badListed}},
		{"long after she was gone, but Redis was away", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s, window(20*time.Second))
			c.close(100, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(120))
			s.fault(RedisCut, "", 105, 200)
			s.listed("b", "live", 10, 100)
			s.listed("b", "reconnecting", 101, 200)
		}, nil},
		{"long after she was gone, but Redis had been away in between", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s, window(20*time.Second))
			c.close(100, EndDropped)
			bob.told(100, "e", 3, "live.reconnecting b 2 connection_lost", until(120))
			s.fault(RedisCut, "", 105, 130)
			s.listed("b", "live", 10, 100)
			s.listed("b", "reconnecting", 101, 185)
		}, nil},
		{"her node was killed, so that her short window is 25 s", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s, window(4*time.Second))
			c.close(100, EndLost)
			s.fault(Kill, "n1", 100, 105)
			bob.told(107, "e", 3, "live.reconnecting b 2 node_lost", until(132))
			s.listed("b", "live", 10, 107)
			s.listed("b", "reconnecting", 107, 150)
		}, nil},
		{"after its end, on a node that is broken yet", func(s *story) {
			s.polled(1, 599, true, false)
			c, bob := alice(s)
			c.did(100, ActEnd, "b").close(101, EndDropped)
			bob.told(100, "e", 3, "live.ended b 2 ended_by_streamer")
			s.Faults = append(s.Faults, Fault{Kind: Isolate, Node: "n3", From: at(99), To: forever})
			s.listed("b", "live", 10, 100, "n1", "n2")
			s.listed("b", "live", 10, 120, "n3")
		}, nil},
		{"for ever", func(s *story) {
			s.polled(1, 599, true, false)
			c, _ := alice(s)
			c.close(100, EndLost)
			s.fault(Kill, "n1", 100, 105)
			s.listed("b", "live", 10, 599)
		}, []string{badListed, badUntold}},
	})
}

func TestUnlisted(t *testing.T) {
	live := func(s *story) *conn {
		s.polled(1, 599, true, false)
		c, _ := alice(s)
		return c
	}
	testStories(t, []tell{
		{"listed by all", func(s *story) { live(s); s.listed("b", "live", 10, 600) }, nil},
		{"not by one, for a while", func(s *story) {
			live(s)
			s.listed("b", "live", 10, 600, "n1", "n2")
			s.listed("b", "live", 10, 100, "n3")
			s.listed("b", "live", 105, 600, "n3")
		}, []string{badUnlisted}},
		{"as reconnecting, for a while", func(s *story) {
			live(s)
			s.listed("b", "live", 10, 600, "n1", "n2")
			s.listed("b", "live", 10, 100, "n3")
			s.listed("b", "reconnecting", 101, 105, "n3")
			s.listed("b", "live", 106, 600, "n3")
		}, []string{badUnlisted}},
		{"not just after Redis was wiped", func(s *story) {
			live(s)
			s.fault(Flush, "", 100, 100)
			s.listed("b", "live", 10, 100)
			s.listed("b", "live", 108, 600)
		}, nil},
		{"not long after Redis was wiped", func(s *story) {
			live(s)
			s.fault(Flush, "", 100, 100)
			s.listed("b", "live", 10, 100)
			s.listed("b", "live", 125, 600)
		}, []string{badUnlisted}},
		{"another node's fault is no excuse", func(s *story) {
			live(s)
			s.fault(Freeze, "n2", 100, 120)
			s.listed("b", "live", 10, 600, "n1", "n2")
			s.listed("b", "live", 10, 100, "n3")
			s.listed("b", "live", 105, 600, "n3")
		}, []string{badUnlisted}},
		{"not while she is silent", func(s *story) {
			live(s).close(130, EndSilent).silentFrom(90)
			s.listed("b", "live", 10, 118)
		}, []string{badUntold}},
	})
}

func TestFinal(t *testing.T) {
	final := func(s *story, rows ...string) {
		for k, state := range rows {
			f := Final{Node: s.Polls[k].Node}
			switch state {
			case "":
			case "error":
				f.Error, f.Rows = "it is not ready", []Row{{"alice", "b", "live"}}
			default:
				f.Rows = []Row{{"alice", "b", state}}
			}
			s.Final = append(s.Final, f)
		}
	}
	testStories(t, []tell{
		{"all agree", func(s *story) { alice(s); final(s, "live", "live", "live") }, nil},
		{"one leaves her out", func(s *story) { alice(s); final(s, "live", "live", "") }, []string{badFinal}},
		{"all leave her out", func(s *story) { alice(s); final(s, "", "", "") }, []string{badFinal}},
		{"one does not know", func(s *story) { alice(s); final(s, "live", "error", "live") }, []string{badFinal}},
		{"she is not reconnecting", func(s *story) { alice(s); final(s, "reconnecting", "reconnecting", "reconnecting") }, []string{badFinal}},
		{"she is long gone", func(s *story) {
			c, bob := alice(s)
			gone(bob, 100)
			c.close(100, EndDropped)
			final(s, "", "", "")
		}, nil},
		{"she is long gone, and listed", func(s *story) {
			c, bob := alice(s)
			gone(bob, 100)
			c.close(100, EndDropped)
			final(s, "live", "live", "live")
		}, []string{badFinal}},
		{"she is gone just now", func(s *story) {
			c, _ := alice(s)
			c.close(590, EndDropped)
			final(s, "reconnecting", "reconnecting", "reconnecting")
		}, nil},
		{"she is gone just now, and not all have heard", func(s *story) {
			c, _ := alice(s)
			c.close(590, EndDropped)
			final(s, "reconnecting", "live", "reconnecting")
		}, []string{badFinal}},
		{"a broadcast of nobody's", func(s *story) { final(s, "live", "live", "live") }, []string{badFinal}},
	})
}
