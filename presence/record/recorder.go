package record

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
)

// Follower is the name under which the log is kept for the record.
const Follower = "record"

// Config is what a Recorder is made of.
type Config struct {
	Store     *Store              // required
	Log       presence.Log        // required; it keeps its transitions for Follower
	Notes     presence.Notes      // required
	Directory *presence.Directory // required: who watches
	Logger    *slog.Logger        // required
	// Figures returns what was counted of a broadcast that has ended; nil: nothing
	// was. It may block.
	Figures func(ctx context.Context, ended presence.Transition) (presence.Figures, error)
	// Mine says which partitions this node looks after; nil: all. At any time one
	// node should, and two may.
	Mine func(partition int) bool
	// Written is called when there are new deliveries to webhooks; nil: nobody is.
	// It must not block.
	Written func()
	// Keep is how long broadcasts are kept after their end; 0: for ever.
	Keep time.Duration
}

// Recorder writes the record. While the database is away it keeps trying, in
// order, and nothing is lost: the log and the notes are kept for it. Presence
// goes on regardless.
type Recorder struct {
	cfg      Config
	hooks    *webhook.Store
	follower *presence.Follower

	// Owned by everySecond.
	house   housekeeping
	watched occupancy
	minutes sampler
	quiet   time.Time // when it last complained
}

// New returns a recorder that does nothing until it is run.
func New(cfg Config) *Recorder {
	if cfg.Mine == nil {
		cfg.Mine = func(int) bool { return true }
	}
	if cfg.Written == nil {
		cfg.Written = func() {}
	}
	if cfg.Figures == nil {
		cfg.Figures = func(context.Context, presence.Transition) (presence.Figures, error) { return presence.Figures{}, nil }
	}
	r := &Recorder{cfg: cfg, hooks: &webhook.Store{DB: cfg.Store.DB}}
	r.follower = &presence.Follower{Name: Follower, Log: cfg.Log, Logger: cfg.Logger, Mine: cfg.Mine, Handle: r.take}
	return r
}

// Run records until the context ends.
func (r *Recorder) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { r.follower.Run(ctx) })
	running.Go(func() { r.everySecond(ctx) })
	running.Wait()
}

// Drain records what is there now. It is for stopping: Run must have returned, or
// never been called.
func (r *Recorder) Drain(ctx context.Context) {
	r.follower.Drain(ctx)
	r.takeAllNotes(ctx)
}

// everySecond does what no transition asks for.
func (r *Recorder) everySecond(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.look(ctx, now)
			if now.Sub(r.follower.CaughtUp()) < presence.StaleAfter { // notes are about broadcasts that are on record
				r.takeAllNotes(ctx)
			}
			r.keepHouse(ctx, now)
		}
	}
}

// inTx does something in a transaction, and calls Written if it gave anybody
// anything to deliver.
func (r *Recorder) inTx(ctx context.Context, do func(context.Context, *sql.Tx, *webhook.Outbox) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	tx, err := r.cfg.Store.DB.BeginTx(ctx, nil)
	if err != nil { // the next one would wait as long for the same
		return fmt.Errorf("%w: beginning to write the record: %w", presence.ErrHold, err)
	}
	defer tx.Rollback()
	outbox, err := webhook.NewOutbox(ctx, tx, presence.MillisOf(time.Now()))
	if err != nil {
		return err
	}
	if err := do(ctx, tx, outbox); err != nil {
		return err
	}
	deliveries, err := outbox.Close(ctx)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return explain("writing the record", err)
	}
	if deliveries {
		r.cfg.Written()
	}
	return nil
}

// state is what a transition makes of a broadcast.
type state struct {
	Broadcast
	window *int64 // ms, as asked for at the start
	until  presence.Millis
}

// take writes transitions of one partition to the record.
func (r *Recorder) take(ctx context.Context, made []presence.Transition) error {
	states, err := r.statesOf(ctx, made)
	if err != nil || len(states) == 0 {
		return err
	}
	return r.inTx(ctx, func(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox) error {
		for _, s := range states {
			if err := takeOne(ctx, tx, outbox, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func takeOne(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox, s state) error {
	if s.State == Ended && s.PeakViewers == nil {
		if err := s.peakOfSamples(ctx, tx); err != nil {
			return err
		}
	}
	old, news, err := apply(ctx, tx, s.Broadcast, s.window)
	if err != nil || !news {
		return err
	}
	for _, e := range eventsOf(old, s.Broadcast, s.until) {
		if err := outbox.Add(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// statesOf returns what these transitions make of broadcasts. Figures are asked
// for here: not while a transaction is open.
func (r *Recorder) statesOf(ctx context.Context, made []presence.Transition) ([]state, error) {
	states := make([]state, 0, len(made))
	for _, t := range made {
		s, any := stateOf(t)
		if !any {
			continue
		}
		if s.State == Ended {
			figures, err := r.cfg.Figures(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("figures of broadcast %s: %w", s.ID, err)
			}
			s.Figures = figures
		}
		states = append(states, s)
	}
	return states, nil
}

// stateOf returns what a transition makes of a broadcast; any is false if it is
// about none.
func stateOf(t presence.Transition) (s state, any bool) {
	b := t.Broadcast
	if t.Kind == presence.LeaseRestored {
		// What led here may have been lost.
		b = t.After.Broadcast
		if t.After.User != nil {
			t.User = *t.After.User
		}
		t.Reason, t.Until = t.After.Reason, t.After.Until
	}
	if b == nil || t.Kind == presence.LeaseMoved {
		return state{}, false
	}
	s = state{until: t.Until, Broadcast: Broadcast{
		ID: b.ID, Streamer: t.User, Room: t.Room, Details: b.Details, StartedAt: b.StartedAt, Version: b.Version,
		State: Live, changedAt: t.At,
	}}
	if t.Window != nil {
		s.window = new(t.Window.Milliseconds())
	}
	switch {
	case t.Kind == presence.LiveEnded:
		s.State, s.EndedAt, s.Reason = Ended, t.At, t.Reason
	case t.After.State == presence.StateReconnecting:
		s.State, s.Reason = Reconnecting, t.Reason
	}
	return s, true
}
