package presence

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// followBatch is how many transitions a follower reads at a time.
const followBatch = 256

// Follower reads the transition log, every partition in its own order, and
// hands on what it reads. It is woken by the store and polls besides.
//
// Handle is called from Run's goroutine alone. If it fails, the same
// transitions are handed over again at the next wake-up or poll, so it must be
// idempotent: a transition is told apart by (broadcast, version), or by Seq.
type Follower struct {
	// Name makes the follower durable: the log is kept until it has read it.
	// Empty for a follower that can load everything anew instead.
	Name   string
	Log    Log
	Logger *slog.Logger
	// From is where to read on in each partition.
	From [Partitions]uint64
	// Handle takes the transitions of one partition in order.
	Handle func(context.Context, []Transition) error
	// Trimmed is called when the log no longer has what comes next. It returns
	// where to read on. A durable follower does not need it.
	Trimmed func(ctx context.Context, partition int) (uint64, error)

	caught atomic.Int64 // Unix ns at which all of the log was last known to be read
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
	start := time.Now()
	for _, p := range partitions {
		if err := f.readOn(ctx, p); err != nil {
			all = false
			if ctx.Err() == nil {
				f.Logger.Warn("presence: following the transition log failed; it is tried again", "follower", f.Name, "partition", p, "error", err)
			}
		}
	}
	if all {
		f.caught.Store(start.UnixNano())
	}
}

// readOn reads one partition to its end.
func (f *Follower) readOn(ctx context.Context, p int) error {
	for {
		batch, err := f.Log.Read(ctx, p, f.From[p], followBatch)
		if errors.Is(err, ErrTrimmed) && f.Trimmed != nil {
			var from uint64
			if from, err = f.Trimmed(ctx, p); err == nil {
				f.From[p] = from
				continue
			}
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
