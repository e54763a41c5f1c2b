package rooms

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

const (
	// DefaultMaxPeers is how many sessions a streamer may have open at a time: as many copies of the stream leave their
	// machine.
	DefaultMaxPeers = 8
	// peerGrace is how long a session waits for a viewer whose connection has ended.
	peerGrace = 30 * time.Second
	// peeringsKept is how long the sessions of a streamer are remembered who does not come back, and peeringsAgain how often
	// they are said again: the store may have lost them.
	peeringsKept  = time.Hour
	peeringsAgain = time.Minute
	// peeringsWithin bounds what is asked of the store for one signal.
	peeringsWithin = 2 * time.Second
	// laneMost is how many signals may wait for a streamer's node to take them, which it does at once unless the store is slow.
	laneMost = 128
	// formerMembers is how many earlier ids of a viewer are remembered: a streamer may still use one.
	formerMembers = 4
)

// Peering is a session that is open between the streamer of a room and one of its viewers. It outlives the connections of
// both, which is why it is kept where any node finds it.
type Peering struct {
	Session string `json:"session"`
	User    string `json:"user,omitempty"` // the viewer; empty until they have said anything
	Member  string `json:"member"`         // the viewer's connection, as far as is known
}

// peerings are the sessions of one streamer, owned by the node that the streamer is connected to. It alone opens and ends
// them, so that there are never more than there may be, and nobody uses another's.
type peerings struct {
	hub      *Hub
	room     string
	streamer Session
	began    bool // with nothing: what the store still knows is of an earlier time; set before begin

	laneMu  sync.Mutex
	lane    []func() // what is still to be taken, in order
	working bool     // somebody takes it, or will from begin on

	mu      sync.Mutex // held while the store is asked, so that signals stay in order
	loaded  bool       // open is what the store knew
	over    bool       // the streamer is not a member any more
	open    []*peering
	savedAt time.Time // of all
}

type peering struct {
	Peering
	former []string  // earlier members
	goneAt time.Time // when the viewer was found gone; zero: they are there
	darkAt time.Time // when their node was first not among the living; zero: it is
}

// take takes what a viewer, or a viewer's node, says, after what was taken before. It does not block.
func (p *peerings) take(sig Signal, answered func(error)) {
	p.laneMu.Lock()
	defer p.laneMu.Unlock()
	if len(p.lane) >= laneMost && sig.Kind.Valid() {
		answered(ErrPeerBusy)
		return
	}
	p.lane = append(p.lane, func() { answered(p.receive(sig)) })
	if !p.working {
		p.working = true
		go p.work()
	}
}

// resume has the sessions looked at that the streamer had over an earlier connection, so that whoever of them is gone is
// said goodbye to although nobody says anything in their session. It does not block.
func (p *peerings) resume() {
	p.take(Signal{Room: p.room, Kind: signalProbe}, func(error) {}) // which is in no session
}

// begin is called once the streamer is a member, or is known not to become one. What is said to them before waits until
// then: others may be told of a streamer before they are enrolled. It does not block.
func (p *peerings) begin() { go p.work() }

func (p *peerings) work() {
	for next := p.next(); next != nil; next = p.next() {
		next()
	}
}

func (p *peerings) next() func() {
	p.laneMu.Lock()
	defer p.laneMu.Unlock()
	if len(p.lane) == 0 {
		p.lane, p.working = nil, false
		return nil
	}
	next := p.lane[0]
	p.lane = p.lane[1:]
	return next
}

// receive hands the streamer what a viewer says.
func (p *peerings) receive(sig Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), peeringsWithin)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.loadLocked(ctx); err != nil {
		return err
	}
	at := p.findLocked(sig.Session)
	switch {
	case sig.Kind == signalGone || sig.Kind == signalLeft:
		p.partedLocked(ctx, at, sig)
		return nil
	case at == nil && sig.Kind == SignalBye:
		return nil // it is over already
	case at == nil && !sig.Kind.opens():
		return ErrPeerGone
	case at == nil:
		return p.openLocked(ctx, Peering{Session: sig.Session, User: sig.User.ID, Member: sig.From}, sig)
	case !at.mayUse(sig):
		return ErrNotPeers
	}
	if sig.Kind == SignalBye {
		p.forgetLocked(ctx, at)
	} else if err := p.moveLocked(ctx, at, sig.User.ID, sig.From); err != nil {
		return err
	}
	return p.streamer.Signal(sig.message())
}

// mayUse reports whether a signal is from the session's viewer. Over a new connection, that is the same user.
func (at *peering) mayUse(sig Signal) bool {
	if at.User == "" {
		return at.Member == sig.From
	}
	return at.User == sig.User.ID
}

