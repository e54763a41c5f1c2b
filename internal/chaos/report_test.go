package chaos

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMeasure(t *testing.T) {
	s := begin()
	s.polled(1, 599, true, false)
	c, bob := alice(s)
	bob.told(100.1, "e", 3, "live.reconnecting b 2 connection_lost", until(115)).told(105.2, "e", 4, "live.resumed b 3").
		told(200.5, "e", 5, "live.reconnecting b 4 node_lost", until(245))
	c.close(100, EndDropped)
	s.connect("alice", "n1", 104).snapshot(105.5, "e", 4, "live b 3").close(195, EndLost)
	s.fault(Kill, "n1", 195, 205)
	s.listed("b", "live", 10, 600)
	got := make(map[string]time.Duration)
	for _, d := range measure(s.Notes) {
		got[d.what] = slices.Max(d.took)
	}
	for what, want := range map[string]time.Duration{
		"live.start → live.started":                     0,
		"socket closed → live.reconnecting":             100 * time.Millisecond,
		"streamer back → live.resumed":                  200 * time.Millisecond,
		"kill -9 of a node → reconnecting as node_lost": 5500 * time.Millisecond,
	} {
		if d := got[what] - want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%s took %s, want %s", what, got[what], want)
		}
	}
}

func TestReport(t *testing.T) {
	s := begin()
	c, _ := alice(s)
	c.did(100, ActUpdate, "b", func(a *Act) { a.Refused = "forbidden" })
	s.fault(Clients, "n1", 95, 99)
	r := Result{Notes: s.Notes, Violations: Check(s.Notes), Load: []load{{part: "in between", share: 0.25}}}
	var text, notes strings.Builder
	Report(&text, r, "make chaos FOR=2m SEED=7")
	for _, want := range []string{
		"live.start → live.started", "Violations: 1", "refused: room alice", "clients n1 95.0s–99.0s", "in between: 25 %", "make chaos FOR=2m SEED=7",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, text.String())
		}
	}
	if err := WriteNotes(&notes, r); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(notes.String(), "\n"); lines != 7 { // fault, violation, two acts, two connections, final
		t.Errorf("the notes have %d lines:\n%s", lines, notes.String())
	}
}
