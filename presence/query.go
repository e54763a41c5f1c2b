package presence

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
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

// Live answers a query from memory. It does not block on the store.
func (d *Directory) Live(q Query) (Page, error) {
	after, err := parseCursor(q.Sort, q.After)
	if err != nil {
		return Page{}, err
	}
	onAir, _ := d.Snapshot()
	matching := slices.DeleteFunc(onAir, func(e Entry) bool { return !q.matches(e) })
	slices.SortFunc(matching, func(a, b Entry) int { return keyOf(q.Sort, a).compare(keyOf(q.Sort, b)) })
	page := Page{Total: len(matching)}
	from := 0
	if q.After != "" {
		from, _ = slices.BinarySearchFunc(matching, after, func(e Entry, k sortKey) int {
			if keyOf(q.Sort, e).compare(k) <= 0 {
				return -1
			}
			return 1
		})
	}
	to := min(from+q.First, len(matching))
	page.Entries = matching[from:to]
	if to < len(matching) && to > from {
		page.Next = keyOf(q.Sort, matching[to-1]).cursor(q.Sort)
	}
	return page, nil
}

func (q Query) matches(e Entry) bool {
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

func keyOf(s Sort, e Entry) sortKey {
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

func (k sortKey) cursor(s Sort) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %s", s, k.number, k.id))
}

func parseCursor(s Sort, cursor string) (sortKey, error) {
	if cursor == "" {
		return sortKey{}, nil
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
