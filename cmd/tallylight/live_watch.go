package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/web"
)

// How long to wait before coming back to a stream that ended: anything up to a
// bound that doubles, so that not everybody comes back at once.
const (
	firstBackoff = time.Second
	maxBackoff   = 15 * time.Second
)

// liveView shows what happens on the stream. All calls come from one goroutine.
type liveView interface {
	snapshot(web.LivePage) error
	change(web.LiveChange) error
	viewers(web.LiveViewers) error
	// connection says that the stream is there, or (not nil) why it is not.
	connection(lost error) error
	// tick comes a few times a second.
	tick(time.Time) error
}

// tickEvery is how often a screen is drawn at most.
const tickEvery = 250 * time.Millisecond

// watchLive shows the stream until the context ends. It comes back when the
// stream ends, unless it never was there, or there is no point in trying.
func watchLive(ctx context.Context, client *liveClient, view liveView, errOut terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	said := make(chan func() error) // never closed: what the view is to be told
	ended := make(chan error, 1)
	go func() { ended <- stayConnected(ctx, client, view, errOut, said) }()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		var failed error
		select {
		case tell := <-said:
			failed = tell()
		case now := <-tick.C:
			failed = view.tick(now)
		case err := <-ended:
			cancel()
			return err
		}
		if failed != nil {
			cancel()
			<-ended
			return failed
		}
	}
}

// stayConnected hands events to whoever reads said.
func stayConnected(ctx context.Context, client *liveClient, view liveView, errOut terminal, said chan<- func() error) error {
	say := func(tell func() error) error {
		select {
		case said <- tell:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var last string
	ever, attempt := false, 0
	connected := func() {
		_ = say(func() error { return view.connection(nil) })
		if ever {
			fmt.Fprintln(errOut, "tallylight: connected again")
		}
		ever, attempt = true, 0
	}
	for {
		err := client.follow(ctx, last, connected, func(e serverEvent) error {
			last = e.id
			return say(func() error { return show(view, e) })
		})
		var fatal fatalError
		if ctx.Err() != nil || !ever || errors.As(err, &fatal) {
			return err
		}
		wait := rand.N(min(firstBackoff<<attempt, maxBackoff))
		attempt = min(attempt+1, 5)
		fmt.Fprintf(errOut, "tallylight: disconnected: %s; trying again in %s\n", err, wait.Round(100*time.Millisecond))
		if say(func() error { return view.connection(err) }) != nil || !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// show hands an event to the view. Events of other names are for newer clients.
func show(view liveView, e serverEvent) error {
	switch e.name {
	case web.StreamSnapshot:
		return decodeAnd(e, view.snapshot)
	case web.StreamChange:
		return decodeAnd(e, view.change)
	case web.StreamViewers:
		return decodeAnd(e, view.viewers)
	}
	return nil
}

func decodeAnd[T any](e serverEvent, do func(T) error) error {
	var v T
	if err := json.Unmarshal(e.data, &v); err != nil {
		return fmt.Errorf("--url: event %s of the stream can't be read: %w", e.name, err)
	}
	return do(v)
}

// liveState is who is live, by broadcast.
type liveState map[string]web.Row

// apply takes a change; the broadcast is gone with its end.
func (s liveState) apply(c web.LiveChange) {
	if c.Event == presence.LiveEnded {
		delete(s, c.Row.Broadcast)
		return
	}
	s[c.Row.Broadcast] = c.Row
}

func (s liveState) count(v web.LiveViewers) {
	for _, b := range v.Data {
		if row, ok := s[b.Broadcast]; ok {
			row.Viewers, row.PeakViewers = b.Viewers, b.PeakViewers
			s[b.Broadcast] = row
		}
	}
}

func stateOf(p web.LivePage) liveState {
	s := make(liveState, len(p.Data))
	for _, row := range p.Data {
		s[row.Broadcast] = row
	}
	return s
}
