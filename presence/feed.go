package presence

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// feedKept is how many changes the feed remembers: whoever resumes from
// further back gets a snapshot instead.
const feedKept = 4096

// Change is one entry of the directory's feed: a transition of a broadcast
// with the room's entry, or new viewer counts of some rooms.
type Change struct {
	Transition Transition
	Entry      Entry
	Viewers    []Entry // if not nil, the change is only this
}

// feed is the directory's own log of changes, guarded by the directory's
// mutex. Its positions mean something on this node only.
type feed struct {
	id      string // distinguishes this feed from another node's
	changes []Change
	next    uint64        // position of the change after the last one
	news    chan struct{} // closed and replaced whenever a change is appended
}

func newFeed() feed { return feed{id: uuid.NewString()[:8], news: make(chan struct{})} }

func (f *feed) append(c Change) {
	if len(f.changes) == 2*feedKept {
		f.changes = append([]Change(nil), f.changes[feedKept:]...)
	}
	f.changes = append(f.changes, c)
	f.next++
	f.wake()
}

// reset makes all positions so far unresumable.
func (f *feed) reset() {
	f.changes = nil
	f.id = uuid.NewString()[:8]
	f.wake()
}

func (f *feed) wake() {
	close(f.news)
	f.news = make(chan struct{})
}

func (f *feed) position(next uint64) string { return fmt.Sprintf("%s-%d", f.id, next) }

// since returns the changes after a position, if they are all still known.
func (f *feed) since(position string) ([]Change, uint64, bool) {
	id, n, _ := strings.Cut(position, "-")
	next, err := strconv.ParseUint(n, 10, 64)
	first := f.next - uint64(len(f.changes))
	if err != nil || id != f.id || next > f.next || next < first {
		return nil, 0, false
	}
	return f.changes[next-first:], next, true
}

// Numbered is a change with the position from which to resume after it.
type Numbered struct {
	Change
	Position string
}

// Changes waits until there are changes after the position and returns them,
// oldest first. ok is false when they are no longer known: begin again with
// Snapshot. It blocks until then or until the context ends.
func (d *Directory) Changes(ctx context.Context, position string) (changes []Numbered, ok bool, err error) {
	for {
		d.mu.Lock()
		news := d.feed.news
		found, next, ok := d.feed.since(position)
		for i, c := range found {
			changes = append(changes, Numbered{Change: c, Position: d.feed.position(next + uint64(i) + 1)})
		}
		d.mu.Unlock()
		if !ok || len(changes) > 0 {
			return changes, ok, nil
		}
		select {
		case <-ctx.Done():
			return nil, true, ctx.Err()
		case <-news:
		}
	}
}

// Snapshot returns everyone on air, in no order, and the position of the feed
// that it reflects.
func (d *Directory) Snapshot() ([]Entry, string) {
	d.mu.Lock()
	all, position := d.onAir.all.started.Copy(), d.feed.position(d.feed.next)
	d.mu.Unlock()
	onAir := make([]Entry, 0, all.Len())
	for e := range all.Scan {
		onAir = append(onAir, *e)
	}
	return onAir, position
}
