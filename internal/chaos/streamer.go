package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// streamer is somebody with a broadcast app, who does what such people do. How their connection is kept is the keeper's
// business.
type streamer struct {
	*keeper
	room   string
	window time.Duration // what is asked for at the start; never: nothing is
	rnd    *rand.Rand    // owned by perform

	mu       sync.Mutex
	live     string // the broadcast that they believe to run, "" for none
	ending   bool   // they have asked for its end, and don't know the outcome
	starting bool
	ended    Instant       // when the last end was answered: a room may hear of it a moment later
	news     chan struct{} // cap 1: live has changed without their doing
}

// watch is the keeper's onItem: it compares what the server says with what the streamer believes.
func (s *streamer) watch(on *socket, i Item) {
	if i.Room != s.room {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case i.Kind == "live.ended" && i.Broadcast == s.live && !s.ending,
		i.Kind == itemJoined && s.live != "" && !s.ending && (i.Broadcast != s.live || !i.onAir()):
		s.tellLocked(ActLost, s.live, on, i)
		s.live = ""
	case i.Kind == itemJoined && i.State == "live" && s.live == "" && !s.starting && !s.ending && i.Sent > s.ended+2*second:
		s.tellLocked(ActGhost, i.Broadcast, on, i)
		s.live = i.Broadcast // to be ended
	}
}

func (s *streamer) tellLocked(kind ActKind, broadcast string, on *socket, i Item) {
	sent := i.At
	if i.Kind == itemJoined {
		sent = i.Sent
	}
	s.rec.act(s.actor, Act{Kind: kind, Sent: sent, Acked: i.At, Conn: on.note.N, Broadcast: broadcast})
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// perform acts until the time of rest begins, and then says a last word.
func (s *streamer) perform(ctx context.Context, rest <-chan struct{}, last ActKind) {
	s.start(ctx)
	for {
		timer := time.NewTimer(time.Duration(5000+s.rnd.IntN(25_000)) * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-rest:
			s.rest(ctx, last)
		case <-s.news:
			if s.awake(ctx) {
				s.recover(ctx)
			}
			timer.Stop()
			continue
		case <-timer.C:
			if s.awake(ctx) {
				s.act(ctx)
			}
			continue
		}
		timer.Stop()
		return
	}
}

// rest does nothing but to take up a broadcast that was lost, unless the last word is that it shall be over.
func (s *streamer) rest(ctx context.Context, last ActKind) {
	switch last {
	case ActEnd:
		s.finish(ctx, ActEnd)
	case ActDrop:
		s.drop(time.Hour)
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
			s.recover(ctx)
		}
	}
}

// recover puts right what the streamer did not want.
func (s *streamer) recover(ctx context.Context) {
	s.mu.Lock()
	live := s.live
	s.mu.Unlock()
	if live != "" {
		s.finish(ctx, ActEnd)
	}
	if sleep(ctx, time.Duration(200+s.rnd.IntN(800))*time.Millisecond) {
		s.start(ctx)
	}
}

// act does one of the things that streamers do.
func (s *streamer) act(ctx context.Context) {
	ms := func(from, to int) time.Duration { return time.Duration(from+s.rnd.IntN(to-from)) * time.Millisecond }
	short := min(defaultWindow, s.longest()) / 2
	switch n := s.rnd.IntN(100); {
	case n < 30:
		s.do(ctx, ActUpdate, "live.update", fields{"room": s.room, "title": fmt.Sprint("Act ", n)})
	case n < 50:
		s.finish(ctx, ActEnd)
		sleep(ctx, ms(500, 3000))
		s.start(ctx)
	case n < 70:
		s.drop(time.Duration(s.rnd.Int64N(int64(short))))
	case n < 78 && s.window != never && s.window < 9*time.Second:
		s.drop(s.window + ms(2000, 8000))
	case n < 84:
		s.finish(ctx, ActLeave)
		s.rejoin(ctx, s.room) // a leave and a join, on the same socket
		s.start(ctx)
	case n < 92:
		select {
		case s.renews <- struct{}{}:
		default:
		}
	}
}

func (s *streamer) longest() time.Duration {
	if s.window == never {
		return defaultWindow
	}
	return s.window
}

// drop leaves without a word.
func (s *streamer) drop(away time.Duration) {
	select {
	case s.drops <- away:
	default: // they are about to leave already
	}
}

func (s *streamer) believed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// start goes live.
func (s *streamer) start(ctx context.Context) {
	s.mu.Lock()
	s.starting = true
	s.mu.Unlock()
	f := fields{"room": s.room, "title": "Live from " + s.room}
	if s.window != never {
		f["window_ms"] = s.window.Milliseconds()
	}
	m, ok := s.do(ctx, ActStart, "live.start", f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting = false; ok && m.Broadcast != nil {
		s.live = m.Broadcast.ID
	}
}

// finish ends the broadcast, in either way.
func (s *streamer) finish(ctx context.Context, how ActKind) {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	kind := "live.end"
	if how == ActLeave {
		kind = "leave"
	}
	_, ok := s.do(ctx, how, kind, fields{"room": s.room})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending = false; ok {
		s.live, s.ended = "", s.rec.now()
	}
}

// do sends a request until it is answered: on whatever connection there is by then.
func (s *streamer) do(ctx context.Context, kind ActKind, name string, f fields) (message, bool) {
	act := Act{Kind: kind, Sent: s.rec.now(), Acked: never, Broadcast: s.believed()}
	if kind == ActStart {
		act.Window, act.Broadcast = s.window, ""
	}
	k := s.rec.act(s.actor, act)
	var last *socket
	for {
		on, err := s.socket(ctx)
		if err != nil {
			return message{}, false
		}
		if kind == ActLeave && act.Tries > 0 {
			// A leave whose outcome is unknown may be repeated where it was asked for. Elsewhere the keeper has joined anew,
			// and what is left to do is to end the broadcast.
			if name = "live.end"; on == last {
				name = "leave"
			}
		}
		last = on
		act.Tries++
		tried := s.rec.now()
		m, err := on.request(ctx, name, f, 10*time.Second)
		s.rec.amend(s.actor, k, func(a *Act) {
			a.Tries, a.Tried = a.Tries+1, tried
			if err != nil {
				a.Last = err.Error()
			}
		})
		var refused refusal
		switch {
		case err == nil:
			s.answered(name, k, on, m)
			return m, true
		case !errors.As(err, &refused), refused == "unavailable", refused == "rate_limited", refused == "internal":
		case refused == "not_joined" && name == "leave":
			s.answered("", k, on, m)
			return m, true
		case refused == "not_joined": // it was replaced, or left
			s.rejoin(ctx, s.room)
		case refused == "conflict": // a newer connection of theirs has the room: this one will be closed
		default:
			s.rec.amend(s.actor, k, func(a *Act) { a.Acked, a.Conn, a.Refused = s.rec.now(), on.note.N, string(refused) })
			return message{}, false
		}
		if !sleep(ctx, 300*time.Millisecond+time.Duration(s.rnd.Int64N(int64(700*time.Millisecond)))) {
			return message{}, false
		}
	}
}

// answered notes the answer to a request.
func (s *streamer) answered(name string, k int, on *socket, m message) {
	s.rec.amend(s.actor, k, func(a *Act) {
		a.Acked, a.Conn = s.rec.now(), on.note.N
		if name == "live.start" && m.Broadcast != nil {
			a.Broadcast = m.Broadcast.ID
		}
	})
	if name == "leave" {
		s.rec.item(on.note, Item{At: s.rec.now(), Room: s.room, Kind: itemLeft})
	}
}
