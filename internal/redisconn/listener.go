package redisconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// probeEvery is how often a listener publishes to itself. A connection that answers PING may deliver nothing all the
	// same (a replica after a failover): only a message that comes back proves that messages do.
	probeEvery = 5 * time.Second
	// deafAfter is two probes and some slack.
	deafAfter = 11 * time.Second
	// relistenLeast and relistenMost bound the wait before a lost connection is made anew. It is drawn at random, as all
	// nodes lose theirs at the same moment, and grows while that fails.
	relistenLeast = 20 * time.Millisecond
	relistenMost  = time.Second
)

// ErrDeaf: the listener has not heard from Redis for a while; what is published does not reach this node.
var ErrDeaf = errors.New("what is published does not arrive")

// Handler hears one channel. Its functions are called from the listener's goroutine alone, one at a time and in the
// order in which things were published; they must not block.
type Handler struct {
	// Subscribed is called whenever Redis has confirmed the subscription: at first, and again after every lost
	// connection. Whatever was published before may have been missed, what is published from then on is heard.
	Subscribed func()
	Message    func(payload string)
}

// Listener hears channels over one connection of its own, which it makes anew whenever it is lost or falls silent.
// Unlike the library's own loop it never does so without a word: each new subscription is told to its handler.
type Listener struct {
	conn    *Conn
	probe   string       // the channel on which it hears itself
	heardAt atomic.Int64 // Unix ns of the last message, 0: none over this connection

	mu       sync.Mutex
	handlers map[string]Handler
	orders   []order
	ordered  chan struct{} // holds one element while there are orders; never closed
}

// order is a subscription to be made or ended.
type order struct {
	channel string
	end     bool
}

// Listener returns a listener that does nothing before Run. The name tells its probes from those of others; it must
// be unique.
func (c *Conn) Listener(name string) *Listener {
	l := &Listener{
		conn: c, probe: c.Base("probe-"+name) + "probe",
		handlers: make(map[string]Handler), ordered: make(chan struct{}, 1),
	}
	l.handlers[l.probe] = Handler{}
	return l
}

// Listen subscribes to a channel. It does not wait: Handler.Subscribed tells when it has happened. A channel has one
// handler at a time.
func (l *Listener) Listen(channel string, h Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers[channel] = h
	l.orderLocked(order{channel: channel})
}

// Unlisten ends a subscription. It does not wait; a call of the handler may still be under way.
func (l *Listener) Unlisten(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.handlers, channel)
	l.orderLocked(order{channel: channel, end: true})
}

func (l *Listener) orderLocked(o order) {
	l.orders = append(l.orders, o)
	select {
	case l.ordered <- struct{}{}:
	default:
	}
}

// Check returns ErrDeaf unless a message, if only a probe, came lately. It does not block.
func (l *Listener) Check() error {
	if l.Silence() > deafAfter {
		return ErrDeaf
	}
	return nil
}

// Silence returns for how long nothing was heard, if only a probe: a few seconds at most, while what is published
// arrives. It counts from the beginning of time while there is no connection.
func (l *Listener) Silence() time.Duration { return time.Since(time.Unix(0, l.heardAt.Load())) }

// Run listens until the context ends.
func (l *Listener) Run(ctx context.Context) {
	wait := relistenLeast
	for {
		err := l.connected(ctx)
		if l.heardAt.Swap(0) != 0 {
			wait = relistenLeast
		}
		if ctx.Err() != nil {
			return
		}
		l.conn.logger.Warn("redis: the connection for messages was lost; it is made anew", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(rand.N(wait)):
		}
		wait = min(2*wait, relistenMost)
	}
}

// connected listens over one connection until it is lost.
func (l *Listener) connected(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	pubsub := l.conn.client.SSubscribe(ctx)
	var writing sync.WaitGroup
	defer writing.Wait()
	defer cancel()
	l.mu.Lock()
	l.orders = nil
	for channel := range l.handlers {
		l.orderLocked(order{channel: channel})
	}
	l.mu.Unlock()
	writing.Go(func() {
		l.write(ctx, pubsub)
		_ = pubsub.Close() // and so end the read below, which knows no context
	})
	for {
		message, err := pubsub.ReceiveTimeout(ctx, deafAfter)
		if err != nil {
			return plain(err)
		}
		l.heardAt.Store(time.Now().UnixNano())
		l.hand(message)
	}
}

// hand gives a message to its channel's handler.
func (l *Listener) hand(message any) {
	switch m := message.(type) {
	case *redis.Subscription:
		if h := l.handler(m.Channel); m.Kind == "ssubscribe" && h.Subscribed != nil {
			h.Subscribed()
		}
	case *redis.Message:
		if h := l.handler(m.Channel); h.Message != nil {
			h.Message(m.Payload)
		}
	}
}

func (l *Listener) handler(channel string) Handler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handlers[channel]
}

// write carries out orders and probes until the context ends, or one fails.
func (l *Listener) write(ctx context.Context, pubsub *redis.PubSub) {
	probe := time.NewTicker(probeEvery)
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.ordered:
			if !l.carryOut(ctx, pubsub) {
				return
			}
		case now := <-probe.C:
			// If it fails, silence will tell.
			_ = l.conn.client.SPublish(ctx, l.probe, strconv.FormatInt(now.UnixNano(), 10)).Err()
		}
	}
}

// maxOrder is how many channels go into one command.
const maxOrder = 512

// carryOut makes and ends subscriptions in the order in which that was asked for.
func (l *Listener) carryOut(ctx context.Context, pubsub *redis.PubSub) bool {
	l.mu.Lock()
	orders := l.orders
	l.orders = nil
	l.mu.Unlock()
	for len(orders) > 0 {
		n := 1
		for n < len(orders) && n < maxOrder && orders[n].end == orders[0].end {
			n++
		}
		channels := make([]string, n)
		for i, o := range orders[:n] {
			channels[i] = o.channel
		}
		do := pubsub.SSubscribe
		if orders[0].end {
			do = pubsub.SUnsubscribe
		}
		if do(ctx, channels...) != nil {
			return false
		}
		orders = orders[n:]
	}
	return true
}
