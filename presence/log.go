package presence

import "slices"

// keptBehind is how many transitions a partition's log keeps although all its
// durable followers are past them, so that a directory that is a little behind
// can read on instead of loading everything anew.
const keptBehind = 256

// transitionLog is one partition's log in memory. Its owner guards it.
type transitionLog struct {
	entries []Transition      // with Seq first, first+1, …
	first   uint64            // Seq of entries[0], or of the next one if there is none
	acked   map[string]uint64 // durable follower → what it has finished with
}

func newTransitionLog(followers []string) transitionLog {
	acked := make(map[string]uint64, len(followers))
	for _, f := range followers {
		acked[f] = 0
	}
	return transitionLog{first: 1, acked: acked}
}

// last returns the position of the newest transition ever appended, 0 if none.
func (g *transitionLog) last() uint64 { return g.first + uint64(len(g.entries)) - 1 }

func (g *transitionLog) append(made []Transition) {
	for _, t := range made {
		t.Seq = g.last() + 1
		g.entries = append(g.entries, t)
	}
	g.trim()
}

func (g *transitionLog) read(after uint64, max int) ([]Transition, error) {
	if after >= g.last() {
		return nil, nil
	}
	var err error
	if after+1 < g.first {
		after, err = g.first-1, ErrTrimmed
	}
	from := g.entries[after+1-g.first:]
	return slices.Clone(from[:min(max, len(from))]), err
}

// ackedBy returns up to where a follower has finished; one that is new begins
// with the oldest that is kept.
func (g *transitionLog) ackedBy(follower string) uint64 {
	if _, known := g.acked[follower]; !known {
		g.acked[follower] = g.first - 1
	}
	return g.acked[follower]
}

func (g *transitionLog) ack(follower string, upTo uint64) {
	if g.acked[follower] < upTo {
		g.acked[follower] = upTo
		g.trim()
	}
}

// trim drops what every durable follower has finished with, but for the last
// keptBehind. It works in batches of as many, so that it costs little per entry.
func (g *transitionLog) trim() {
	if len(g.entries) < 2*keptBehind {
		return
	}
	upTo := g.last() - keptBehind
	for _, seq := range g.acked {
		upTo = min(upTo, seq)
	}
	if upTo < g.first {
		return
	}
	drop := int(upTo - g.first + 1)
	g.entries = slices.Clone(g.entries[drop:])
	g.first += uint64(drop)
}
