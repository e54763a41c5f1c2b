package presence

import (
	"context"
	"slices"
	"time"
)

// Between a node's death and its being noticed, which takes seconds, its
// viewers come back elsewhere and are counted there too. What is shown for so
// long passes; a peak stays, and would be up to twice the truth in the record.
// So, once a node is gone, every peak goes back to what it was before it was
// raised lately, or to what is counted then.

const (
	// peakTurn is how long a peak is remembered as it was: it goes back by one
	// turn to two. A turn is longer than it takes to notice a node's death, or to
	// drain one.
	peakTurn = 30 * time.Second
	// peaksRest is for how long no peak is raised once a node is gone: until those
	// numbers of viewers are known that do not have its part any more.
	peaksRest = 2 * time.Second
)

// past is what a peak was before it was raised, in the last turn in which it
// was, and in the turn before that.
type past struct {
	turn   int64
	before [2]int
}

// raised returns the past of a peak that is about to be raised from this number.
func (p past) raised(now time.Time, peak int) past {
	turn := now.UnixNano() / int64(peakTurn)
	switch turn - p.turn {
	case 0:
		return p
	case 1:
		return past{turn, [2]int{peak, p.before[0]}}
	default:
		return past{turn, [2]int{peak, peak}}
	}
}

// back returns what a peak was before it was raised lately, and its past then.
func (p past) back(now time.Time, peak int) (int, past) {
	switch now.UnixNano()/int64(peakTurn) - p.turn {
	case 0:
		peak = p.before[1]
	case 1:
		peak = p.before[0]
	}
	return peak, past{}
}

// NodesChanged takes back what was counted twice when a node goes. It is for
// Nodes.Watch, after whoever adds up the viewers of nodes. It does not block.
func (d *Directory) NodesChanged(_ context.Context, change NodesChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gone := slices.ContainsFunc(d.living, func(node string) bool { return !slices.Contains(change.Living, node) })
	d.living = slices.Clone(change.Living)
	if !gone {
		return
	}
	now := time.Now()
	d.peaksRest = now.Add(peaksRest)
	for e := range d.eachOnAirLocked() {
		if peak, then := e.past.back(now, e.Peak); peak != e.Peak {
			is := *e
			is.Peak, is.past = peak, then
			d.replaceLocked(e, &is)
		}
	}
}

// raiseLocked puts a changed number of viewers into an entry that is about to
// be put in another's place.
func (d *Directory) raiseLocked(e *Entry, now time.Time) {
	if e.Viewers > e.Peak && now.After(d.peaksRest) {
		e.past = e.past.raised(now, e.Peak)
		e.Peak = e.Viewers
	}
}

// endPeaksRestLocked raises the peaks to what has been counted meanwhile.
func (d *Directory) endPeaksRestLocked(now time.Time) {
	if d.peaksRest.IsZero() || !now.After(d.peaksRest) {
		return
	}
	for e := range d.eachOnAirLocked() {
		if e.Viewers > e.Peak {
			is := *e
			d.raiseLocked(&is, now)
			d.replaceLocked(e, &is)
		}
	}
	d.peaksRest = time.Time{}
}
