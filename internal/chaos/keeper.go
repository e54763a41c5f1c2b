package chaos

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// keeper is a good client: it keeps one connection that has joined its rooms, comes back when that ends, and goes to
// another node when it is asked to.
type keeper struct {
	rec     *recorder
	pulse   *pulse
	cluster *cluster
	actor   *Actor
	rooms   []string
	token   string
	ip      string // what it claims as its address: limits per address are not what is tested
	home    int    // the node that it prefers, -1: nginx
	onItem  func(*socket, Item)
	drops   chan time.Duration // cap 1: leave without a word, for so long
	renews  chan struct{}      // cap 1: join over a newer connection
	frozen  atomic.Int64       // an Instant until which the app does nothing

	entering sync.Mutex // held while anybody joins the rooms: an app does not do so over two connections at a time

	// Owned by run.
	rnd  *rand.Rand
	seen map[string]Position // how far it was told, by room

	mu      sync.Mutex
	current *socket       // joined; nil while there is none
	changed chan struct{} // closed when current changes
}

// run keeps the connection until the context ends.
func (k *keeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		s := k.connect(ctx)
		for s != nil {
			next := k.attend(ctx, s)
			k.note(s)
			s = next
		}
		k.set(nil)
	}
}

// note keeps how far a connection was told, also if it could not join all rooms: to ask for more would be to ask for what
// is known.
func (k *keeper) note(s *socket) { maps.Copy(k.seen, s.positions()) }

func (k *keeper) set(s *socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = s
	close(k.changed)
	k.changed = make(chan struct{})
}

