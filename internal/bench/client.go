package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallylight/tallylight/auth"
)

const (
	// connectTimeout bounds one attempt, from dialling to joined: it is what a crowd that comes at once may have to wait.
	connectTimeout = 30 * time.Second
	// maxAttempts is how often a client tries; with the protocol's waits between, that is more than a minute.
	maxAttempts = 10
	// beatAnswer is how long a heartbeat may be unanswered before the connection counts as dead.
	beatAnswer = 10 * time.Second
)

// client is one user, who has one connection at a time.
type client struct {
	// Fixed after construction.
	run   *run
	n     int // among all
	user  string
	role  auth.Role
	room  *room
	shard *shard
	// stalls: it stops reading when publishing begins, and has little room for what it does not read.
	stalls bool

	// Used by any goroutine.
	beatSent atomic.Int64 // micros of a heartbeat that is not answered, or 0
	pending  atomic.Int64 // publications that are not answered

	mu    sync.Mutex
	conn  *conn // the current one, or nil
	ready bool  // it has joined
	track track // by what the current one said
}

// connect connects, authenticates and joins, with the protocol's waits between attempts, and returns once reading has
// begun. since is the position that it goes on from. It returns an error that trying again does not help against, or the
// context's; a client that only gives up is counted.
func (c *client) connect(ctx context.Context, since position) error {
	for n := range maxAttempts {
		begin := micros()
		err := c.attempt(ctx, n, since)
		if err == nil {
			c.run.tally.connect.add(time.Duration(micros()-begin) * time.Microsecond)
			c.run.tally.joined.Add(1)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if hopeless := c.hopeless(err); hopeless != nil {
			return hopeless
		}
		c.run.tally.retries.add(kindOf(err))
		if sleep(ctx, backoff(n+1)+patience(err)) != nil {
			return ctx.Err()
		}
	}
	c.run.tally.absent.Add(1)
	return nil
}

// comeBack connects after a while, from where it was, and reports whether it is there then.
func (c *client) comeBack(ctx context.Context, after time.Duration, since position) (back bool, err error) {
	if err := sleep(ctx, after); err != nil {
		return false, err
	}
	err = c.connect(ctx, since)
	return c.joined() != nil, err
}

// backoff is the protocol's wait before the n-th attempt.
func backoff(n int) time.Duration {
	return rand.N(min(30*time.Second, 500*time.Millisecond<<min(n, 10)))
}

// patience is what the node asked for beyond that.
func patience(err error) time.Duration {
	if r, ok := errors.AsType[*refused](err); ok {
		return r.retryAfter
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.retryAfter
	}
	return 0
}

// hopeless says what the user can do against an error that will not go away, or nil.
func (c *client) hopeless(err error) error {
	url := c.run.dialer.target(c.n).url
	if r, ok := errors.AsType[*refused](err); ok {
		switch {
		case r.status == http.StatusUnauthorized:
			return fmt.Errorf("--jwt-secret: %s does not take our tokens: %s", url, r.detail)
		case r.status < 500 && r.status != http.StatusTooManyRequests:
			return fmt.Errorf("--url %s: %w", url, r)
		}
		return nil
	}
	if f, ok := errors.AsType[*failure](err); ok {
		if f.code == "unavailable" || f.code == "rate_limited" || f.code == "internal" {
			return nil
		}
		return fmt.Errorf("--url %s: a %s could not join: %w", url, c.role, f)
	}
	if c.n == 0 && c.run.tally.joined.Load() == 0 {
		return fmt.Errorf("--url %s: %w", url, err) // nobody was ever there: it is the address that is wrong
	}
	return nil
}

// attempt tries once. Each attempt goes to another node, as there may be several.
func (c *client) attempt(ctx context.Context, n int, since position) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	token, err := c.run.token(c)
	if err != nil {
		return err
	}
	s, err := c.run.dialer.dial(ctx, c.n+n, token)
	if err != nil {
		return err
	}
	if tcp, ok := s.conn.(*net.TCPConn); ok && c.stalls {
		_ = tcp.SetReadBuffer(smallWindow) // with the usual one, it would not be missed for long
	}
	k := &conn{socket: s, c: c}
	c.mu.Lock()
	c.conn = k
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, s.drop)
	err = k.enter(since)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.drop()
		return err
	}
	c.beatSent.Store(0) // one that an earlier connection took with it has no answer
	c.mu.Lock()
	c.ready = true
	c.mu.Unlock()
	c.run.reading.Go(k.read) // with a fresh stack: that of dialling is large
	return nil
}

// follow holds what a connection said against what is known, unless another connection is the current one.
func (c *client) follow(k *conn, check func(*track) wrong) (w wrong, current bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != k {
		return wrong{}, false
	}
	return check(&c.track), true
}

// ended is told by the reader that its connection is no more.
func (c *client) ended(k *conn, err error) {
	c.mu.Lock()
	current := c.conn == k
	if current {
		c.conn, c.ready = nil, false
	}
	c.mu.Unlock()
	if current {
		c.beatSent.Store(0)
		c.pending.Store(0)
	}
	switch {
	case k.ours.Load():
	case c.stalls:
		c.run.tally.stalled.add(kindOf(err))
	default:
		c.run.tally.closes.add(kindOf(err))
	}
}

// joined returns the connection that has joined, or nil.
func (c *client) joined() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ready {
		return nil
	}
	return c.conn
}

// missing is how many events have not come that others have, 0 if there is no connection.
func (c *client) missing() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ready || c.stalls {
		return 0
	}
	return c.track.missing(c.room.head())
}

// beat sends a heartbeat.
func (c *client) beat() {
	if k := c.joined(); k != nil {
		c.beatSent.CompareAndSwap(0, micros())
		_ = k.text([]byte(`{"type":"heartbeat"}`)) // if it fails, read ends
	}
}

// listen drops the connection if a heartbeat was not answered in time.
func (c *client) listen(now int64) {
	if sent := c.beatSent.Load(); c.stalls || sent == 0 || now-sent < beatAnswer.Microseconds() {
		return
	}
	if k := c.joined(); k != nil {
		c.beatSent.Store(0)
		if !k.ours.Swap(true) {
			c.run.tally.closes.add("heartbeat not answered")
		}
		k.drop()
	}
}

// publish says something, unless there is no connection. It returns the buffer, to be used again.
func (c *client) publish(buf []byte) []byte {
	k := c.joined()
	if k == nil {
		return buf
	}
	c.run.tally.published.Add(1)
	c.pending.Add(1)
	buf = c.room.words.at(buf[:0], micros())
	if k.text(buf) != nil {
		c.pending.Add(-1)
	}
	return buf
}

// quit ends the connection in order: a streamer's broadcast first.
func (c *client) quit() {
	k := c.joined()
	if k == nil {
		return
	}
	k.ours.Store(true)
	if c.role != auth.RoleStreamer {
		k.leave()
	} else if k.text(roomMessage("live.end", "", c.room.name)) == nil {
		_ = k.text(roomMessage("leave", endID, c.room.name)) // its reply ends the connection
	}
}

// cut ends the connection without a word, and returns where it was.
func (c *client) cut() position {
	c.mu.Lock()
	k := c.conn
	c.conn, c.ready = nil, false
	at := c.track.at
	c.mu.Unlock()
	if k != nil {
		k.ours.Store(true)
		k.drop()
	}
	return at
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
