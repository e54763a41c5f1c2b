package presence

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tallylight/tallylight/internal/redisconn"
)

const (
	// nodeRefresh is how often a node says that it lives, nodeLease how long that holds. A node that dies is declared dead
	// by the next refresh of any other after that, and what it held is let go by the next sweep: 9.5 s at the very worst,
	// where ten were promised.
	nodeRefresh = time.Second
	nodeLease   = 7 * time.Second
	// registryAway is the gap between refreshes, of whatever node, that says that Redis was away and not the nodes.
	registryAway = 3 * time.Second
	// registryYoung is for how long after it lost its data the registry is taught who lives and who does not.
	registryYoung = 3 * nodeRefresh
	// deadKept is for how long the dead are remembered: far longer than anything that was begun in their life can take.
	deadKept = time.Hour
	// isolatedAfter is when a node that can't reach Redis sends its streamers to others: late enough for a hiccup to
	// pass, and early enough for them to be gone before this node is declared dead.
	isolatedAfter = 5 * time.Second
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
	// Died are nodes that were declared dead just now. Each is told to one node only: what is left of it is that one's to
	// clear away. The node itself may come back in another life.
	Died []string
}

// Nodes is a node's lease among all nodes, and what it knows of theirs.
//
// A lease is of a node's life: a node whose lease lapses is declared dead, and that life is over for good, whatever the
// process does. If it was only frozen, or cut off, it finds that out at its next refresh and begins another life.
type Nodes struct {
	conn   *redisconn.Conn
	node   string
	logger *slog.Logger

	mu        sync.Mutex
	living    []string // in order
	lives     []string // theirs
	dead      []string // lives
	life      int      // the present one, from 1
	reachedAt time.Time
	failures  int           // refreshes that failed since
	isolated  bool          // as last told
	took      time.Duration // the last refresh that did not fail

	found chan string // lives of this node that others say are over; holds one, never closed

	// These are fixed once Run runs, and called from its goroutines.
	watchers []func(context.Context, NodesChange)
	reborn   []func(context.Context)
	cutOff   []func(isolated bool)
	describe func() NodeReport // nil: this node says nothing of itself
}

// NewNodes returns the registry; Run makes this node a member.
func NewNodes(conn *redisconn.Conn, node string, logger *slog.Logger) *Nodes {
	return &Nodes{conn: conn, node: node, logger: logger, living: []string{node}, life: 1, reachedAt: time.Now(), found: make(chan string, 1)}
}

// Watch has a function called after each refresh that changed anything. Like all hooks it must be set before Run runs.
func (n *Nodes) Watch(changed func(context.Context, NodesChange)) {
	n.watchers = append(n.watchers, changed)
}

// OnReborn has a function called when this node has begun another life: what it held in the earlier one others may have
// taken.
func (n *Nodes) OnReborn(reborn func(context.Context)) { n.reborn = append(n.reborn, reborn) }

// OnIsolated has a function called when this node has not reached Redis for isolatedAfter, every so often until it does
// again, and then once more with false. It must not block.
func (n *Nodes) OnIsolated(cutOff func(isolated bool)) { n.cutOff = append(n.cutOff, cutOff) }

// Living returns the nodes whose lease held at the last refresh, in order. Before the first it is this one alone.
func (n *Nodes) Living() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.living
}

// Dead returns the lives that were declared dead in the last hour.
func (n *Nodes) Dead() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

// Life returns the name of this node's present life. A nil registry has none.
func (n *Nodes) Life() string {
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lifeLocked()
}

func (n *Nodes) lifeLocked() string { return n.node + "~" + strconv.Itoa(n.life) }

// nodeOf returns whose life it is.
func nodeOf(life string) string { return life[:max(strings.LastIndexByte(life, '~'), 0)] }

// Reached returns when this node last reached Redis, and whether it is isolated by now.
func (n *Nodes) Reached() (at time.Time, isolated bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reachedAt, n.isolatedLocked()
}

// isolatedLocked wants failures as well: a process that was frozen has not reached Redis for long either.
func (n *Nodes) isolatedLocked() bool {
	return n.failures >= 2 && time.Since(n.reachedAt) >= isolatedAfter
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
	var watching sync.WaitGroup
	watching.Go(func() { n.watchContact(ctx) })
	watching.Go(func() { n.keepReporting(ctx) })
	defer watching.Wait()
	tick := time.NewTicker(nodeRefresh)
	defer tick.Stop()
	for {
		n.refresh(ctx)
		select {
		case <-ctx.Done():
			n.leave()
			return
		case <-tick.C:
		case life := <-n.found:
			if life == n.Life() {
				n.beReborn(ctx)
			}
		}
	}
}

// FoundDead is for whoever is told that a life of this node is over, be it that the registry has forgotten it since. It
// does not block.
func (n *Nodes) FoundDead(life string) {
	select {
	case n.found <- life:
	default: // one is waiting already
	}
}