// partedLocked is told that a viewer is gone.
func (p *peerings) partedLocked(ctx context.Context, at *peering, sig Signal) {
	switch {
	case at == nil || at.Member != sig.From: // they are back already
	case at.User == "":
		p.forgetLocked(ctx, at) // they never were there, as its streamer was told
	case sig.Kind == signalLeft:
		p.endLocked(ctx, at)
	default:
		at.lost(time.Now())
	}
}

// openLocked opens a session if there is a seat left, and hands on what opens it.
func (p *peerings) openLocked(ctx context.Context, opened Peering, sig Signal) error {
	for _, at := range slices.Clone(p.open) { // one viewer has one, and a page that was loaded anew is another connection
		if at.Member == opened.Member || at.User == opened.User && !at.goneAt.IsZero() {
			p.endLocked(ctx, at)
		}
	}
	if len(p.open) >= p.hub.cfg.MaxPeers {
		return ErrPeerLimit
	}
	if err := p.hub.cfg.Relay.KeepPeerings(ctx, p.room, []Peering{opened}); err != nil {
		return err
	}
	at := &peering{Peering: opened}
	p.addLocked(at)
	if sig.Role == auth.RoleStreamer {
		return nil // whose node sends it on
	}
	err := p.streamer.Signal(sig.message())
	if err != nil {
		p.forgetLocked(ctx, at)
	}
	return err
}

// moveLocked notes over which connection a session's viewer is heard now.
func (p *peerings) moveLocked(ctx context.Context, at *peering, user, member string) error {
	at.goneAt, at.darkAt = time.Time{}, time.Time{}
	if at.Member == member && at.User == user {
		return nil
	}
	moved := Peering{Session: at.Session, User: user, Member: member}
	if err := p.hub.cfg.Relay.KeepPeerings(ctx, p.room, []Peering{moved}); err != nil {
		return err
	}
	if at.Member != member {
		at.former = append(at.former, at.Member)
		at.former = at.former[max(0, len(at.former)-formerMembers):]
	}
	at.Peering = moved
	return nil
}

// send brings what the streamer says to a viewer. Calls must not overlap.
func (p *peerings) send(ctx context.Context, sig Signal, answered func(error)) {
	to, err := p.address(ctx, sig)
	if err != nil || to == "" {
		answered(err)
		return
	}
	sig.To = to
	p.hub.route(ctx, sig, func(err error) {
		if errors.Is(err, ErrPeerGone) || errors.Is(err, ErrNotPeers) {
			p.missed(sig)
		}
		answered(err)
	})
}

// address returns where the viewer of a session is, and nothing if the session is over.
func (p *peerings) address(ctx context.Context, sig Signal) (to string, err error) {
	ctx, cancel := context.WithTimeout(ctx, peeringsWithin)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.loadLocked(ctx); err != nil {
		return "", err
	}
	at := p.findLocked(sig.Session)
	switch {
	case at == nil && sig.Kind == SignalBye:
		return "", nil
	case sig.To == ToStreamer:
		return "", ErrNotPeers // who says so is the streamer
	case at == nil && !sig.Kind.opens():
		return "", ErrPeerGone
	case at == nil:
		return sig.To, p.openLocked(ctx, Peering{Session: sig.Session, Member: sig.To}, sig)
	case sig.To != at.Member && !slices.Contains(at.former, sig.To):
		return "", ErrNotPeers
	}
	if sig.Kind == SignalBye {
		p.forgetLocked(ctx, at)
	}
	return at.Member, nil
}

// missed is called when a viewer was not where they were thought to be.
func (p *peerings) missed(sig Signal) {
	p.take(Signal{Room: p.room, Session: sig.Session, Kind: signalGone, From: sig.To}, func(error) {})
}

func (p *peerings) findLocked(session string) *peering {
	i := slices.IndexFunc(p.open, func(at *peering) bool { return at.Session == session })
	if i < 0 {
		return nil
	}
	return p.open[i]
}

// loadLocked reads the sessions that the streamer had over an earlier connection, and has their viewers looked for.
func (p *peerings) loadLocked(ctx context.Context) error {
	if p.over {
		return ErrPeerGone
	}
	if p.loaded {
		return nil
	}
	if p.began {
		err := p.hub.cfg.Relay.DropPeerings(ctx, p.room)
		p.loaded, p.savedAt = err == nil, time.Now()
		return err
	}
	known, err := p.hub.cfg.Relay.Peerings(ctx, p.room)
	if err != nil {
		return err
	}
	p.loaded, p.savedAt = true, time.Now()
	for _, k := range known {
		p.addLocked(&peering{Peering: k})
		p.look(k)
	}
	return nil
}

func (p *peerings) addLocked(at *peering) {
	p.open = append(p.open, at)
	p.hub.sessionsOpen.Add(1)
	p.hub.watchPeerings(p)
}

