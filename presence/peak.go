package presence

import (
	"context"
	"slices"
	"time"
)

// Between a node's death and its being noticed, which takes seconds, its
// viewers come back elsewhere and are counted there too. What is shown for so
// long passes; a peak stays, and would be up to twice the truth in the record.
// So, once a node is gone, every peak goes back to what it was when that node may
// have been alive for the last time, or to what is counted then.

const (
	// peakDoubt is how long ago a node may have been alive for the last time that
	// is found to be gone: its lease, and what passes until somebody looks.
	peakDoubt = 8 * time.Second
	// peaksRest is for how long no peak is raised once a node is gone: until those
	// numbers of viewers are known that do not have its part any more.
	peaksRest = 2 * time.Second
)

// raise is when a peak was raised, and from what. Entries share lists of them,
// which are never modified.
type raise struct {
	at   time.Time
	from int
}

// lately returns those that are still in doubt.
func lately(raises []raise, now time.Time) []raise {
	for len(raises) > 0 && now.Sub(raises[0].at) > peakDoubt {
		raises = raises[1:]
	}
	return raises
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
		if doubtful := lately(e.raises, now); len(doubtful) > 0 {
			is := *e
			is.Peak, is.raises = doubtful[0].from, nil
			d.replaceLocked(e, &is)
		}
	}
}

// raiseLocked puts a changed number of viewers into an entry that is about to
// be put in another's place.
func (d *Directory) raiseLocked(e *Entry, now time.Time) {
	if e.Viewers > e.Peak && now.After(d.peaksRest) {
		e.raises = append(slices.Clone(lately(e.raises, now)), raise{now, e.Peak})
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
