package presence

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// Sort is the order of a list of who is live; either way the first come first.
type Sort string

const (
	SortViewers Sort = "viewers" // most viewers first
	SortStarted Sort = "started" // latest start first
)

// ErrCursor: the cursor was not made by a query of the same order.
var ErrCursor = errors.New("the cursor is not one of this list")

// Query asks who is live. Empty filters match everything.
type Query struct {
	First      int    // the size of a page
	After      string // the cursor of the page before
	Sort       Sort
	Categories []string
	Languages  []string
	Streamers  []string
	States     []State
}

// Page is the answer to a Query. Total counts all that the filters match.
// Paging by start is complete and without repeats; by viewers, a row may be
// missed or repeated if its count crossed the cursor between two pages.
type Page struct {
	Entries []Entry
	Next    string // empty on the last page
	Total   int
}

// Live answers a query from memory. It does not block on the store. Without filters, or with one, it takes as long as the
// page does; with several, as long as the shortest list that one of them gives.
func (d *Directory) Live(q Query) (Page, error) {
	after, err := parseCursor(q.Sort, q.After)
	if err != nil {
		return Page{}, err
	}
	page, more := Page{}, false
	found := d.search(q, after)
	for e := range found.entries {
		page.Total++
		switch {
		case keyOf(q.Sort, e).compare(after) <= 0: // it was on an earlier page
		case len(page.Entries) < q.First:
			page.Entries = append(page.Entries, *e)
		default:
			more = true
		}
	}
	if found.exact {
		page.Total = found.total
	}
	if n := len(page.Entries); more && n > 0 {
		page.Next = keyOf(q.Sort, &page.Entries[n-1]).cursor(q.Sort)
	}
	return page, nil
}

// found is all that a query matches, in its order.
type found struct {
	entries iter.Seq[*Entry]
	exact   bool // what is far from the page is left out
	total   int  // if exact
}

// search looks for what a query's filters leave least of.
func (d *Directory) search(q Query, after sortKey) found {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(q.Streamers) > 0 {
		var theirs []*Entry
		for _, user := range distinct(q.Streamers) {
			theirs = append(theirs, d.byUser[user]...)
		}
		theirs = slices.DeleteFunc(theirs, func(e *Entry) bool { return !e.View.State.OnAir() })
		return found{entries: q.sorted(slices.Values(theirs))}
	}
	parts, filters := d.onAir.narrowest(q.facets())
	f := found{exact: filters <= 1, total: total(parts)}
	orders := make([]*order, len(parts))
	for i, part := range parts {
		orders[i] = part.in(q.Sort).Copy()
	}
	switch {
	case f.exact:
		f.entries = q.sorted(from(orders, after.entry(q.Sort), q.First+2)) // the cursor's own, the page, and one after it
	case len(orders) == 1:
		f.entries = q.matching(orders[0].Scan)
	default:
		f.entries = q.sorted(from(orders, beforeAll.entry(q.Sort), math.MaxInt))
	}
	return f
}

// matching leaves out those that do not match.
func (q Query) matching(entries iter.Seq[*Entry]) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		entries(func(e *Entry) bool { return !q.matches(e) || yield(e) })
	}
}

// sorted puts those that match into the query's order, once they are asked for.
func (q Query) sorted(entries iter.Seq[*Entry]) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		sorted := slices.SortedFunc(q.matching(entries), func(a, b *Entry) int { return keyOf(q.Sort, a).compare(keyOf(q.Sort, b)) })
		slices.Values(sorted)(yield)
	}
}

// facets returns what each of the filters allows, but for the streamers.
func (q Query) facets() [][]facet {
	states := make([]string, len(q.States))
	for i, s := range q.States {
		states[i] = string(s)
	}
	return [][]facet{facetsIn(byCategory, q.Categories), facetsIn(byLanguage, q.Languages), facetsIn(byState, states)}
}

func facetsIn(field string, values []string) []facet {
	fs := make([]facet, 0, len(values))
	for _, value := range distinct(values) {
		fs = append(fs, facet{field, value})
	}
	return fs
}

func distinct(values []string) []string { return slices.Compact(slices.Sorted(slices.Values(values))) }

func (q Query) matches(e *Entry) bool {
	in := func(value string, allowed []string) bool {
		return len(allowed) == 0 || slices.Contains(allowed, value)
	}
	b := e.View.Broadcast
	return in(b.Category, q.Categories) && in(b.Language, q.Languages) &&
		in(e.View.User.ID, q.Streamers) &&
		(len(q.States) == 0 || slices.Contains(q.States, e.View.State))
}

// sortKey places an entry in a list: by number, largest first, then by
// broadcast id, so that no two entries are equal.
type sortKey struct {
	number int64
	id     string
}

// beforeAll stands before every entry.
var beforeAll = sortKey{number: math.MaxInt64}

func keyOf(s Sort, e *Entry) sortKey {
	k := sortKey{id: e.View.Broadcast.ID}
	if s == SortStarted {
		k.number = int64(e.View.Broadcast.StartedAt)
	} else {
		k.number = int64(e.Viewers)
	}
	return k
}

func (k sortKey) compare(other sortKey) int {
	return cmp.Or(cmp.Compare(other.number, k.number), cmp.Compare(k.id, other.id))
}

// entry returns one that stands where the key does, to look for it.
func (k sortKey) entry(s Sort) *Entry {
	e := &Entry{View: View{Broadcast: &Broadcast{ID: k.id}}}
	if s == SortStarted {
		e.View.Broadcast.StartedAt = Millis(k.number)
	} else {
		e.Viewers = int(k.number)
	}
	return e
}

func (k sortKey) cursor(s Sort) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %s", s, k.number, k.id))
}

func parseCursor(s Sort, cursor string) (sortKey, error) {
	if cursor == "" {
		return beforeAll, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return sortKey{}, ErrCursor
	}
	var made Sort
	var k sortKey
	if _, err := fmt.Sscanf(string(raw), "%s %d %s", &made, &k.number, &k.id); err != nil || made != s {
		return sortKey{}, ErrCursor
	}
	return k, nil
}
