package rooms

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// courier carries signals between nodes: each goes to the channel of its addressee's node alone, whose answer comes back
// over that of the sender's.
type courier struct {
	relay *Redis

	mu     sync.Mutex
	nextID int64
	out    map[string]*carried
}

// carried is a signal that is under way.
type carried struct {
	answered func(error)
	deadline *time.Timer
}

// letter is what a signal travels in.
type letter struct {
	ID     string `json:"id"`
	From   string `json:"from"` // the node that sends it
	Signal Signal `json:"signal"`
}

// receipt goes back to the node that sent the letter.
type receipt struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome,omitempty"`
}

func newCourier(r *Redis) *courier { return &courier{relay: r, out: make(map[string]*carried)} }

func (c *courier) letters(node string) string {
	return c.relay.cfg.Conn.Base("inbox-"+node) + "signals"
}
func (c *courier) receipts(node string) string {
	return c.relay.cfg.Conn.Base("inbox-"+node) + "signalled"
}

// listen is called once there is a sink.
func (c *courier) listen(on *redisconn.Listener) {
	on.Listen(c.letters(c.relay.cfg.Node), redisconn.Handler{Message: c.arrived})
	on.Listen(c.receipts(c.relay.cfg.Node), redisconn.Handler{Message: c.returned})
}

// Signal implements Relay.
func (r *Redis) Signal(ctx context.Context, node string, s Signal, answered func(error)) {
	c := r.courier
	id := c.expect(answered)
	heard, err := r.cfg.Conn.Client().SPublish(ctx, c.letters(node), wire.JSON(letter{ID: id, From: r.cfg.Node, Signal: s})).Result()
	switch {
	case err != nil:
		c.settle(id, unavailable(err))
	case heard == 0 && slices.Contains(r.cfg.Nodes.Living(), node):
		c.settle(id, presence.ErrUnavailable) // it listens again in a moment
	case heard == 0:
		c.settle(id, ErrPeerGone)
	}
}

// expect has somebody told what became of a signal, whatever happens.
func (c *courier) expect(answered func(error)) (id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextID++
	id = strconv.FormatInt(c.nextID, 36)
	c.out[id] = &carried{
		answered: answered,
		deadline: time.AfterFunc(SignalWithin, func() { c.settle(id, presence.ErrUnavailable) }),
	}
	return id
}

// settle tells what became of a signal, if nobody has yet.
func (c *courier) settle(id string, err error) {
	c.mu.Lock()
	out := c.out[id]
	delete(c.out, id)
	c.mu.Unlock()
	if out != nil {
		out.deadline.Stop()
		out.answered(err)
	}
}

// arrived takes another node's signal.
func (c *courier) arrived(payload string) {
	var l letter
	if err := json.Unmarshal([]byte(payload), &l); err != nil {
		c.relay.cfg.Logger.Error("rooms: a signal from another node can't be read", "error", err)
		return
	}
	c.relay.sink.TakeSignal(l.Signal, func(err error) {
		c.relay.begin(func() { c.acknowledge(l, outcomeOf(err)) })
	})
}

func (c *courier) acknowledge(l letter, outcome string) {
	ctx, cancel := context.WithTimeout(c.relay.life, SignalWithin)
	defer cancel()
	err := c.relay.cfg.Conn.Client().SPublish(ctx, c.receipts(l.From), wire.JSON(receipt{ID: l.ID, Outcome: outcome})).Err()
	if err != nil && ctx.Err() == nil {
		c.relay.cfg.Logger.Warn("rooms: a node could not be told what became of a signal", "node", l.From, "error", err)
	}
}

// returned takes a receipt. One that comes too late is for nobody.
func (c *courier) returned(payload string) {
	var r receipt
	if err := json.Unmarshal([]byte(payload), &r); err != nil {
		c.relay.cfg.Logger.Error("rooms: what became of a signal can't be read", "error", err)
		return
	}
	c.settle(r.ID, errorOfOutcome(r.Outcome))
}

func (r *Redis) peeringsKey(room string) string {
	return r.parts[presence.PartitionOf(room)].base + "peers:" + room
}

// Peerings implements Relay.
func (r *Redis) Peerings(ctx context.Context, room string) ([]Peering, error) {
	fields, err := r.cfg.Conn.Client().HGetAll(ctx, r.peeringsKey(room)).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	all := make([]Peering, 0, len(fields))
	for session, encoded := range fields {
		var p Peering
		if err := json.Unmarshal([]byte(encoded), &p); err != nil {
			r.cfg.Logger.Error("rooms: a session can't be read; it is passed over", "room", room, "session", session, "error", err)
			continue
		}
		all = append(all, p)
	}
	return all, nil
}

// KeepPeerings implements Relay.
func (r *Redis) KeepPeerings(ctx context.Context, room string, kept []Peering) error {
	key := r.peeringsKey(room)
	_, err := r.cfg.Conn.Client().TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range kept {
			p.HSet(ctx, key, k.Session, wire.JSON(k))
		}
		p.PExpire(ctx, key, peeringsKept)
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// DropPeering implements Relay.
func (r *Redis) DropPeering(ctx context.Context, room, session string) error {
	if err := r.cfg.Conn.Client().HDel(ctx, r.peeringsKey(room), session).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// DropPeerings implements Relay.
func (r *Redis) DropPeerings(ctx context.Context, room string) error {
	if err := r.cfg.Conn.Client().Del(ctx, r.peeringsKey(room)).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}
