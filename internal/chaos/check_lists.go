package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"
)

// soon is how long what was promised for 250 ms may take before it counts as not done: the table of delays tells of
// what is slow, the checks tell of what is wrong.
const soon = 5 * time.Second

// checkGhostSnapshots finds snapshots with a broadcast of which an end was told before. A node that is cut off says
// that its snapshot is stale, or has only just been cut off.
func checkGhostSnapshots(n *Notes) (found []Violation) {
	ends := n.ends()
	for a, c := range n.conns() {
		for _, i := range c.Items {
			e, ended := ends[i.Broadcast]
			if i.Kind != itemJoined || !i.onAir() || i.Stale || !ended || i.At < e.first+soon || n.disturbed(i.At-2*nearly, i.At, c.Node) {
				continue
			}
			if a.readsLate(i.At) {
				continue // it may have been sent before the end
			}
			found = append(found, Violation{
				Kind: badGhost, At: i.At, Room: i.Room, Broadcast: i.Broadcast, Actor: a.Name,
				Text: fmt.Sprintf("joined on %s says %s, and live.ended was told at %s", c.Node, i.State, clock(e.first)),
			})
		}
	}
	return onePer(found, func(v Violation) string { return v.Room + v.Broadcast })
}

// readsLate reports whether what a slow reader reads at a moment may have waited for it.
func (a *Actor) readsLate(at Instant) bool {
	return slices.ContainsFunc(a.Slow, func(s Span) bool { return s.From <= at && at <= s.To+nearly })
}

// noticing is how long a silent loss may stay unnoticed: ping 20 s, pong 10 s, and some.
const noticing = 35 * time.Second

// goneBy returns when a broadcast must have left the lists for good, and why; forever if its streamer is there.
func (n *Notes) goneBy(t *truth, ends map[string]happening, broadcast string) (Instant, string) {
	by, why := forever, ""
	due := func(at Instant, format string, args ...any) {
		if at < by {
			by, why = at, fmt.Sprintf(format, args...)
		}
	}
	if e, ok := ends[broadcast]; ok {
		due(e.first, "live.ended was told at %s", clock(e.first))
	}
	holds := t.of[broadcast]
	if len(holds) == 0 {
		return by, why
	}
	last := slices.MaxFunc(holds, func(a, b hold) int { return cmp.Compare(a.to, b.to) })
	for _, act := range last.actor.Acts {
		if (act.Kind == ActEnd || act.Kind == ActLeave) && act.Broadcast == broadcast && act.Acked != never {
			due(act.Acked, "%s was answered at %s", act.Kind, clock(act.Acked))
		}
	}
	if last.to >= n.Ended {
		return by, why
	}
	window, asked := t.window(broadcast)
	if !asked {
		window = nodeLostWindow // whatever it was
	}
	window = max(window, leastWindow) // as it may have been a node that went
	gone := last.alive(last.to)
	at := gone + noticing + window + nearly
	for _, f := range n.Faults { // time without Redis does not count
		if f.Kind.ofRedis() && f.To != forever && f.overlaps(gone-settling, at) {
			at += f.To - f.From + settling
		}
	}
	due(at, "its streamer was last there at %s, with a window of %s", clock(gone), window)
	return by, why
}

// checkListed finds broadcasts that a node which claims to know lists for longer than they may be listed.
func checkListed(n *Notes) (found []Violation) {
	t, ends := n.truth(), n.ends()
	for _, log := range n.Polls {
		for _, l := range log.Listings {
			by, why := n.goneBy(t, ends, l.Broadcast)
			if by == forever {
				continue
			}
			if by = n.settledBy(by, soon, log.Node); l.To <= by {
				continue // also while what may be the reason is not repaired
			}
			for _, p := range log.between(max(by+1, l.From), l.To) {
				if !p.counts() || n.disturbed(p.At-2*nearly, p.At, log.Node) {
					continue
				}
				found = append(found, Violation{
					Kind: badListed, At: p.At, Room: l.Room, Broadcast: l.Broadcast,
					Text: fmt.Sprintf("%s lists it as %s until %s, and %s", log.Node, l.State, clock(l.To), why),
				})
				break
			}
		}
	}
	return found
}

