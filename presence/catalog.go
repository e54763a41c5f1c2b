package presence

import (
	"iter"
	"slices"

	"github.com/tidwall/btree"
)

// catalog holds everyone on air in the orders of the lists that are asked for, so that a page costs what is on it, however
// many are on air. Directory.mu guards it; a copy of an order may be read without.
type catalog struct {
	all   listing
	facet map[facet]listing // only those that have anybody
}

// facet is what the entries of a shorter list have in common.
type facet struct{ field, value string }

const (
	byCategory = "category"
	byLanguage = "language"
	byState    = "state"
)

func newCatalog() catalog { return catalog{all: newListing(), facet: make(map[facet]listing)} }

// replace puts an entry in the place of what was known of its room; nil: nothing was, or nothing is. Entries that are in
// here never change.
func (c *catalog) replace(was, is *Entry) {
	was, is = onAirOnly(was), onAirOnly(is)
	c.all.replace(was, is)
	before, after := facetsOf(was), facetsOf(is)
	for i := range before {
		if before[i] != after[i] {
			c.replaceIn(before[i], was, nil)
			c.replaceIn(after[i], nil, is)
		} else {
			c.replaceIn(after[i], was, is)
		}
	}
}

func (c *catalog) replaceIn(f facet, was, is *Entry) {
	if was == nil && is == nil {
		return
	}
	l := c.listing(f)
	if l.replace(was, is); l.len() == 0 {
		delete(c.facet, f)
	}
}

// listing returns the list of a facet, which may be a new one.
func (c *catalog) listing(f facet) listing {
	l, known := c.facet[f]
	if !known {
		l = newListing()
		c.facet[f] = l
	}
	return l
}

// fill puts many on air into an empty catalog: in the order of its lists, which grow at one end. It reorders them.
func (c *catalog) fill(entries []*Entry) {
	for _, s := range [...]Sort{SortViewers, SortStarted} {
		slices.SortFunc(entries, func(a, b *Entry) int { return keyOf(s, a).compare(keyOf(s, b)) })
		for _, e := range entries {
			c.all.in(s).Load(e)
			for _, f := range facetsOf(e) {
				c.listing(f).in(s).Load(e)
			}
		}
	}
}

// len returns how many a facet has.
func (c *catalog) len(f facet) int {
	if l, known := c.facet[f]; known {
		return l.len()
	}
	return 0
}

// narrowest returns the shortest list, in one part or several, of which the filters leave all that they match, and how many
// filters there are.
func (c *catalog) narrowest(filters [][]facet) (parts []listing, n int) {
	parts = []listing{c.all}
	for _, allowed := range filters {
		if len(allowed) == 0 {
			continue
		}
		n++
		narrower := make([]listing, 0, len(allowed))
		for _, f := range allowed {
			if l, known := c.facet[f]; known {
				narrower = append(narrower, l)
			}
		}
		if n == 1 || total(narrower) < total(parts) {
			parts = narrower
		}
	}
	return parts, n
}

func total(parts []listing) (n int) {
	for _, l := range parts {
		n += l.len()
	}
	return n
}

func onAirOnly(e *Entry) *Entry {
	if e == nil || !e.View.State.OnAir() {
		return nil
	}
	return e
}

func facetsOf(e *Entry) (fs [3]facet) {
	if e != nil {
		b := e.View.Broadcast
		fs = [...]facet{{byCategory, b.Category}, {byLanguage, b.Language}, {byState, string(e.View.State)}}
	}
	return fs
}

// order is a list that is kept sorted.
type order = btree.BTreeG[*Entry]

// from goes through the first n of each that do not stand before a place.
func from(orders []*order, place *Entry, n int) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		more := true
		for _, o := range orders {
			left := n
			o.Ascend(place, func(e *Entry) bool {
				left--
				more = yield(e)
				return more && left > 0
			})
			if !more {
				return
			}
		}
	}
}

// listing is a list in every order.
type listing struct{ viewers, started *order }

func newListing() listing {
	return listing{viewers: newOrder(SortViewers), started: newOrder(SortStarted)}
}

func newOrder(s Sort) *order {
	less := func(a, b *Entry) bool { return keyOf(s, a).compare(keyOf(s, b)) < 0 }
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true}) // Directory.mu is its lock
}

func (l listing) in(s Sort) *order {
	if s == SortStarted {
		return l.started
	}
	return l.viewers
}

func (l listing) len() int { return l.started.Len() }

func (l listing) replace(was, is *Entry) {
	for _, s := range [...]Sort{SortViewers, SortStarted} {
		if was != nil && (is == nil || keyOf(s, was) != keyOf(s, is)) {
			l.in(s).Delete(was)
		}
		if is != nil {
			l.in(s).Set(is)
		}
	}
}
