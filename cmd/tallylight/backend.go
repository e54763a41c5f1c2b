package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/rooms"
)

// backend is what holds presence and rooms: this process's memory, for a node that runs alone, or a Redis that nodes
// share.
type backend struct {
	store presence.Store
	relay rooms.Relay
	// connect ties it to the rest of the node, before anything runs.
	connect func(*presence.Directory, *rooms.Hub)
	// stale reports whether what others do is not heard of; nil: never.
	stale func() bool
	// nodes returns the ids of those that live; nil: this one is alone.
	nodes func() []string
	// describe has the others told how this node does, and returns what tells the same here; reports is what they tell of
	// themselves, which blocks; nil: there are none.
	describe func(func() presence.NodeReport) func() presence.NodeReport
	reports  func(context.Context) (map[string]presence.NodeReport, error)
	// rank says which partitions this node sweeps; nil: all.
	rank func(partition int) int
	// mine says which partitions' record this node writes; nil: all.
	mine func(partition int) bool
	// log runs as long as anybody follows the log, work as long as there are sessions.
	log, work []func(context.Context)
	// checks are what newcomers need beside the node itself.
	checks map[string]func(context.Context) error
	// metrics are its own; nil: none.
	metrics []prometheus.Collector
	// resume takes up broadcasts that were running when the process before this one ended; nil: whoever shares the backend
	// keeps them.
	resume func(presence.Interrupted)
	close  func() error
}

// openBackend opens what --redis names.
func openBackend(ctx context.Context, cfg serveCmd, node string, logger *slog.Logger) (*backend, error) {
	if cfg.Redis == "" {
		return alone(), nil
	}
	conn, err := redisconn.Open(ctx, string(cfg.Redis), cfg.RedisPrefix, logger)
	if err != nil {
		return nil, fmt.Errorf("--redis %w", err)
	}
	nodes := presence.NewNodes(conn, node, logger)
	store, err := presence.NewRedis(ctx, presence.RedisConfig{Conn: conn, Node: node, Nodes: nodes, Logger: logger, Heartbeat: cfg.HeartbeatInterval},
		rooms.PresenceFollower, record.Follower)
	if err != nil {
		_ = conn.Close() // the first error says more
		return nil, fmt.Errorf("--redis: %w", err)
	}
	relay := rooms.NewRedis(rooms.RedisConfig{Conn: conn, Node: node, Store: store, Nodes: nodes, Logger: logger})
	return &backend{
		store: store, relay: relay, nodes: nodes.Living, rank: nodes.Rank,
		describe: nodes.Describe, reports: nodes.Reports,
		mine: func(partition int) bool { return nodes.Rank(partition) == 0 },
		connect: func(d *presence.Directory, h *rooms.Hub) {
			known := func(partition int) presence.Knowledge {
				k := d.Knowledge(partition)
				h.Refine(partition, &k)
				return k
			}
			store.OnRecovery(known, relay.Resync, h.Lost)
			nodes.OnIsolated(h.Isolated)
			nodes.Watch(d.NodesChanged) // after the relay, which adds up the viewers of nodes
		},
		stale:   func() bool { return nodes.Check() != nil || relay.Check() != nil },
		log:     []func(context.Context){store.Run},
		work:    []func(context.Context){relay.Run, nodes.Run},
		checks:  map[string]func(context.Context) error{"redis": redisCheck(conn, nodes, store, relay)},
		metrics: redisMetrics(nodes, store, relay),
		close:   conn.Close,
	}, nil
}

// redisCheck sees that Redis answers, that what is published there arrives here, and that nothing is missing there.
func redisCheck(conn *redisconn.Conn, nodes *presence.Nodes, store *presence.Redis, relay *rooms.Redis) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := conn.Ping(ctx); err != nil {
			return err
		}
		if err := nodes.Check(); err != nil {
			return err
		}
		if err := store.Check(); err != nil {
			return fmt.Errorf("presence: %w", err)
		}
		if err := store.Complete(ctx); err != nil {
			return err
		}
		if err := relay.Check(); err != nil {
			return fmt.Errorf("rooms: %w", err)
		}
		return nil
	}
}

// redisMetrics say how well this node and Redis hear each other.
func redisMetrics(nodes *presence.Nodes, store *presence.Redis, relay *rooms.Redis) []prometheus.Collector {
	gauge := func(name, help, listener string, seconds func() time.Duration) prometheus.Collector {
		opts := prometheus.GaugeOpts{Name: name, Help: help}
		if listener != "" {
			opts.ConstLabels = prometheus.Labels{"listener": listener}
		}
		return prometheus.NewGaugeFunc(opts, func() float64 { return seconds().Seconds() })
	}
	const silence = "Seconds since something that was published through Redis, if only a probe, came back to this node; above 11 it is deaf."
	return []prometheus.Collector{
		gauge("tallylight_redis_silence_seconds", silence, "presence", store.Silence),
		gauge("tallylight_redis_silence_seconds", silence, "rooms", relay.Silence),
		gauge("tallylight_redis_unreached_seconds", "Seconds since this node last reached Redis; above 5, with failures, it is isolated.", "", func() time.Duration {
			at, _ := nodes.Reached()
			return time.Since(at)
		}),
	}
}

// alone is the backend of a node that shares nothing.
func alone() *backend {
	store := presence.NewMemory(rooms.PresenceFollower, record.Follower)
	relay := rooms.NewMemory(store, store)
	return &backend{
		store: store, relay: relay,
		connect:  func(*presence.Directory, *rooms.Hub) {},
		describe: func(report func() presence.NodeReport) func() presence.NodeReport { return report },
		work:     []func(context.Context){relay.Run},
		resume:   store.Resume,
		close:    func() error { return nil },
	}
}
