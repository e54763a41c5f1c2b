package moderation

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tallylight/tallylight/presence"
)

const (
	// followEvery is how often the audit is read although nobody said that there is news. Bans are in force everywhere
	// within a second, also if what should have told a node was lost.
	followEvery = 500 * time.Millisecond
	// dropEvery is how often what has ended is looked for, in memory, and forgetEvery in the database.
	dropEvery, forgetEvery = time.Minute, time.Hour
	// keptAfter is how long a ban stays in its table after its end, for people who look there.
	keptAfter = 24 * time.Hour
	// batch is how many acts are read at a time.
	batch = 500
	// readWithin bounds one reading of the database, and loadWithin that of everything.
	readWithin, loadWithin = 5 * time.Second, time.Minute
	// loadPatience is how long newcomers wait for the book to be filled.
	loadPatience = 10 * time.Second
)

// ErrNotLoaded: it is not known yet what is in force.
var ErrNotLoaded = errors.New("moderation: what is in force is not loaded yet")

// Run fills the book and follows the audit until the context ends. While the
// database is away, what is in the book stays in force.
func (b *Book) Run(ctx context.Context) {
	b.running.CompareAndSwap(0, time.Now().UnixNano())
	tick, drop, forget := time.NewTicker(followEvery), time.NewTicker(dropEvery), time.NewTicker(forgetEvery)
	defer tick.Stop()
	defer drop.Stop()
	defer forget.Stop()
	trouble := false
	for {
		err := b.readOn(ctx)
		if ctx.Err() == nil {
			trouble = b.complain(err, trouble)
		}
		select {
		case <-ctx.Done():
			return
		case <-b.news:
		case <-tick.C:
		case now := <-drop.C:
			b.drop(now)
		case now := <-forget.C:
			b.forget(ctx, now)
		}
	}
}

// complain says once that the database is away, and once that it is back.
func (b *Book) complain(err error, before bool) (trouble bool) {
	switch {
	case err != nil && !before && !b.loaded.Load():
		b.logger.Error("moderation: who is banned can't be read from the database: until it is there, nobody is kept out", "error", err)
	case err != nil && !before:
		b.logger.Warn("moderation: the database can't be read; what is known stays in force", "error", err)
	case err == nil && before:
		b.logger.Info("moderation: the database can be read again")
	}
	return err != nil
}

func (b *Book) forget(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	if err := b.store.Forget(ctx, presence.MillisOf(now.Add(-keptAfter))); err != nil && ctx.Err() == nil {
		b.logger.Warn("moderation: bans that have ended stay in the database for another hour", "error", err)
	}
}

// Wake has Run read on at once. It does not block.
func (b *Book) Wake() {
	if b == nil {
		return
	}
	select {
	case b.news <- struct{}{}:
	default: // it will, anyway
	}
}

// Loaded reports whether the book was filled: before that nobody is in it.
func (b *Book) Loaded() bool { return b == nil || b.loaded.Load() }

// Ready reports whether newcomers may be let in: the book is filled, or the
// database has not answered for so long that it is better to do without.
func (b *Book) Ready() bool {
	began := int64(0)
	if b != nil {
		began = b.running.Load()
	}
	return b.Loaded() || began != 0 && time.Since(time.Unix(0, began)) >= loadPatience
}

// Follow brings the book to what is in the audit at the time of the call, or
// beyond. It blocks on the database. ErrNotLoaded if the book was never filled.
func (b *Book) Follow(ctx context.Context) error {
	if !b.Loaded() {
		return ErrNotLoaded
	}
	return b.inTurn(ctx, b.follow)
}

// inTurn does something with the book while nobody else does.
func (b *Book) inTurn(ctx context.Context, do func(context.Context) error) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	return do(ctx)
}

func (b *Book) readOn(ctx context.Context) error {
	within, do := readWithin, b.follow
	if !b.loaded.Load() {
		within, do = loadWithin, b.load
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return b.inTurn(ctx, do)
}

// follow reads on. Only who has the turn calls it.
func (b *Book) follow(ctx context.Context) error {
	for {
		acts, err := b.store.Since(ctx, b.seq, batch)
		if err != nil {
			return err
		}
		for _, a := range acts {
			b.apply(a)
			b.seq = a.Seq
			if b.onAct != nil {
				b.onAct(a)
			}
		}
		if len(acts) < batch {
			return nil
		}
	}
}

// load fills the book. Only who has the turn calls it.
func (b *Book) load(ctx context.Context) error {
	fresh := NewBook(nil, nil)
	seq, err := b.store.Load(ctx, presence.MillisOf(time.Now()), Taker{
		Ban: func(room, target string, t Term) {
			fresh.apply(Act{Action: Ban, Room: room, Target: target, Until: t.Until, Reason: t.Reason})
		},
		Mute: func(room, target string, t Term) {
			fresh.apply(Act{Action: Mute, Room: room, Target: target, Until: t.Until, Reason: t.Reason})
		},
		Revoked: func(target string, before, until presence.Millis) {
			fresh.apply(Act{Action: Revoke, Target: target, Until: until, Details: Details{IssuedBefore: before}})
		},
		Slow: func(room string, seconds int) {
			fresh.apply(Act{Action: Slow, Room: strings.Clone(room), Details: Details{Seconds: seconds}})
		},
	})
	if err != nil {
		return err
	}
	b.seq = seq
	b.mu.Lock()
	b.bans, b.mutes, b.slow, b.addresses, b.revoked = fresh.bans, fresh.mutes, fresh.slow, fresh.addresses, fresh.revoked
	b.mu.Unlock()
	b.loaded.Store(true)
	if b.onLoad != nil {
		b.onLoad()
	}
	return nil
}