// socket waits for a connection that has joined.
func (k *keeper) socket(ctx context.Context) (*socket, error) {
	for {
		k.mu.Lock()
		s, changed := k.current, k.changed
		k.mu.Unlock()
		if s != nil {
			select {
			case <-s.done: // its replacement will come
			default:
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// where returns the next address to try.
func (k *keeper) where() (addr, via string) {
	if k.home < 0 {
		return k.cluster.front, "nginx"
	}
	n := k.cluster.nodes[k.home%len(k.cluster.nodes)]
	return n.relay.addr, n.name
}

// connect opens a connection and joins, trying until the context ends: full jitter, from 50 ms up to 2 s.
func (k *keeper) connect(ctx context.Context) *socket {
	for limit := 50 * time.Millisecond; ; limit = min(2*limit, 2*time.Second) {
		if !k.awake(ctx) || !sleep(ctx, time.Duration(k.rnd.Int64N(int64(limit)))) {
			return nil
		}
		if s := k.open(ctx, 3); s != nil {
			return s
		}
		if k.home >= 0 { // those who know the nodes try another one
			k.home += 1 + k.rnd.IntN(2)
		}
	}
}

// open makes one attempt. While a node says that it can't tell, the join is tried again on the same connection, tries
// times.
func (k *keeper) open(ctx context.Context, tries int) *socket {
	s, err := k.dial(ctx)
	if err != nil {
		return nil
	}
	return k.enter(ctx, s, tries)
}

// enter joins over a new connection, which is the present one then. If that can't be had, the connection is given up.
func (k *keeper) enter(ctx context.Context, s *socket, tries int) *socket {
	k.entering.Lock()
	defer k.entering.Unlock()
	for _, room := range k.rooms {
		for try := 1; ; try++ {
			err := k.join(ctx, s, room, k.seen)
			if err == nil {
				break
			}
			var refused refusal
			if !errors.As(err, &refused) || try == tries || !sleep(ctx, k.pause()) {
				s.end(EndGivenUp)
				k.note(s)
				return nil
			}
		}
	}
	k.set(s)
	return s
}

// rejoin joins a room again, over the connection that there is once nobody else joins.
func (k *keeper) rejoin(ctx context.Context, room string) {
	k.entering.Lock()
	defer k.entering.Unlock()
	if s := k.now(); s != nil {
		_ = k.join(ctx, s, room, nil) // whatever becomes of it, the next request tells
	}
}

// now returns the connection that has joined, or nil.
func (k *keeper) now() *socket {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

func (k *keeper) join(ctx context.Context, s *socket, room string, since map[string]Position) error {
	f := fields{"room": room}
	if k.actor.Streamer {
		f["role"] = "streamer"
	}
	if p, ok := since[room]; ok && p.Epoch != "" {
		f["since"] = fields{"epoch": p.Epoch, "offset": p.Offset}
	}
	_, err := s.request(ctx, "join", f, 8*time.Second)
	return err
}

// pause is how long to wait after "unavailable".
func (k *keeper) pause() time.Duration {
	return 300*time.Millisecond + time.Duration(k.rnd.Int64N(int64(700*time.Millisecond)))
}

// attend stays with a connection until it has ended, and returns the one that has replaced it, or nil.
func (k *keeper) attend(ctx context.Context, s *socket) *socket {
	for {
		select {
		case <-ctx.Done():
			s.end(EndOver)
		case <-s.done:
			k.set(nil)
			k.linger(ctx, s)
		case away := <-k.drops:
			k.leave(ctx, s, away)
		case <-k.renews:
			if next := k.renew(ctx, s); next != nil {
				return next
			}
			continue
		case after := <-s.moving:
			return k.move(ctx, s, after)
		}
		return nil
	}
}

// linger lets one in eight of the streamers whose connection broke come back late: those whose phone fell with the
// connection. Else nobody would be missing for long enough to be missed. One in four of them is gone for longer than any
// window lasts.
func (k *keeper) linger(ctx context.Context, s *socket) {
	if !k.actor.Streamer || s.note.End != EndLost && s.note.End != EndSilent || k.rnd.IntN(8) != 0 {
		return
	}
	away := 11*time.Second + time.Duration(k.rnd.Int64N(int64(12*time.Second)))
	if k.rnd.IntN(4) == 0 {
		away = 100 * time.Second
	}
	sleep(ctx, away)
}

// leave drops the connection and stays away.
func (k *keeper) leave(ctx context.Context, s *socket, away time.Duration) {
	k.set(nil)
	now := k.rec.now()
	k.rec.act(k.actor, Act{Kind: ActDrop, Sent: now, Acked: now, Conn: s.note.N, Away: away})
	s.end(EndDropped)
	sleep(ctx, away)
}

// renew is what an app does whose network has changed: it joins over a newer connection, and the server closes the old
// one. It returns nil if none could be had.
func (k *keeper) renew(ctx context.Context, s *socket) *socket {
	sent := k.rec.now()
	k.note(s)
	next := k.open(ctx, 1)
	if next == nil {
		return nil
	}
	k.rec.act(k.actor, Act{Kind: ActRenew, Sent: sent, Acked: k.rec.now(), Conn: next.note.N, Old: s.note.N})
	select {
	case <-s.done:
	case <-ctx.Done():
		s.end(EndOver)
	case <-time.After(beatAnswer):
		s.end(EndSpare)
	}
	return next
}

// awake waits while the app is frozen, and reports whether the context goes on.
func (k *keeper) awake(ctx context.Context) bool {
	for {
		wait := Instant(k.frozen.Load()) - k.rec.now()
		if wait <= 0 {
			return ctx.Err() == nil
		}
		if !sleep(ctx, wait) {
			return false
		}
	}
}

// move goes to another node: the new connection is opened and has joined before the old one is dropped. As long as none
// can be had the old one is kept.
func (k *keeper) move(ctx context.Context, s *socket, after time.Duration) *socket {
	wait := after
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			s.end(EndOver)
			return nil
		case <-s.done:
			timer.Stop()
			return nil
		case away := <-k.drops:
			timer.Stop()
			k.leave(ctx, s, away)
			return nil
		case <-timer.C:
		}
		if wait = Instant(k.frozen.Load()) - k.rec.now(); wait > 0 {
			continue
		}
		k.note(s)
		if next := k.openElsewhere(ctx, s.note.Node); next != nil {
			s.end(EndMoved)
			return next
		}
		if k.home >= 0 {
			k.home += 1 + k.rnd.IntN(2)
		}
		wait = k.pause()
	}
}

// sameNodeTries is how often the node that is to be left is left at once, should nginx lead back to it.
const sameNodeTries = 5

// openElsewhere makes an attempt at a connection to any node but this one, if such a one can be had.
func (k *keeper) openElsewhere(ctx context.Context, node string) *socket {
	for try := 0; ; try++ {
		s, err := k.dial(ctx)
		if err != nil {
			return nil
		}
		if s.note.Node != node || try == sameNodeTries || k.home >= 0 {
			return k.enter(ctx, s, 1)
		}
		s.end(EndGivenUp)
		if !sleep(ctx, time.Duration(k.rnd.Int64N(int64(100*time.Millisecond)))) {
			return nil
		}
	}
}

// sleep waits, and reports whether the context goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
