package main

import (
	"encoding/json"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/tallylight/tallylight/web"
)

// record waits for the record of the last broadcast in a room.
func (p *process) record(room string) (rec web.Record) {
	p.t.Helper()
	p.eventually("the record of "+room+" is there", 10*time.Second, func() bool {
		r, body := p.get("/v1/broadcasts?room="+room, token(p.t, "admin", admin))
		var page web.RecordPage
		if r.StatusCode != http.StatusOK || json.Unmarshal([]byte(body), &page) != nil || len(page.Data) == 0 || page.Data[0].EndedAt == nil {
			return false
		}
		rec = page.Data[0]
		return true
	})
	return rec
}

// TestRecordedAudience sees that a record tells who watched on all nodes, those that are gone included, and for how long.
func TestRecordedAudience(t *testing.T) {
	t.Parallel()
	s := startService(t, 2)
	waiting := s.nodes[0].watch("bob", "alice") // before it begins
	a := s.nodes[0].golive("alice")
	begun := time.Now()
	eve := s.nodes[1].watch("eve", "alice")
	s.nodes[1].watch("bob", "alice") // on another node too
	came := time.Since(begun)
	nobody := s.nodes[1].golive("carol")
	time.Sleep(3 * time.Second)
	_ = eve.Close() // and so node 2 has two who watched, and one who does
	left := time.Since(begun)
	time.Sleep(6 * time.Second) // a peak of just before the death could have been counted twice
	s.nodes[1].signal(syscall.SIGKILL)
	died := time.Since(begun)
	s.nodes[0].eventually("the dead node's viewer no longer counts", 20*time.Second, func() bool {
		_, body := s.nodes[0].get("/v1/rooms/alice", "")
		var room web.Room
		return json.Unmarshal([]byte(body), &room) == nil && room.Viewers == 1
	})
	found := time.Since(begun)
	time.Sleep(3 * time.Second)
	if err := a.End(within(t, 10*time.Second), "alice"); err != nil {
		t.Fatal(err)
	}
	ended := time.Since(begun)
	_ = waiting.Close()

	rec := s.nodes[0].record("alice")
	if rec.UniqueViewers == nil || rec.WatchSeconds == nil || rec.PeakViewers == nil {
		t.Fatalf("nobody counted: %+v", rec)
	}
	// Bob is there all the time, eve until she left, and bob's other socket until somewhere between death and its discovery.
	watched := time.Duration(*rec.WatchSeconds) * time.Second
	const slack = 1500 * time.Millisecond // what is on its way, of three, and rounding
	if least, most := ended+left-came+died-came-slack, ended+left+found+slack; watched < least || watched > most {
		t.Errorf("watched for %s, want %s to %s", watched, least, most)
	}
	if *rec.UniqueViewers != 2 || *rec.PeakViewers != 3 {
		t.Errorf("%d users, at most %d viewers, want 2 and 3", *rec.UniqueViewers, *rec.PeakViewers)
	}

	// Nobody watched carol, which is not the same as that nobody counted. Her window was opened when her node was found dead.
	_ = nobody.Close()
	back := s.nodes[0].golive("carol")
	if err := back.End(within(t, 10*time.Second), "carol"); err != nil {
		t.Fatal(err)
	}
	if rec := s.nodes[0].record("carol"); rec.UniqueViewers == nil || *rec.UniqueViewers != 0 || rec.WatchSeconds == nil || *rec.WatchSeconds != 0 {
		t.Errorf("of carol, %+v is recorded", rec)
	}
}
