package rooms

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whoever asks for a room's members gets those of all nodes, in one order, each once, in pages of any size.
func TestRosterIsOfAllNodes(t *testing.T) {
	p := openPair(t)
	dice := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range 57 {
		node, s := "n1", p.sinkA
		if dice.IntN(3) > 0 {
			node, s = "n2", p.sinkB
		}
		id := fmt.Sprintf("%s-%03d", node, i)
		if i%2 == 0 {
			id = fmt.Sprintf("m%03d-%s", i, node) // so that neither node's come all before the other's
		}
		want = append(want, id)
		s.put(studio, id)
	}
	p.sinkB.put("attic", "n2-elsewhere")
	slices.Sort(want)
	for _, n := range []*redisNode{p.a, p.b} {
		for _, first := range []int{1, 2, 7, 56, 57, 58, 100} {
			var got []string
			for after, more := "", true; more; {
				page := n.relay.Members(t.Context(), studio, first, after)
				if page.Partial || len(page.Members) == 0 || len(page.Members) > first {
					t.Fatalf("pages of %d after %q: %+v", first, after, page)
				}
				for _, m := range page.Members {
					got = append(got, m.ID)
				}
				after, more = got[len(got)-1], page.More
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d: got %s, want %s", first, strings.Join(got, " "), strings.Join(want, " "))
			}
		}
	}
	if page := p.a.relay.Members(t.Context(), "cellar", 10, ""); len(page.Members) != 0 || page.More || page.Partial {
		t.Errorf("a room that nobody is in: %+v", page)
	}
}

// A node that does not answer is not waited for long, and whoever asked knows.
func TestRosterWithoutANode(t *testing.T) {
	p := openPair(t)
	p.sinkA.put(studio, "n1-a")
	p.sinkB.put(studio, "n2-b")
	release := p.sinkB.hush()
	begun := time.Now()
	page := p.a.relay.Members(t.Context(), studio, 10, "")
	if took := time.Since(begun); !page.Partial || len(page.Members) != 1 || page.Members[0].ID != "n1-a" || took < answerWithin || took > 3*answerWithin {
		t.Errorf("after %s: %+v", took, page)
	}
	release()
	eventually(t, "it answers again, and nothing that came late is taken for an answer", func() bool {
		page := p.a.relay.Members(t.Context(), studio, 10, "")
		return !page.Partial && len(page.Members) == 2
	})
	if n := len(p.a.relay.roster.asking); n != 0 {
		t.Errorf("%d questions are still waited for", n)
	}
}

// More questions than a node answers at a time have no answer, and harm nobody.
func TestRosterOfTooManyQuestions(t *testing.T) {
	p := openPair(t)
	release := p.sinkB.hush()
	for range 3 * answersAtOnce {
		p.b.relay.roster.asked(`{"id":"x","from":"n1","room":"studio","first":10}`)
	}
	if n := len(p.b.relay.roster.busy); n != answersAtOnce {
		t.Errorf("%d are answered at a time, want %d", n, answersAtOnce)
	}
	p.b.relay.roster.asked("not JSON")
	p.b.relay.roster.answered("not JSON")
	release()
	eventually(t, "all are answered", func() bool { return len(p.b.relay.roster.busy) == 0 })
	if page := p.a.relay.Members(t.Context(), studio, 10, ""); page.Partial {
		t.Errorf("afterwards: %+v", page)
	}
}

// put adds a member.
func (s *sink) put(room, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = make(map[string][]string)
	}
	s.members[room] = append(s.members[room], id)
	slices.Sort(s.members[room])
}

// hush has the sink say nothing of members, until release.
func (s *sink) hush() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mute := make(chan struct{})
	s.mute = mute
	return func() {
		s.mu.Lock()
		s.mute = nil
		s.mu.Unlock()
		close(mute)
	}
}
