package presence

import (
	"context"
	_ "embed"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tallylight/tallylight/internal/redisconn"
)

const (
	// nodeRefresh is how often a node says that it lives, nodeLease how long that holds: one that dies is missed after
	// eight seconds at most, and three refreshes may be lost before a living one is.
	nodeRefresh = 2 * time.Second
	nodeLease   = 8 * time.Second
)

var (
	//go:embed lua/nodes.lua
	nodesLua    string
	nodesScript = redisconn.NewScript(nodesLua)
)

// NodesChange is what a node learns of the others when it refreshes its lease.
type NodesChange struct {
	// Living are all nodes whose lease holds, this one included, in order.
	Living []string
	// Lapsed are nodes whose lease was found to have ended just now. Each is told to one node only: what is left of it is
	// that one's to clear away. A node that was only frozen may come back.
	Lapsed []string
}

// Nodes is a node's lease among all nodes, and what it knows of theirs.
type Nodes struct {
	conn   *redisconn.Conn
	node   string
	logger *slog.Logger

	mu     sync.Mutex
	living []string // in order
	known  bool     // a refresh has succeeded

	watchers []func(context.Context, NodesChange) // fixed once Run runs
}

// NewNodes returns the registry; Join or Run makes this node a member.
func NewNodes(conn *redisconn.Conn, node string, logger *slog.Logger) *Nodes {
	return &Nodes{conn: conn, node: node, logger: logger, living: []string{node}}
}

// Watch has a function called after each refresh that changed anything, from Run's goroutine. It must not be called
// once Run runs.
func (n *Nodes) Watch(changed func(context.Context, NodesChange)) {
	n.watchers = append(n.watchers, changed)
}

// Living returns the nodes whose lease held at the last refresh, in order. Before the first it is this one alone.
func (n *Nodes) Living() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.living
}

// Rank returns this node's place, from 0, among those that could look after a partition. Every node comes to the same
// order by itself (rendezvous hashing, Thaler and Ravishankar 1998), and when one dies only its partitions move.
func (n *Nodes) Rank(partition int) int {
	own, rank := weight(n.node, partition), 0
	for _, other := range n.Living() {
		if other != n.node && weight(other, partition) > own {
			rank++
		}
	}
	return rank
}

func weight(node string, partition int) uint64 {
	return xxhash.Sum64String(node + " " + strconv.Itoa(partition))
}

// Run keeps the lease until the context ends, and then gives it up.
func (n *Nodes) Run(ctx context.Context) {
	tick := time.NewTicker(nodeRefresh)
	defer tick.Stop()
	for {
		n.refresh(ctx)
		select {
		case <-ctx.Done():
			n.leave()
			return
		case <-tick.C:
		}
	}
}

func (n *Nodes) refresh(ctx context.Context) {
	reply, err := n.conn.Run(ctx, nodesScript, []string{n.key()}, n.node, nodeLease.Milliseconds())
	if err != nil {
		if ctx.Err() == nil {
			n.logger.Warn("presence: this node's lease could not be refreshed; it is tried again", "node", n.node, "error", err)
		}
		return
	}
	answer := reply.List()
	change := NodesChange{Living: answer[0].Texts(), Lapsed: answer[1].Texts()}
	slices.Sort(change.Living)
	n.mu.Lock()
	missed := n.known && answer[2].Int() == 0
	moved := !slices.Equal(n.living, change.Living)
	n.living, n.known = change.Living, true
	n.mu.Unlock()
	if missed {
		n.logger.Warn("presence: this node's lease had lapsed; others took it for dead", "node", n.node)
	}
	if moved {
		n.logger.Info("presence: the nodes have changed", "node", n.node, "living", change.Living, "lapsed", change.Lapsed)
	}
	if !moved && len(change.Lapsed) == 0 {
		return
	}
	for _, changed := range n.watchers {
		changed(ctx, change)
	}
}

// leaveTimeout bounds the last word of a node that is going.
const leaveTimeout = time.Second

func (n *Nodes) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if _, err := n.conn.Run(ctx, nodesScript, []string{n.key()}, n.node, 0); err != nil {
		n.logger.Warn("presence: this node's lease could not be given up; it ends by itself", "node", n.node, "error", err)
	}
}

func (n *Nodes) key() string { return n.conn.Base("nodes") + "leases" }
