package signalling

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tallylight/tallylight/presence"
)

const (
	// closeLead is how long after its own delay a client that was asked to
	// reconnect still has its old socket.
	closeLead = 2 * time.Second
	// handoverLead is how long after its own delay a streamer has to come back
	// before the broadcast counts as interrupted: time for some failed attempts.
	handoverLead = 10 * time.Second
	// handOverAgain is how often a store that did not answer is asked to note
	// the handover.
	handOverAgain = time.Second
)

// Drain refuses newcomers and sends everybody away within the given time, each
// after a delay of its own so that they do not arrive elsewhere all at once.
// Streamers' leases are handed over first, so that none of it is a transition
// for those who come back. It returns when every session has ended; if the
// context ends first, the rest are closed at once. Once is enough: later calls
// only wait.
func (s *Server) Drain(ctx context.Context, within time.Duration) {
	s.mu.Lock()
	s.draining.Store(true)
	s.mu.Unlock()
	going, gone := context.WithCancel(ctx)
	var leaving sync.WaitGroup
	s.leaving.Do(func() { s.sendAway(going, within, &leaving) })
	s.waitOrAbort(ctx)
	gone()
	leaving.Wait()
}

// sendAway tells everybody when to go. What it starts ends with the context.
func (s *Server) sendAway(ctx context.Context, within time.Duration, leaving *sync.WaitGroup) {
	sessions := s.all()
	delays := make(map[string]time.Duration, len(sessions))
	for _, session := range sessions {
		delay := time.Duration(0)
		if spread := within - closeLead; spread > 0 {
			delay = rand.N(spread)
		}
		delays[session.id] = delay
	}
	if !s.handOver(ctx, delays) {
		leaving.Go(func() { s.keepHandingOver(ctx, delays, within) })
	}
	for _, session := range sessions {
		delay := delays[session.id]
		session.Reconnect(delay, presence.ReasonDrain)
		leaving.Go(func() { session.leaveAfter(ctx, min(delay+closeLead, within)) })
	}
}

func (s *Server) handOver(ctx context.Context, delays map[string]time.Duration) bool {
	err := s.cfg.Hub.HandOver(ctx, func(connection string) time.Duration { return delays[connection] + handoverLead })
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("signalling: the streamers of this node could not be handed over; it is tried again", "error", err)
	}
	return err == nil
}

// keepHandingOver goes on with what failed at first.
func (s *Server) keepHandingOver(ctx context.Context, delays map[string]time.Duration, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(handOverAgain):
		}
		if s.handOver(ctx, delays) {
			return
		}
	}
}

// farewell is how long, when it must be quick, peers get to read why their
// connection is closed.
const farewell = 500 * time.Millisecond

// waitOrAbort waits until all sessions have ended. Once the context has, they
// get little time for that.
func (s *Server) waitOrAbort(ctx context.Context) {
	gone := make(chan struct{})
	go func() { s.sessions.Wait(); close(gone) }()
	select {
	case <-gone:
		return
	case <-ctx.Done():
	}
	select {
	case <-gone:
	case <-time.After(farewell):
		for _, session := range s.all() {
			_ = session.conn.CloseNow()
		}
		<-gone
	}
}

func (s *session) leaveAfter(ctx context.Context, delay time.Duration) {
	select {
	case <-time.After(delay):
		s.end(causeRestart)
	case <-ctx.Done():
		s.end(causeStopped)
	}
}
