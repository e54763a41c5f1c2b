package rooms

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/presence"
)

// counts adds up how many viewers each room has on other living nodes. A node writes one number per room, and only when
// it changed; the same step publishes it. All nodes hear of all numbers, because each of them answers who is live. What
// a node said that is gone does not count, so that nobody needs to repair anything after a crash.
type counts struct {
	relay *Redis

	mu      sync.Mutex
	living  map[string]bool
	rooms   map[string]map[string]int // room → node → viewers there; without this node
	told    map[string]int            // room → what the sink was told, unless 0
	loading [presence.Partitions]*countLoad
	load    chan int // partitions to load; has room for all
	saying
}

// countLoad is what was heard while a partition's numbers are being loaded: that is newer than what is loaded.
type countLoad struct {
	heard map[countKey]bool
	again bool
}

type countKey struct{ node, room string }

func newCounts(r *Redis) *counts {
	c := &counts{
		relay:  r,
		living: make(map[string]bool),
		rooms:  make(map[string]map[string]int),
		told:   make(map[string]int),
		load:   make(chan int, presence.Partitions),
		saying: saying{reported: make(map[string]reported), unsure: make(map[string]bool)},
	}
	for _, node := range r.cfg.Nodes.Living() {
		c.living[node] = true
	}
	for p := range r.parts {
		r.listener.Listen(r.parts[p].base+"counts", redisconn.Handler{
			Subscribed: func() { c.mustLoad(p) },
			Message:    func(payload string) { c.heard(p, payload) },
		})
	}
	r.cfg.Nodes.Watch(c.nodesChanged)
	return c
}

// run loads numbers when subscriptions were made, until the context ends.
func (c *counts) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-c.load:
			c.loadPartition(ctx, p)
		}
	}
}

// set keeps a number, 0 by not keeping it.
func set[K comparable](m map[K]int, key K, n int) {
	if n == 0 {
		delete(m, key)
	} else {
		m[key] = n
	}
}

// heard takes what is said on a partition's channel: "<node> <room> <number>", or the name of a node whose numbers were
// all cleared away.
func (c *counts) heard(p int, payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, n, ok := parseCount(payload)
	switch {
	case !ok && payload == c.relay.cfg.Node:
		c.repeatLocked(p, nil) // we were frozen, and taken for dead
	case !ok:
		for room := range c.rooms {
			if presence.PartitionOf(room) == p {
				c.takeLocked(p, countKey{payload, room}, 0)
			}
		}
	case key.node != c.relay.cfg.Node:
		c.takeLocked(p, key, n)
	}
}

// takeLocked takes a number that is newer than any that is being loaded.
func (c *counts) takeLocked(p int, key countKey, n int) {
	if l := c.loading[p]; l != nil {
		l.heard[key] = true
	}
	c.setLocked(key, n)
	c.tellLocked(key.room)
}

// parseCount reads "<node> <room> <number>", and as it is kept, where the broadcast that they watch may follow.
func parseCount(payload string) (countKey, int, bool) {
	parts := strings.Split(payload, " ") // no name or id has a space
	if len(parts) != 3 && len(parts) != 4 {
		return countKey{}, 0, false
	}
	n, err := strconv.Atoi(parts[2])
	return countKey{parts[0], parts[1]}, n, err == nil
}

func (c *counts) setLocked(key countKey, n int) {
	nodes := c.rooms[key.room]
	if nodes == nil {
		if n == 0 {
			return
		}
		nodes = make(map[string]int)
		c.rooms[key.room] = nodes
	}
	set(nodes, key.node, n)
	if len(nodes) == 0 {
		delete(c.rooms, key.room)
	}
}

// tellLocked tells the sink of a room's number if that has changed. The sink does not block.
func (c *counts) tellLocked(room string) {
	sum := 0
	for node, n := range c.rooms[room] {
		if c.living[node] {
			sum += n
		}
	}
	if sum != c.told[room] {
		set(c.told, room, sum)
		c.relay.sink.OtherViewers(room, sum)
	}
}

// mustLoad has a partition's numbers loaded: what was said before the subscription was not heard.
func (c *counts) mustLoad(p int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.loading[p]; l != nil {
		l.again = true
		return
	}
	c.beginLoadLocked(p)
}

func (c *counts) beginLoadLocked(p int) {
	c.loading[p] = &countLoad{heard: make(map[countKey]bool)}
	c.load <- p // which has room: a partition is in it once at most
}

// loadPartition replaces what is known of a partition, but for what was heard meanwhile, and says again what this node
// has there: Redis may have lost it.
func (c *counts) loadPartition(ctx context.Context, p int) {
	fields, err := c.relay.cfg.Conn.Client().HGetAll(ctx, c.relay.parts[p].base+"viewers").Result()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.loading[p]
	if err != nil {
		if ctx.Err() == nil {
			c.relay.cfg.Logger.Warn("rooms: loading viewers failed; it is tried again", "partition", p, "error", err)
		}
		time.AfterFunc(readAgainMost, func() { c.load <- p })
		return
	}
	c.loading[p] = nil
	c.replaceLocked(p, fields, l.heard)
	c.repeatLocked(p, fields)
	if l.again {
		c.beginLoadLocked(p)
	}
}

func (c *counts) replaceLocked(p int, fields map[string]string, heard map[countKey]bool) {
	changed := make(map[string]bool)
	for room, nodes := range c.rooms {
		if presence.PartitionOf(room) != p {
			continue
		}
		for node := range maps.Clone(nodes) {
			if !heard[countKey{node, room}] {
				c.setLocked(countKey{node, room}, 0)
				changed[room] = true
			}
		}
	}
	for field, number := range fields {
		key, n, ok := parseCount(field + " " + number)
		if ok && key.node != c.relay.cfg.Node && !heard[key] {
			c.setLocked(key, n)
			changed[key.room] = true
		}
	}
	for room := range changed {
		c.tellLocked(room)
	}
}

// nodesChanged is called by the registry.
func (c *counts) nodesChanged(ctx context.Context, change presence.NodesChange) {
	c.mu.Lock()
	clear(c.living)
	for _, node := range change.Living {
		c.living[node] = true
	}
	for room := range c.rooms {
		c.tellLocked(room)
	}
	c.mu.Unlock()
	for _, node := range change.Died {
		c.clear(ctx, node)
	}
}