// look asks a viewer's node whether the session is open there still: nobody could tell us while we were not here.
func (p *peerings) look(k Peering) {
	probe := Signal{Room: p.room, Session: k.Session, Kind: signalProbe, To: k.Member, From: p.streamer.Connection(), Role: auth.RoleStreamer}
	found := func(err error) {
		kind := signalGone
		switch {
		case err == nil, errors.Is(err, presence.ErrUnavailable):
			return // there, or on a node that does not answer, of which tick finds out whether it lives
		case errors.Is(err, errNoSuchSession):
			kind = signalLeft
		}
		p.take(Signal{Room: p.room, Session: k.Session, Kind: kind, From: k.Member}, func(error) {})
	}
	go p.hub.route(context.Background(), probe, found)
}

// lost notes when the viewer was found gone.
func (at *peering) lost(now time.Time) {
	if at.goneAt.IsZero() {
		at.goneAt = now
	}
}

// endLocked ends a session whose viewer is gone for good.
func (p *peerings) endLocked(ctx context.Context, at *peering) {
	p.forgetLocked(ctx, at)
	p.streamer.Send(byeFor(p.room, at.Session, at.Member, presence.User{ID: at.User}))
}

// forgetLocked takes a session off the list. If the store does not hear of it, the next connection of the streamer finds
// out that nobody is there.
func (p *peerings) forgetLocked(ctx context.Context, at *peering) {
	p.open = slices.DeleteFunc(p.open, func(other *peering) bool { return other == at })
	p.hub.sessionsOpen.Add(-1)
	_ = p.hub.cfg.Relay.DropPeering(ctx, p.room, at.Session)
}

// tick ends sessions whose viewers have not come back.
func (p *peerings) tick(ctx context.Context, now time.Time, alive func(node string) bool) {
	ctx, cancel := context.WithTimeout(ctx, peeringsWithin)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range slices.Clone(p.open) {
		at.look(now, alive(nodeOf(at.Member)))
		if at.waitedFor(at.goneAt, now) || at.waitedFor(at.darkAt, now) {
			p.endLocked(ctx, at)
		}
	}
	if p.over || len(p.open) == 0 {
		p.hub.unwatchPeerings(p)
	} else if now.Sub(p.savedAt) >= peeringsAgain && p.hub.cfg.Relay.KeepPeerings(ctx, p.room, p.allLocked()) == nil {
		p.savedAt = now
	}
}

// look notes whether the viewer's node lives. One that is new is not known to at once.
func (at *peering) look(now time.Time, alive bool) {
	switch {
	case alive:
		at.darkAt = time.Time{}
	case at.darkAt.IsZero():
		at.darkAt = now
	}
}

// waitedFor reports whether a viewer was waited for long enough.
func (at *peering) waitedFor(since, now time.Time) bool {
	return !since.IsZero() && now.Sub(since) >= peerGrace
}

func (p *peerings) allLocked() []Peering {
	all := make([]Peering, len(p.open))
	for i, at := range p.open {
		all[i] = at.Peering
	}
	return all
}

// end is called when the streamer is not a member any more; for good, if they left.
func (p *peerings) end(ctx context.Context, left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left && len(p.open) > 0 {
		_ = p.hub.cfg.Relay.DropPeerings(ctx, p.room) // or they end by themselves
	}
	p.hub.sessionsOpen.Add(-int64(len(p.open)))
	p.over, p.open = true, nil
	p.hub.unwatchPeerings(p)
}

// watchPeerings has a streamer's sessions looked at once a second.
func (h *Hub) watchPeerings(p *peerings) {
	h.peerMu.Lock()
	defer h.peerMu.Unlock()
	h.peered[p] = struct{}{}
}

func (h *Hub) unwatchPeerings(p *peerings) {
	h.peerMu.Lock()
	defer h.peerMu.Unlock()
	delete(h.peered, p)
}

// tickPeerings looks at the sessions of all streamers here, once a second, until the context ends. It is apart from what
// else is done once a second, because it may wait for the store.
func (h *Hub) tickPeerings(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			alive := h.alive()
			for _, p := range h.withPeers() {
				p.tick(ctx, now, alive)
			}
		}
	}
}

// withPeers returns the streamers who have sessions.
func (h *Hub) withPeers() []*peerings {
	h.peerMu.Lock()
	defer h.peerMu.Unlock()
	return slices.Collect(maps.Keys(h.peered))
}

// alive returns a function that tells which nodes live, as of now.
func (h *Hub) alive() func(node string) bool {
	var living []string
	if h.cfg.Living != nil {
		living = h.cfg.Living()
	}
	return func(node string) bool { return node == h.cfg.Node || slices.Contains(living, node) }
}
