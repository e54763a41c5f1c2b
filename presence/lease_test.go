package presence

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// leaseIn returns alice's lease in a state, held over c1 under fence 7. The
// live one is at version 1, the reconnecting one at version 2.
func leaseIn(s State, window *time.Duration) *Lease {
	now := time.UnixMilli(1790000000000)
	l := &Lease{Room: studio, State: StateOffline}
	c1 := Claim{Room: studio, User: alice, Connection: "c1", Node: "n1"}
	if s != StateOffline {
		_, _, _ = l.claim(c1, 7, now)
	}
	if s == StateLive || s == StateReconnecting {
		l.start(Start{Details: Details{Title: "Sketches"}, Window: window}, now)
	}
	if s == StateReconnecting {
		l.reconnect(ReasonConnectionLost, now)
	}
	return l
}

// toldOf writes a change as "state fence: kind version reason, …".
func toldOf(l *Lease, made []Transition) string {
	var lines []string
	for _, t := range made {
		line := string(t.Kind)
		if t.Broadcast != nil {
			line += fmt.Sprintf(" %d", t.Broadcast.Version)
		}
		if t.Reason != "" {
			line += " " + string(t.Reason)
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d: %s", l.State, l.Fence, strings.Join(lines, ", ")))
}

// Every operation in every state: which state, fence and transitions come of
// it. Only the holder gets as far as the operations that write; "fenced" are
// those that the store refuses before.
func TestLeaseStateMachine(t *testing.T) {
	states := [4]State{StateOffline, StateOnline, StateLive, StateReconnecting}
	now := time.UnixMilli(1790000001000)
	minute, zero := time.Minute, time.Duration(0)
	title, same := "Etchings", "Sketches"
	as := func(user User, connection, node string) func(*Lease) ([]Transition, error) {
		return func(l *Lease) ([]Transition, error) {
			_, made, err := l.claim(Claim{Room: studio, User: user, Connection: connection, Node: node}, 9, now)
			return made, err
		}
	}
	held := func(do func(*Lease) []Transition) func(*Lease) ([]Transition, error) {
		return func(l *Lease) ([]Transition, error) {
			if !l.holds(7) {
				return nil, ErrFenced
			}
			return do(l), nil
		}
	}
	release := func(why Reason) func(*Lease) ([]Transition, error) {
		return held(func(l *Lease) []Transition { return l.release(why, now) })
	}
	for _, test := range []struct {
		name   string
		window *time.Duration
		do     func(*Lease) ([]Transition, error)
		want   [4]string // as the states above
	}{
		{"claim over the same connection", nil, as(alice, "c1", "n1"), [4]string{
			"online 9: streamer.online", "online 7:", "live 7:", "live 9: live.resumed 3"}},
		{"claim over a newer connection", nil, as(alice, "c2", "n1"), [4]string{
			"online 9: streamer.online", "online 9: lease.moved", "live 9: lease.moved", "live 9: live.resumed 3"}},
		{"claim over a connection of another node with the same name", nil, as(alice, "c1", "n2"), [4]string{
			"online 9: streamer.online", "online 9: lease.moved", "live 9: lease.moved", "live 9: live.resumed 3"}},
		{"claim by another user", nil, as(bob, "c1", "n1"), [4]string{
			"online 9: streamer.online", "conflict", "conflict", "conflict"}},
		{"start", nil, held(func(l *Lease) []Transition { return l.start(Start{}, now) }), [4]string{
			"fenced", "live 7: live.started 1", "live 7:", "fenced"}},
		{"update", nil, held(func(l *Lease) []Transition { return l.update(Changes{Title: &title}, now) }), [4]string{
			"fenced", "online 7:", "live 7: live.updated 2", "fenced"}},
		{"update to what it is", nil, held(func(l *Lease) []Transition { return l.update(Changes{Title: &same}, now) }), [4]string{
			"fenced", "online 7:", "live 7:", "fenced"}},
		{"end", nil, held(func(l *Lease) []Transition { return l.end(ReasonEndedByStreamer, now) }), [4]string{
			"fenced", "online 7:", "online 7: live.ended 2 ended_by_streamer", "fenced"}},
		{"end by somebody else", nil, func(l *Lease) ([]Transition, error) { return l.end(ReasonEndedByAdmin, now), nil }, [4]string{
			"offline 0:", "online 7:", "online 7: live.ended 2 ended_by_admin", "offline 7: live.ended 3 ended_by_admin, streamer.offline"}},
		{"release, connection lost", nil, release(ReasonConnectionLost), [4]string{
			"fenced", "offline 7: streamer.offline", "reconnecting 7: live.reconnecting 2 connection_lost", "fenced"}},
		{"release, node lost", nil, release(ReasonNodeLost), [4]string{
			"fenced", "offline 7: streamer.offline", "reconnecting 7: live.reconnecting 2 node_lost", "fenced"}},
		{"release, drain", &minute, release(ReasonDrain), [4]string{
			"fenced", "offline 7: streamer.offline", "reconnecting 7: live.reconnecting 2 drain", "fenced"}},
		{"release, connection lost without a window", &zero, release(ReasonConnectionLost), [4]string{
			"fenced", "offline 7: streamer.offline", "offline 7: live.ended 2 connection_lost, streamer.offline", "fenced"}},
		{"release, left", nil, release(ReasonLeft), [4]string{
			"fenced", "offline 7: streamer.offline", "offline 7: live.ended 2 left, streamer.offline", "fenced"}},
		{"release, kicked", nil, release(ReasonKicked), [4]string{
			"fenced", "offline 7: streamer.offline", "offline 7: live.ended 2 kicked, streamer.offline", "fenced"}},
		{"release, banned", nil, release(ReasonBanned), [4]string{
			"fenced", "offline 7: streamer.offline", "offline 7: live.ended 2 banned, streamer.offline", "fenced"}},
		{"release, revoked", nil, release(ReasonRevoked), [4]string{
			"fenced", "offline 7: streamer.offline", "offline 7: live.ended 2 revoked, streamer.offline", "fenced"}},
		{"lapse", nil, func(l *Lease) ([]Transition, error) {
			if l.State == StateOffline { // has no deadline, and nobody to say goodbye to
				return nil, ErrFenced
			}
			return l.lapse(now), nil
		}, [4]string{
			"fenced", "offline 7: streamer.offline",
			"offline 7: live.ended 2 connection_lost, streamer.offline", "offline 7: live.ended 3 connection_lost, streamer.offline"}},
	} {
		for i, state := range states {
			t.Run(test.name+" while "+string(state), func(t *testing.T) {
				l := leaseIn(state, test.window)
				before := *l
				made, err := test.do(l)
				got := toldOf(l, made)
				switch {
				case errors.Is(err, ErrConflict):
					got = "conflict"
				case errors.Is(err, ErrFenced):
					got = "fenced"
				}
				if got != test.want[i] {
					t.Fatalf("got  %q\nwant %q", got, test.want[i])
				}
				if err != nil && *l != before {
					t.Errorf("refused, and yet changed from %+v to %+v", before, *l)
				}
				wantSound(t, l, made)
			})
		}
	}
}

// wantSound checks what holds for every lease and for all that is told of it.
func wantSound(t *testing.T, l *Lease, made []Transition) {
	t.Helper()
	if onAir := l.State.OnAir(); onAir != (l.Broadcast != nil) {
		t.Errorf("%s with broadcast %+v", l.State, l.Broadcast)
	}
	if held := l.State == StateOnline || l.State == StateLive; held != (l.Connection != "") || held != (l.Node != "") {
		t.Errorf("%s over connection %q of node %q", l.State, l.Connection, l.Node)
	}
	if away := l.State == StateReconnecting; away != (l.Until != 0) || away != (l.Reason != "") {
		t.Errorf("%s until %d for %q", l.State, l.Until, l.Reason)
	}
	for i, tr := range made {
		about := strings.HasPrefix(string(tr.Kind), "live.")
		if tr.Room != studio || tr.At == 0 || tr.User.ID == "" || about != (tr.Broadcast != nil) {
			t.Errorf("told %+v", tr)
		}
		if last := i == len(made)-1; last && tr.After.State != l.State {
			t.Errorf("the last transition leads to %s, the lease is %s", tr.After.State, l.State)
		}
	}
}

// The window is the one asked for; only without one does the reason matter, or
// when it was a node that went: then its client may not know it yet.
func TestLeaseWindow(t *testing.T) {
	hour, second, zero := time.Hour, time.Second, time.Duration(0)
	for _, test := range []struct {
		name   string
		window *time.Duration
		why    Reason
		want   time.Duration
	}{
		{"a lost connection", nil, ReasonConnectionLost, DefaultWindow},
		{"a drained node", nil, ReasonDrain, LeastWindow},
		{"a lost connection, a second asked for", &second, ReasonConnectionLost, time.Second},
		{"a network that fell silent", nil, ReasonSilence, LeastWindow},
		{"a network that fell silent, a second asked for", &second, ReasonSilence, LeastWindow},
		{"a lost node, a second asked for", &second, ReasonNodeLost, LeastWindow},
		{"a drained node, none asked for", &zero, ReasonDrain, LeastWindow},
		{"a lost node, which clients notice late", nil, ReasonNodeLost, NodeLostWindow},
		{"a lost connection, an hour asked for", &hour, ReasonConnectionLost, time.Hour},
		{"a lost node, an hour asked for", &hour, ReasonNodeLost, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := leaseIn(StateLive, test.window)
			now := time.UnixMilli(1790000001000)
			made := l.release(test.why, now)
			if got := l.Until.Time().Sub(now); got != test.want || made[0].Until != l.Until || made[0].After.Until != l.Until {
				t.Errorf("the window is %s, told as %d and %d, want %s", got, made[0].Until, made[0].After.Until, test.want)
			}
		})
	}
}

// A window asked for belongs to one broadcast, not to the ones after it.
func TestLeaseWindowEndsWithItsBroadcast(t *testing.T) {
	hour, now := time.Hour, time.UnixMilli(1790000001000)
	l := leaseIn(StateLive, &hour)
	l.end(ReasonEndedByStreamer, now)
	l.start(Start{}, now)
	l.release(ReasonConnectionLost, now)
	if got := l.Until.Time().Sub(now); got != DefaultWindow {
		t.Errorf("the next broadcast's window is %s, want %s", got, DefaultWindow)
	}
}

// Broadcasts are handed out by pointer: a change must make a new one.
func TestLeaseBroadcastIsNeverModified(t *testing.T) {
	now, title := time.UnixMilli(1790000001000), "Etchings"
	l := leaseIn(StateLive, nil)
	given := l.Broadcast
	was := *given
	l.update(Changes{Title: &title}, now)
	l.release(ReasonConnectionLost, now)
	_, _, _ = l.claim(Claim{Room: studio, User: alice, Connection: "c2", Node: "n1"}, 9, now)
	l.end(ReasonEndedByStreamer, now)
	if given.Title != was.Title || given.Version != was.Version {
		t.Errorf("the broadcast handed out at the start became %+v", given)
	}
}

func TestChanges(t *testing.T) {
	full := Details{Title: "Sketches", Category: "art", Language: "en", Tags: []string{"ink"}}
	title, none, category, language, tags, noTags := "Etchings", "", "music", "de", []string{"oil", "big"}, []string{}
	for _, test := range []struct {
		name string
		c    Changes
		want Details
		same bool
	}{
		{"nothing", Changes{}, full, true},
		{"the title", Changes{Title: &title}, Details{title, "art", "en", []string{"ink"}}, false},
		{"the title away", Changes{Title: &none}, Details{"", "art", "en", []string{"ink"}}, false},
		{"category and language", Changes{Category: &category, Language: &language}, Details{"Sketches", category, language, []string{"ink"}}, false},
		{"the tags", Changes{Tags: &tags}, Details{"Sketches", "art", "en", tags}, false},
		{"the tags away", Changes{Tags: &noTags}, Details{"Sketches", "art", "en", noTags}, false},
		{"all to what they are", Changes{Title: &full.Title, Category: &full.Category, Language: &full.Language, Tags: &full.Tags}, full, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.c.apply(full)
			if !got.equal(test.want) || got.equal(full) != test.same {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func BenchmarkClaimStartRelease(b *testing.B) {
	s, ctx := NewMemory(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		claimed, err := s.Claim(ctx, Claim{Room: studio, User: alice, Connection: "c1", Node: "n1"})
		if err != nil {
			b.Fatal(err)
		}
		h := Hold{studio, claimed.Lease.Fence}
		if _, err := s.Start(ctx, h, Start{}); err != nil {
			b.Fatal(err)
		}
		if err := s.Release(ctx, h, ReasonLeft); err != nil {
			b.Fatal(err)
		}
	}
}

// A sweep of all partitions over 10,000 leases, a tenth of them reconnecting:
// what every half second costs.
func BenchmarkSweep10k(b *testing.B) {
	s, ctx := NewMemory(), b.Context()
	window := MaxWindow
	for i := range 10_000 {
		room := fmt.Sprint("room-", i)
		claimed, err := s.Claim(ctx, Claim{Room: room, User: alice, Connection: "c1", Node: "n1"})
		if err != nil {
			b.Fatal(err)
		}
		h := Hold{room, claimed.Lease.Fence}
		if _, err := s.Start(ctx, h, Start{Window: &window}); err != nil {
			b.Fatal(err)
		}
		if i%10 == 0 {
			if err := s.Release(ctx, h, ReasonConnectionLost); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for p := range Partitions {
			if _, err := s.Sweep(ctx, Due{Partition: p}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
