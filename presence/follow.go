package presence

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrHold is for a Follower's Handle: it can handle nothing at the moment, of
// whatever partition. It is asked again at the next poll, and not before.
var ErrHold = errors.New("nothing can be handled at the moment")

// followBatch is how many transitions a follower reads at a time.
const followBatch = 256

// Follower reads the transition log, every partition in its own order, and
// hands on what it reads. It is woken by the store and polls besides.
//
// Handle is called from Run's goroutine alone. If it fails, the same
// transitions are handed over again at the next wake-up or poll, so it must be
// idempotent: a transition is told apart by (broadcast, version), or by Seq.
type Follower struct {
	// Name makes the follower durable: the log is kept until it has read it,
	// and it begins where it left off, here or on another node. Several nodes
	// may follow under one name: then each reads all, and what one has finished
	// with is finished. Empty for a follower that can load everything anew.
	Name   string
	Log    Log
	Logger *slog.Logger
	// Mine says which partitions a durable follower is to read now; nil: all. What
	// it leaves alone others of its name read. It may change its mind at any time,
	// and two may read the same for a while.
	Mine func(partition int) bool
	// From is where to read on in each partition. A durable follower's is
	// fetched from the log.
	From [Partitions]uint64
	// Handle takes the transitions of one partition in order.
	Handle func(context.Context, []Transition) error
	// Trimmed is called when the log no longer has what comes next, and loads
	// everything anew. It returns where to read on. A durable follower needs
	// none: it goes on with what there is.
	Trimmed func(ctx context.Context, partition int) (uint64, error)

	begun  [Partitions]bool // From is known, for a durable follower
	held   bool             // until the next poll, see ErrHold
	caught atomic.Int64     // Unix ns at which all of the log was last known to be read
}

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) { EachNews(ctx, f.Log, f.read) }

// Drain reads what is there now and returns. It is for stopping: Run must have
// returned, or never been called.
func (f *Follower) Drain(ctx context.Context) {
	f.read(ctx, partitionsIn(allPartitions), true)
}

// CaughtUp returns when the whole log was last known to have been read.
func (f *Follower) CaughtUp() time.Time { return time.Unix(0, f.caught.Load()) }

func (f *Follower) read(ctx context.Context, partitions []int, all bool) {
	if f.held && !all {
		return
	}
	f.held = false
	start := time.Now()
	for _, p := range partitions {
		if f.Mine != nil && !f.Mine(p) {
			f.begun[p] = false // somebody else goes on from here
			continue
		}
		if err := f.readOn(ctx, p); err != nil {
			all = false
			if ctx.Err() == nil {
				f.Logger.Warn("presence: following the transition log failed; it is tried again", "follower", f.Name, "partition", p, "error", err)
			}
			f.held = errors.Is(err, ErrHold)
			if f.held || errors.Is(err, ErrUnavailable) {
				break // the others would only wait for the same; the next poll reads them all
			}
		}
	}
	if all {
		f.caught.Store(start.UnixNano())
	}
}

// readOn reads one partition to its end.
func (f *Follower) readOn(ctx context.Context, p int) error {
	if err := f.begin(ctx, p); err != nil {
		return err
	}
	for {
		batch, err := f.Log.Read(ctx, p, f.From[p], followBatch)
		if errors.Is(err, ErrTrimmed) {
			if f.Name == "" {
				from, err := f.Trimmed(ctx, p)
				if err != nil {
					return err
				}
				f.From[p] = from
				continue
			}
			err = f.stepOver(ctx, p, batch)
		}
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := f.Handle(ctx, batch); err != nil {
			return err
		}
		f.From[p] = batch[len(batch)-1].Seq
		if f.Name != "" {
			if err := f.Log.Ack(ctx, f.Name, p, f.From[p]); err != nil {
				return err
			}
		}
	}
}

// begin finds out where a durable follower left off.
func (f *Follower) begin(ctx context.Context, p int) error {
	if f.Name == "" || f.begun[p] {
		return nil
	}
	from, err := f.Log.Acked(ctx, f.Name, p)
	if err != nil {
		return err
	}
	f.From[p], f.begun[p] = max(f.From[p], from), true
	return nil
}

// stepOver is for a durable follower that finds a gap in the log: another one
// of the same name has finished with what was there, or the store has lost it.
// Then there is nothing to wait for.
func (f *Follower) stepOver(ctx context.Context, p int, next []Transition) error {
	done, err := f.Log.Acked(ctx, f.Name, p)
	if err == nil && len(next) > 0 && done+1 < next[0].Seq {
		f.Logger.Warn("presence: transitions were lost before they could be followed", "follower", f.Name, "partition", p,
			"after", f.From[p], "next", next[0].Seq)
	}
	return err
}
