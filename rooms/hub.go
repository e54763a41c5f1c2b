package rooms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Config is what a Hub is made of.
type Config struct {
	Node      string              // this node's id, new at every start; required
	Store     presence.Store      // required
	Relay     Relay               // required
	Directory *presence.Directory // required
	Logger    *slog.Logger        // required
	// Stale reports whether the store can't be reached, so that rooms may be
	// behind; nil: never. It must not block.
	Stale func() bool
	// Drain begins to send everybody away when a command says so; nil: nothing
	// does. It must not block.
	Drain func()
	// Living returns the nodes that live; nil: this one is alone.
	Living func() []string
	// Noted says which events are to be noted for the record when they are
	// published, see presence.Notes; nil: none. It must not block.
	Noted func(event string) bool
	// Rank says which place this node has, from 0, among those that could look
	// after a partition; nil: it runs alone.
	Rank func(partition int) int
	// Book says who may not take part; nil: everybody may, and nobody can be
	// moderated. NewHub is the one to be told by it.
	Book *moderation.Book
	// MaxPeers is how many signalling sessions a streamer may have open at a
	// time; 0 means DefaultMaxPeers.
	MaxPeers int
}

// Hub is a node's part in all rooms: it knows the sessions of this node and
// keeps a replica of each room that one of them has joined.
type Hub struct {
	cfg Config

	mu       sync.Mutex
	rooms    map[string]*room
	sessions map[string]Session

	countMu sync.Mutex
	counted map[string]struct{} // rooms whose viewers may have changed
	anew    map[string]struct{} // rooms of which all is to be reported again
	others  map[string]int      // viewers on other nodes, of rooms that have any

	ledger    *ledger
	reactions *reactions
	forgotAt  time.Time // of everySecond: when accounts were last forgotten

	beatMu sync.Mutex
	beaten map[presence.Hold]string // leases whose holder was heard from → its connection

	settleMu  sync.Mutex // before mu, if both are held
	unsettled map[place]unsettled
	claims    map[string][]string // by connection: rooms it may have claimed

	peerMu sync.Mutex
	peered map[*peerings]struct{} // those that have sessions

	sessionsOpen atomic.Int64 // of all of them

	deeds deeds
}

var _ Sink = (*Hub)(nil)

// NewHub returns the node's hub and attaches it to its relay.
func NewHub(cfg Config) *Hub {
	if cfg.MaxPeers == 0 {
		cfg.MaxPeers = DefaultMaxPeers
	}
	h := &Hub{
		cfg:       cfg,
		rooms:     make(map[string]*room),
		sessions:  make(map[string]Session),
		counted:   make(map[string]struct{}),
		anew:      make(map[string]struct{}),
		ledger:    newLedger(),
		reactions: newReactions(),
		others:    make(map[string]int),
		beaten:    make(map[presence.Hold]string),
		unsettled: make(map[place]unsettled),
		claims:    make(map[string][]string),
		peered:    make(map[*peerings]struct{}),
		deeds:     newDeeds(),
	}
	if cfg.Book != nil {
		cfg.Book.On(h.acted, h.expelAll)
	}
	cfg.Relay.Attach(h)
	return h
}

// Run applies transitions to rooms, tells viewer counts and reactions, and passes
// heartbeats on, until the context ends.
func (h *Hub) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { presence.EachNews(ctx, h.cfg.Store, h.applyAll) })
	running.Go(func() { h.everySecond(ctx) })
	running.Go(func() { h.tickPeerings(ctx) })
	running.Go(func() { h.tickReactions(ctx) })
	running.Go(func() { h.carryOn(ctx) })
	running.Wait()
}

func (h *Hub) everySecond(ctx context.Context) {
	tick := time.NewTicker(viewersEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.tellAllViewers(ctx, now)
			h.forgetAudiences(now)
			h.passBeats(ctx)
			h.settle(ctx)
		}
	}
}

// Register makes the session reachable for commands. It must be unregistered
// once it has left all rooms.
func (h *Hub) Register(s Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s.Connection()] = s
}

// Unregister ends what Register began. The session must not join any more.
func (h *Hub) Unregister(s Session) {
	h.mu.Lock()
	delete(h.sessions, s.Connection())
	h.mu.Unlock()
	h.settleClaims(s.Connection())
}

// Stale reports whether the store can't be reached, so that rooms may be behind
// and nothing can be claimed. It does not block.
func (h *Hub) Stale() bool { return h.cfg.Stale != nil && h.cfg.Stale() }

// Order carries a command to the node, or nodes, that it is for. ErrNodeGone if
// it names a node that is not there. It may block on the store.
func (h *Hub) Order(ctx context.Context, c Command) error { return h.cfg.Relay.Command(ctx, c) }