// checkUnlisted finds broadcasts whose streamer was there, and which a node that claims to know did not list as live.
func checkUnlisted(n *Notes) (found []Violation) {
	t := n.truth()
	for _, log := range n.Polls {
		listed := log.byBroadcast()
		for _, h := range t.holds {
			missing := Instant(never)
			for _, p := range log.between(h.from+soon, h.to-1) {
				node, state := h.conn.Node, stateAt(listed[h.broadcast], p.At)
				if state == "live" || !p.counts() || !h.covers(p.At, p.At) || n.disturbed(p.At-soon, p.At, log.Node, node) {
					missing = never
					continue
				}
				if missing == never {
					missing = p.At
				}
				if p.At-missing < 2*nearly { // what is only late is in the table
					continue
				}
				found = append(found, Violation{
					Kind: badUnlisted, At: p.At, Room: h.actor.Name, Broadcast: h.broadcast,
					Text: fmt.Sprintf("%s says %q since %s, and its streamer is on connection %d to %s since %s", log.Node, state, clock(missing), h.conn.N, node, clock(h.from)),
				})
				break
			}
		}
	}
	return found
}

// between returns the polls of a time.
func (l *PollLog) between(from, to Instant) []Poll {
	a := sort.Search(len(l.Polls), func(k int) bool { return l.Polls[k].At >= from })
	b := sort.Search(len(l.Polls), func(k int) bool { return l.Polls[k].At > to })
	return l.Polls[a:max(a, b)]
}

func (l *PollLog) byBroadcast() map[string][]Listing {
	by := make(map[string][]Listing)
	for _, x := range l.Listings {
		by[x.Broadcast] = append(by[x.Broadcast], x)
	}
	return by
}

// stateAt returns the state in which a broadcast was listed, or "" if it was not.
func stateAt(list []Listing, at Instant) string {
	for _, l := range list {
		if l.From <= at && at <= l.To {
			return l.State
		}
	}
	return ""
}

// checkFinal compares the lists of all nodes at the end, when nothing has been broken for long, with what the streamers
// know. It leaves out those of whom nothing certain is known.
func checkFinal(n *Notes) (found []Violation) {
	live, unsure := n.finally()
	for _, f := range n.Final {
		bad := func(room, broadcast, format string, args ...any) {
			found = append(found, Violation{
				Kind: badFinal, At: n.Ended, Room: room, Broadcast: broadcast, Text: f.Node + " " + fmt.Sprintf(format, args...),
			})
		}
		if f.Error != "" {
			bad("(all)", "", "does not say who is live: %s", f.Error)
			continue
		}
		listed := make(map[string]Row)
		for _, r := range f.Rows {
			if _, twice := listed[r.Room]; twice {
				bad(r.Room, r.Broadcast, "lists the room twice")
			}
			listed[r.Room] = r
			if live[r.Room] == "" && !unsure[r.Room] {
				bad(r.Room, r.Broadcast, "lists it as %s, and its streamer is not live", r.State)
			}
		}
		for room, b := range live {
			if r := listed[room]; r.Broadcast != b || r.State != "live" {
				bad(room, b, "lists %q %q, and its streamer is live with %s", r.Broadcast, r.State, b)
			}
		}
	}
	return append(found, finalDiffers(n)...)
}

// finalDiffers compares the nodes' lists with each other.
func finalDiffers(n *Notes) (found []Violation) {
	rows := func(f Final) map[Row]bool {
		set := make(map[Row]bool)
		for _, r := range f.Rows {
			set[r] = true
		}
		return set
	}
	for k := 1; k < len(n.Final); k++ {
		one, two := n.Final[0], n.Final[k]
		if one.Error != "" || two.Error != "" {
			continue
		}
		a, b := rows(one), rows(two)
		for r := range a {
			if !b[r] {
				found = append(found, Violation{Kind: badFinal, At: n.Ended, Room: r.Room, Broadcast: r.Broadcast, Text: fmt.Sprintf("%s lists it as %s, %s does not", one.Node, r.State, two.Node)})
			}
		}
		for r := range b {
			if !a[r] {
				found = append(found, Violation{Kind: badFinal, At: n.Ended, Room: r.Room, Broadcast: r.Broadcast, Text: fmt.Sprintf("%s lists it as %s, %s does not", two.Node, r.State, one.Node)})
			}
		}
	}
	return found
}

// finally returns the broadcasts that are certainly live at the end, by room, and the rooms of which nothing is certain.
func (n *Notes) finally() (live map[string]string, unsure map[string]bool) {
	t, ends := n.truth(), n.ends()
	live, unsure = make(map[string]string), make(map[string]bool)
	for _, h := range t.holds {
		if h.to >= n.Ended && h.conn.connectedAt(n.Ended-1) {
			live[h.actor.Name] = h.broadcast
		}
	}
	for _, h := range t.holds {
		if by, _ := n.goneBy(t, ends, h.broadcast); live[h.actor.Name] == "" && by != forever && by+soon > n.Ended {
			unsure[h.actor.Name] = true
		}
	}
	for _, a := range n.Actors {
		if slices.ContainsFunc(a.Acts, func(act Act) bool { return act.Acked == never }) {
			unsure[a.Name] = true
			delete(live, a.Name)
		}
	}
	return live, unsure
}
