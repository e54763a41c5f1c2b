// Package redisconn is the connection to Redis that presence and rooms share: how it is opened and checked, how keys are
// named, how scripts run, and how channels are listened to. It knows nothing of what is kept there.
//
// Keys and channels are laid out for a cluster although only one server is spoken to yet: whatever a script touches
// carries one hash tag, and publishing is sharded (SPUBLISH), which a standalone Redis 7 does as well.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// dialTimeout and answerTimeout bound how long a caller learns nothing. Presence promises are made in seconds: an
	// answer that takes longer is as bad as none, and says so.
	dialTimeout   = 2 * time.Second
	answerTimeout = 2 * time.Second
	// openTimeout is for the first contact as a whole.
	openTimeout = 5 * time.Second
)

// Conn is a pool of connections to one Redis. Its methods may be called at any time by any goroutine.
type Conn struct {
	client *redis.Client
	prefix string
	logger *slog.Logger
}

// Open connects to the Redis that a URL names (redis://, rediss:// or unix://) and sees that it is one to rely on. All
// keys and channels begin with the prefix. Warnings go to the logger. An error names the URL without its password.
func Open(ctx context.Context, rawURL, prefix string, logger *slog.Logger) (*Conn, error) {
	silence()
	opts, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", redacted(rawURL), err)
	}
	c := &Conn{client: redis.NewClient(opts), prefix: prefix, logger: logger}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := c.inspect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", redacted(rawURL), err), c.client.Close())
	}
	return c, nil
}

func parse(rawURL string) (*redis.Options, error) {
	if scheme, _, _ := strings.Cut(rawURL, "://"); scheme == "redis+sentinel" || scheme == "redis+cluster" {
		return nil, fmt.Errorf("%s is not supported yet; name one server with redis://", scheme)
	}
	opts, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, errors.New("it is not an address such as redis://localhost:6379/0")
	}
	opts.ClientName = "tallylight"
	// A script must not run twice because its answer was late: who called it knows whether that may be repeated.
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = dialTimeout, answerTimeout, answerTimeout
	opts.ContextTimeoutEnabled = true
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return opts, nil
}

// redacted returns a URL that may be printed.
func redacted(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(an address that can't be read)"
	}
	u.RawQuery = "" // may hold a password as well
	return u.Redacted()
}

// silence keeps the library from writing to stderr on its own: what goes wrong reaches us as errors.
var silence = sync.OnceFunc(func() { redis.SetLogger(discard{}) })

type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}

// Close ends all connections. Nothing may be called afterwards.
func (c *Conn) Close() error { return c.client.Close() }

// Client returns the pool, for plain commands. It never retries.
func (c *Conn) Client() *redis.Client { return c.client }

// Base returns what the names of all keys and channels with one hash tag begin with.
func (c *Conn) Base(tag string) string { return c.prefix + ":{" + tag + "}:" }

// Ping sees that the server answers.
func (c *Conn) Ping(ctx context.Context) error { return plain(c.client.Ping(ctx).Err()) }

// plain takes out of an error what says nothing to its reader.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err
}
