package moderation

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unique"
)

// Book is a node's copy of what is in force. Asking it blocks on nothing. A nil
// Book is an empty one, in which nothing is ever written.
type Book struct {
	store  *Store
	logger *slog.Logger
	onAct  func(Act)
	onLoad func()

	news chan struct{} // holds one element when there may be more to read; never closed
	turn chan struct{} // holds one element while somebody follows the audit; never closed
	seq  int64         // of the last act that is in the book. Owned by who has the turn

	loaded  atomic.Bool
	running atomic.Int64 // when Run began, Unix ns

	mu    sync.RWMutex
	bans  map[place]stay
	mutes map[place]stay
	slow  map[string]time.Duration
	// revoked has the targets of what was revoked.
	revoked map[string]revoked
	// addresses is how many of the bans are of addresses: while there are none, nobody's is looked up.
	addresses int
}

// place is a target in a room. Rooms, and reasons, are few and repeat: each is kept once. A ban costs a hundred bytes,
// see BenchmarkBookOfAMillion.
type place struct {
	room   unique.Handle[string]
	target string
}

// stay is a Term, in as little memory.
type stay struct {
	until  int64
	reason unique.Handle[string]
}

var everywhere = unique.Make(Everywhere)

// NewBook returns an empty book; Run fills it.
func NewBook(store *Store, logger *slog.Logger) *Book {
	return &Book{
		store: store, logger: logger, news: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		bans: make(map[place]stay), mutes: make(map[place]stay), slow: make(map[string]time.Duration), revoked: make(map[string]revoked),
	}
}

// On names who is told of each act once it is in the book, in order and one at
// a time, and who once the book was filled, of whose acts nobody is told. They
// must not block, nor follow the audit. It comes before Run.
func (b *Book) On(act func(Act), load func()) { b.onAct, b.onLoad = act, load }

// Store returns where the book is copied from.
func (b *Book) Store() *Store { return b.store }

// Banned returns the term for which a user, or the address that they come from,
// is kept out of a room, be it with all others.
func (b *Book) Banned(room, user string, addr netip.Addr, now time.Time) (Term, bool) {
	if b == nil {
		return Term{}, false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.bans) == 0 {
		return Term{}, false
	}
	targets := [2]string{user}
	if b.addresses > 0 {
		targets[1] = TargetOf(addr)
	}
	return longest(b.bans, room, targets, now)
}

// Muted returns the term for which a user may say nothing in a room.
func (b *Book) Muted(room, user string, now time.Time) (Term, bool) {
	if b == nil {
		return Term{}, false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.mutes) == 0 {
		return Term{}, false
	}
	return longest(b.mutes, room, [2]string{user}, now)
}

// longest returns the term that ends last of all that concern the targets.
func longest(of map[place]stay, room string, targets [2]string, now time.Time) (last Term, found bool) {
	for _, r := range [2]unique.Handle[string]{unique.Make(room), everywhere} {
		for _, target := range targets {
			if target == "" {
				continue
			}
			s, ok := of[place{r, target}]
			if t := s.term(); ok && !t.Over(now) && (!found || t.outlasts(last)) {
				last, found = t, true
			}
		}
	}
	return last, found
}

// Slow returns how long a user must wait between two lines of chat in a room; 0:
// not at all.
func (b *Book) Slow(room string) time.Duration {
	if b == nil {
		return 0
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.slow[room]
}
