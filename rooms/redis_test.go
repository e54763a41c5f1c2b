package rooms

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
)

// redisNode is what a node has of Redis: its store, its relay, and its lease among the nodes.
type redisNode struct {
	store *presence.Redis
	relay *Redis
	nodes *presence.Nodes
	stop  func() // ends what runs, as a stop of the node would
}

// openRedis returns a node, running, over the data under a prefix. The sink may be nil.
func openRedis(t *testing.T, prefix, node string, sink Sink) *redisNode {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), testserver.Redis(t), prefix, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if sink == nil {
		sink = &basin{}
	}
	return openConn(t, conn, node, sink)
}

func openConn(t *testing.T, conn *redisconn.Conn, node string, sink Sink) *redisNode {
	t.Helper()
	n := &redisNode{nodes: presence.NewNodes(conn, node, quiet)}
	var err error
	n.store, err = presence.NewRedis(t.Context(), presence.RedisConfig{Conn: conn, Node: node, Nodes: n.nodes, Logger: quiet, Heartbeat: time.Minute}, PresenceFollower)
	if err != nil {
		t.Fatal(err)
	}
	n.relay = NewRedis(RedisConfig{Conn: conn, Node: node, Store: n.store, Nodes: n.nodes, Logger: quiet})
	n.relay.Attach(sink)
	if h, real := sink.(*Hub); real {
		n.store.OnRecovery(func(partition int) (k presence.Knowledge) { h.Refine(partition, &k); return k }, n.relay.Resync, h.Lost)
	}
	n.run(t)
	return n
}

func (n *redisNode) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context){n.store.Run, n.relay.Run, n.nodes.Run} {
		running.Go(func() { run(ctx) })
	}
	n.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(n.stop)
	eventually(t, "the node hears of others", func() bool { return n.store.Check() == nil && n.relay.Check() == nil })
}

func TestRedis(t *testing.T) {
	testRelay(t, func(t *testing.T) (Relay, presence.Store) {
		n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
		return n.relay, n.store
	})
}

// lapsed is a node's lease that has ended.
func lapsed(node string) redis.Z { return redis.Z{Member: node} }