// Command implements Sink.
func (h *Hub) Command(c Command) {
	if c.Node != "" && c.Node != h.cfg.Node {
		return
	}
	if c.Moderated {
		h.cfg.Book.Wake()
		return
	}
	if c.Drain {
		if h.cfg.Drain != nil {
			h.cfg.Drain()
		}
		return
	}
	if s := h.session(c.Connection); s != nil {
		s.Cut(c.Cut)
	}
}

// session returns who is registered under a connection's id, or nil.
func (h *Hub) session(connection string) Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[connection]
}

// Join makes the session a member and queues its Joined. A streamer claims the
// room's lease first: presence.ErrConflict if another user holds it. Joining
// again in the same role asks for a fresh snapshot; in another role it is
// ErrRole; whoever is banned gets a *Refusal. Calls for one session must not
// overlap. It may block on the store.
func (h *Hub) Join(ctx context.Context, s Session, j Join) error {
	if err := h.Admits(j.Room, s.User().ID, s.Addr()); err != nil {
		return err
	}
	r, err := h.acquire(ctx, j.Room)
	if err != nil {
		return err
	}
	m := r.member(s.Connection())
	if m != nil && m.role != j.Role {
		h.release(r)
		return ErrRole
	}
	if err = h.reach(ctx, r, j.Since); err == nil && m == nil {
		m, err = h.newMember(ctx, s, j, r)
	}
	if err != nil {
		h.release(r)
		return err
	}
	first := r.enrol(m, j, h.Stale())
	switch {
	case !first:
		h.release(r) // a member already has its reference
	case m.peerings != nil:
		m.peerings.begin()
	}
	h.recount(j.Room)
	h.expelBanned(j.Room, s) // who was banned meanwhile, and was not yet here to be found
	return nil
}

// catchUpTimeout bounds how long a join waits for what another node has told already.
const catchUpTimeout = 2 * time.Second

