package signalling

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// late is how late a tick of the wheel may come before it is taken as a sign
// that the whole process was frozen. Peers could not reach us meanwhile, so
// that time does not count against them.
const late = 2 * time.Second

// wheel is the clock of all sessions of a server, and what looks at their
// deadlines. Its time stands still while the process does.
//
// A tick looks at those that have one by then, and at those that it was asked
// to: nobody else is touched, so that most of ten thousand who are just there
// cost a tick nothing but a look at one number in a row of them.
type wheel struct {
	every time.Duration
	at    atomic.Int64 // the wheel's time, ns since it began

	mu    sync.Mutex
	asked []*session // to be looked at with the next tick

	row []due // owned by run's goroutine
}

// due is a session with its next deadline.
type due struct {
	at time.Duration
	s  *session
}

func (w *wheel) now() time.Duration { return time.Duration(w.at.Load()) }

// look has the next tick look at a session: it is new, or gone, or may have an earlier deadline. It does not block.
func (w *wheel) look(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, s)
}

// run moves the wheel until the context ends.
func (w *wheel) run(ctx context.Context, tick func(now time.Duration)) {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			now := time.Now()
			step := now.Sub(last)
			if step > w.every+late {
				step = w.every
			}
			last = now
			tick(time.Duration(w.at.Add(int64(step))))
		}
	}
}

// tick looks at whoever is due.
func (w *wheel) tick(now time.Duration) {
	w.mu.Lock()
	asked := w.asked
	w.asked = nil
	w.mu.Unlock()
	for _, s := range asked {
		if s.slot == 0 {
			w.row = append(w.row, due{s: s})
			s.slot = len(w.row)
		}
		w.row[s.slot-1].at = now
	}
	for i := 0; i < len(w.row); {
		d := &w.row[i]
		switch {
		case d.at > now:
			i++
		case d.s.gone.Load():
			w.remove(i)
		default:
			d.at = d.s.tick(now)
			i++
		}
	}
}

// remove takes one out of the row; the last takes its place.
func (w *wheel) remove(i int) {
	last := len(w.row) - 1
	w.row[i].s.slot = 0
	if w.row[i] = w.row[last]; i < last {
		w.row[i].s.slot = i + 1
	}
	w.row[last] = due{}
	w.row = w.row[:last]
}