// sayIsolatedEvery is how often those are told again who did not find another node.
const sayIsolatedEvery = 10 * time.Second

// watchContact tells of isolation. A refresh may take its time to fail, so that it is no clock.
func (n *Nodes) watchContact(ctx context.Context) {
	tick := time.NewTicker(nodeRefresh / 4)
	defer tick.Stop()
	var saidAt time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			_, isolated := n.Reached()
			n.mu.Lock()
			changed := isolated != n.isolated
			n.isolated = isolated
			n.mu.Unlock()
			if !changed && (!isolated || now.Sub(saidAt) < sayIsolatedEvery) {
				continue
			}
			saidAt = now
			n.logger.Warn("presence: whether this node is cut off from redis", "node", n.node, "isolated", isolated)
			for _, cutOff := range n.cutOff {
				cutOff(isolated)
			}
		}
	}
}

// registered is the registry's answer.
type registered struct {
	living, died, dead []string      // lives
	known              time.Duration // for how long the registry knows who lives
}

// ask calls the registry. What is taught, the lives of the dead and of the living, it takes in if it does not know better.
func (n *Nodes) ask(ctx context.Context, life, action string, dead, living []string) (registered, error) {
	base := n.conn.Base("nodes")
	args := []any{life, action, nodeLease.Milliseconds(), registryAway.Milliseconds(), deadKept.Milliseconds(), len(dead)}
	for _, taught := range slices.Concat(dead, living) {
		args = append(args, taught)
	}
	reply, err := n.conn.Run(ctx, nodesScript, []string{base + "leases", base + "dead", base + "state"}, args...)
	if err != nil {
		return registered{}, err
	}
	answer := reply.List()
	return registered{
		living: answer[0].Texts(), died: answer[1].Texts(), dead: answer[2].Texts(),
		known: time.Duration(answer[3].Int()) * time.Millisecond,
	}, nil
}

// refresh says that this node lives, and learns who else does.
func (n *Nodes) refresh(ctx context.Context) {
	life := n.Life()
	began := time.Now()
	answer, err := n.ask(ctx, life, "refresh", nil, nil)
	took := time.Since(began)
	if err == nil && answer.known < registryYoung {
		n.mu.Lock()
		dead, living := n.dead, n.lives
		n.mu.Unlock()
		died := answer.died
		answer, err = n.ask(ctx, life, "refresh", dead, living)
		answer.died = append(died, answer.died...)
	}
	if err != nil {
		n.mu.Lock()
		n.failures++
		n.mu.Unlock()
		if ctx.Err() == nil {
			n.logger.Warn("presence: this node's lease could not be refreshed; it is tried again", "node", n.node, "error", err)
		}
		return
	}
	if slices.Contains(answer.dead, life) {
		n.beReborn(ctx)
		return
	}
	change, moved := n.take(answer, took)
	if moved {
		n.logger.Info("presence: the nodes have changed", "node", n.node, "living", change.Living, "died", change.Died)
	}
	if moved || len(change.Died) > 0 {
		for _, changed := range n.watchers {
			changed(ctx, change)
		}
	}
}

// beReborn begins another life.
func (n *Nodes) beReborn(ctx context.Context) {
	n.mu.Lock()
	n.life++
	life := n.lifeLocked()
	n.mu.Unlock()
	n.logger.Warn("presence: this node was declared dead; it begins another life", "node", n.node, "life", life)
	n.refresh(ctx)
	for _, reborn := range n.reborn {
		reborn(ctx)
	}
}

func (n *Nodes) take(answer registered, took time.Duration) (change NodesChange, moved bool) {
	change = NodesChange{Living: nodesOf(answer.living)}
	for _, node := range nodesOf(answer.died) {
		if !slices.Contains(change.Living, node) {
			change.Died = append(change.Died, node)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reachedAt, n.failures, n.took = time.Now(), 0, took
	n.dead = answer.dead
	moved = !slices.Equal(n.living, change.Living)
	n.living, n.lives = change.Living, answer.living
	return change, moved
}

// nodesOf returns whose lives these are, in order.
func nodesOf(lives []string) []string {
	nodes := make([]string, len(lives))
	for i, life := range lives {
		nodes[i] = nodeOf(life)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// leaveTimeout bounds the last word of a node that is going.
const leaveTimeout = time.Second

// leave ends this life: whatever is still tied to it has nobody to look after it.
func (n *Nodes) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if _, err := n.ask(ctx, n.Life(), "leave", nil, nil); err != nil {
		n.logger.Warn("presence: this node's lease could not be given up; it ends by itself", "node", n.node, "error", err)
	}
}

// Check returns an error while this node does not reach Redis. It does not block.
func (n *Nodes) Check() error {
	if at, isolated := n.Reached(); isolated {
		return fmt.Errorf("redis was last reached %s ago", time.Since(at).Round(time.Second))
	}
	return nil
}