// reach sees to it that this node knows what the client was told elsewhere:
// else it would be told an older state, and the same events again.
// presence.ErrUnavailable if that can't be had now.
func (h *Hub) reach(ctx context.Context, r *room, since *Position) error {
	if since == nil || since.Epoch == "" || r.knows(*since) {
		return nil
	}
	if h.Stale() {
		return fmt.Errorf("%w: this node can't reach redis, and is behind what you were told of room %q", presence.ErrUnavailable, r.name)
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	return h.cfg.Relay.CatchUp(ctx, r.name, r) // if it is still unknown then, nobody was told of it
}

func (h *Hub) newMember(ctx context.Context, s Session, j Join, r *room) (*member, error) {
	m := &member{session: s, role: j.Role}
	if j.Role != auth.RoleStreamer {
		return m, nil
	}
	if err := h.settleBefore(ctx, place{s.Connection(), j.Room}); err != nil {
		return nil, err
	}
	m.peerings = &peerings{hub: h, room: j.Room, streamer: s, working: true}
	r.expect(m) // others may hear of the claim before this node does
	claimed, err := h.cfg.Store.Claim(ctx, presence.Claim{
		Room: j.Room, User: s.User(), Connection: s.Connection(), Node: h.cfg.Node,
	})
	if errors.Is(err, presence.ErrUnavailable) && !errors.Is(err, presence.ErrUnasked) {
		h.claimUnknown(s.Connection(), j.Room)
	}
	if err != nil {
		r.expectNoMore(m)
		m.peerings.end(ctx, false)
		m.peerings.begin()
		return nil, err
	}
	m.fence = claimed.Lease.Fence
	m.peerings.began = claimed.Began
	if !claimed.Began {
		m.peerings.resume()
	}
	// The snapshot that follows should already show the streamer as they are
	// now. If this fails, the log's follower tells the room a little later.
	if h.apply(ctx, presence.PartitionOf(j.Room)) == nil {
		_ = h.cfg.Relay.CatchUp(ctx, j.Room, r)
	}
	if claimed.Replaced != "" {
		h.cutReplaced(ctx, claimed)
	}
	return m, nil
}

// cutReplaced closes the older connection. Its fence is void whatever happens
// to the command.
func (h *Hub) cutReplaced(ctx context.Context, c presence.Claimed) {
	err := h.cfg.Relay.Command(ctx, Command{Node: c.ReplacedNode, Connection: c.Replaced, Cut: CutReplaced})
	if err != nil && !errors.Is(err, ErrNodeGone) {
		h.cfg.Logger.Warn("rooms: the replaced connection was not told", "connection", c.Replaced, "error", err)
	}
}

// Leave takes the session out of the room; a streamer's lease is released for
// the reason. ErrNotJoined if it is not a member. It may block on the store,
// but the session is out of the room before that. If the store does not
// answer, the lease is given up as soon as it does; who leaves on purpose gets
// presence.ErrUnavailable then, and may ask again whether it has happened. They
// get presence.ErrFenced for as long as the broadcast goes on over a newer
// connection.
func (h *Hub) Leave(ctx context.Context, s Session, name string, why presence.Reason) error {
	u, err := h.takeOut(ctx, s, name, why)
	if err != nil || u.fence == 0 {
		return err
	}
	err = h.settleNow(ctx, u)
	if errors.Is(err, presence.ErrUnavailable) {
		h.settleLater(u)
	}
	if why != presence.ReasonLeft && (errors.Is(err, presence.ErrUnavailable) || errors.Is(err, presence.ErrFenced)) {
		return nil // who is gone does not ask what became of it
	}
	return err
}

// takeOut removes a member, and returns the lease that is to be given up, if
// any.
func (h *Hub) takeOut(ctx context.Context, s Session, name string, why presence.Reason) (unsettled, error) {
	p := place{s.Connection(), name}
	r := h.find(name)
	var m *member
	var sessions map[string]string
	if r != nil {
		m, sessions = r.remove(s.Connection())
	}
	if m == nil {
		if u, pending := h.unsettledOf(p); pending {
			return u, nil // it asks what became of it
		}
		return unsettled{}, ErrNotJoined
	}
	h.recount(name)
	h.release(r)
	h.partFrom(ctx, m, name, sessions, !why.OpensWindow())
	return unsettled{place: p, user: s.User().ID, fence: m.fence, why: why}, nil
}

// Publish says something in a room. The caller has checked who may, and the
// data with Check. It may block on the store. A reaction is only counted, which
// does not block: it has no position, nor a use for a sender or a key, and a
// *Refusal says that it would be of one kind too many.
func (h *Hub) Publish(ctx context.Context, p Publication) (Position, error) {
	if p.Name == EventReaction {
		return Position{}, h.react(p.Room, p.Data)
	}
	p.Noted = h.cfg.Noted != nil && h.cfg.Noted(p.Name)
	return h.cfg.Relay.Publish(ctx, p)
}

// Viewers returns how many connections view the room, as far as known here.
func (h *Hub) Viewers(name string) int {
	r := h.find(name)
	if r == nil {
		return h.viewersElsewhere(name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.viewers.total()
}

// acquire returns the node's replica of the room, subscribed, with a reference
// that must be released.
func (h *Hub) acquire(ctx context.Context, name string) (*room, error) {
	others := h.viewersElsewhere(name)
	h.mu.Lock()
	r := h.rooms[name]
	first := r == nil
	if first {
		r = newRoom(name, h.ledger, h.recount, h.cfg.Book)
		r.viewers.others = others
		h.rooms[name] = r
	}
	r.refs++
	h.mu.Unlock()
	if first {
		// Others wait for this one: it must not end because its asker went.
		r.failed = h.cfg.Relay.Subscribe(context.WithoutCancel(ctx), name, r)
		close(r.subscribed)
	}
	select {
	case <-r.subscribed:
	case <-ctx.Done():
		h.release(r)
		return nil, ctx.Err()
	}
	if r.failed != nil {
		h.release(r)
		return nil, fmt.Errorf("subscribing to room %q: %w", name, r.failed)
	}
	return r, nil
}

// release gives a reference back. With the last one the replica goes: a later
// join makes a new one with a subscription of its own and inherits nothing.
func (h *Hub) release(r *room) {
	h.mu.Lock()
	r.refs--
	last := r.refs == 0
	if last {
		delete(h.rooms, r.name)
	}
	h.mu.Unlock()
	if last {
		h.cfg.Relay.Unsubscribe(r.name, r)
	}
}

// find returns the replica of a room that has members here, or nil.
func (h *Hub) find(name string) *room {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rooms[name]
}

// applyAll moves transitions of these partitions into their rooms.
// While the store is away there is no use in asking it 64 times.
func (h *Hub) applyAll(ctx context.Context, partitions []int, _ bool) {
	for _, p := range partitions {
		if errors.Is(h.apply(ctx, p), presence.ErrUnavailable) {
			return
		}
	}
}

// apply moves transitions of a partition into their rooms. Whoever has made
// one may pass over the error: the log's follower comes by again.
func (h *Hub) apply(ctx context.Context, partition int) error {
	err := h.cfg.Relay.Apply(ctx, partition)
	if err != nil && ctx.Err() == nil {
		h.cfg.Logger.Warn("rooms: applying transitions failed; it is tried again", "partition", partition, "error", err)
	}
	return err
}
