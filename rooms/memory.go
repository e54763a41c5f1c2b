package rooms

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/presence"
)

// KeyAge is how long an idempotency key is remembered.
const KeyAge = 10 * time.Minute

// maxKeys bounds the keys remembered for a room; past it the oldest go.
const maxKeys = 1024

// PresenceFollower is the name under which rooms follow the log of presence.
const PresenceFollower = "rooms"

// Memory is the Relay of a node that runs alone. Nothing blocks on the
// network, and nothing survives the process. A room that is offline, has no
// subscriber and whose last event is too old to recover is forgotten: a later
// one of the same name begins a new epoch.
type Memory struct {
	log   presence.Log
	notes presence.Notes
	sink  Sink

	mu    sync.Mutex
	rooms map[string]*memoryRoom

	applying  [presence.Partitions]partitionCursor
	audiences memoryAudiences
	peerings  memoryPeerings
}

var _ Relay = (*Memory)(nil)

type partitionCursor struct {
	mu      sync.Mutex // held while a partition is applied
	applied uint64
}

// memoryRoom is the authority on one room.
type memoryRoom struct {
	mu        sync.Mutex
	forgotten bool // no longer in the map: look again
	log       eventLog
	view      presence.View
	receivers []Receiver
	keys      []usedKey // oldest first
	words     lastWords
}

type usedKey struct {
	key  string
	hash [sha256.Size]byte
	at   time.Time
	Position
}

// NewMemory returns a relay that tells its rooms of the log's transitions, and
// notes what is to be noted. The log must keep them for PresenceFollower.
func NewMemory(log presence.Log, notes presence.Notes) *Memory {
	return &Memory{
		log: log, notes: notes, rooms: make(map[string]*memoryRoom),
		audiences: memoryAudiences{byBroadcast: make(map[string]*memoryAudience)},
		peerings:  memoryPeerings{byRoom: make(map[string]*keptPeerings)},
	}
}

// Attach implements Relay.
func (m *Memory) Attach(s Sink) { m.sink = s }

// Members implements Relay.
func (m *Memory) Members(_ context.Context, room string, first int, after string) Roster {
	members, more := m.sink.Members(room, first, after)
	return Roster{Members: members, More: more}
}

// Publish implements Relay.
func (m *Memory) Publish(ctx context.Context, p Publication) (Position, error) {
	r := m.lock(p.Room)
	defer r.mu.Unlock()
	now := time.Now()
	if p.Key != "" {
		if used := r.keyLocked(p.Key, now); used != nil {
			if used.hash != p.hash() {
				return Position{}, ErrKeyReused
			}
			return used.Position, nil
		}
	}
	if err := r.words.say(p, now); err != nil {
		return Position{}, err
	}
	e := &Event{Room: p.Room, Name: p.Name, From: p.From, At: presence.MillisOf(now), Data: p.Data}
	r.appendLocked(e)
	if p.Key != "" {
		r.keys = append(r.keys, usedKey{key: p.Key, hash: p.hash(), at: now, Position: e.Position})
	}
	if p.Noted {
		return e.Position, m.notes.Note(ctx, presence.PartitionOf(p.Room), noteOf(e))
	}
	return e.Position, nil
}

// Apply implements Relay.
func (m *Memory) Apply(ctx context.Context, partition int) error {
	c := &m.applying[partition]
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		made, err := m.log.Read(ctx, partition, c.applied, LogEvents)
		if err != nil {
			return err
		}
		if len(made) == 0 {
			return m.log.Ack(ctx, PresenceFollower, partition, c.applied)
		}
		for _, t := range made {
			m.tell(t)
			c.applied = t.Seq
		}
	}
}

// tell appends a transition's event to its room.
func (m *Memory) tell(t presence.Transition) {
	if t.Kind == presence.LeaseMoved {
		return // who holds it is nothing that a room is told
	}
	r := m.lock(t.Room)
	defer r.mu.Unlock()
	r.view = t.After
	r.appendLocked(eventOf(t))
}

// Subscribe implements Relay.
func (m *Memory) Subscribe(_ context.Context, room string, recv Receiver) error {
	r := m.lock(room)
	defer r.mu.Unlock()
	r.receivers = append(r.receivers, recv)
	recv.Reset(Snapshot{Position: r.log.position(), Events: slices.Clone(r.log.kept(time.Now())), View: r.view})
	return nil
}

// CatchUp implements Relay. A receiver is never behind.
func (m *Memory) CatchUp(context.Context, string, Receiver) error { return nil }

// Unsubscribe implements Relay.
func (m *Memory) Unsubscribe(room string, recv Receiver) {
	r := m.lock(room)
	defer r.mu.Unlock()
	r.receivers = slices.DeleteFunc(r.receivers, func(other Receiver) bool { return other == recv })
}

// Command implements Relay.
func (m *Memory) Command(_ context.Context, c Command) error {
	m.sink.Command(c)
	return nil
}

// React implements Relay.
func (m *Memory) React(_ context.Context, all []Reactions) error {
	for _, of := range all {
		m.sink.Reactions(of.Room, of.Counts)
	}
	return nil
}

// Run forgets idle rooms, and audiences, until the context ends.
func (m *Memory) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.forgetIdle(time.Now())
			m.audiences.forget(time.Now())
			m.peerings.forget(time.Now())
		}
	}
}

func (m *Memory) forgetIdle(now time.Time) {
	m.mu.Lock()
	rooms := make([]*memoryRoom, 0, len(m.rooms))
	names := make([]string, 0, len(m.rooms))
	for name, r := range m.rooms {
		rooms, names = append(rooms, r), append(names, name)
	}
	m.mu.Unlock()
	for i, r := range rooms {
		r.mu.Lock()
		r.forgotten = r.idleLocked(now)
		idle := r.forgotten
		r.mu.Unlock()
		if idle {
			m.mu.Lock()
			delete(m.rooms, names[i])
			m.mu.Unlock()
		}
	}
}

// lock returns the room, locked; it is made if need be.
func (m *Memory) lock(room string) *memoryRoom {
	for {
		m.mu.Lock()
		r := m.rooms[room]
		if r == nil {
			r = &memoryRoom{view: presence.Offline, log: eventLog{epoch: newEpoch()}}
			m.rooms[room] = r
		}
		m.mu.Unlock()
		r.mu.Lock()
		if !r.forgotten {
			return r
		}
		r.mu.Unlock()
	}
}

// appendLocked positions an event, keeps it and delivers it.
func (r *memoryRoom) appendLocked(e *Event) {
	e.Position = Position{Epoch: r.log.epoch, Offset: r.log.offset + 1}
	e.encode()
	r.log.append(e)
	for _, recv := range r.receivers {
		recv.Deliver(e)
	}
}

// keyLocked returns what the key was used for, if it is still remembered.
func (r *memoryRoom) keyLocked(key string, now time.Time) *usedKey {
	r.keys = slices.DeleteFunc(r.keys, func(k usedKey) bool { return now.Sub(k.at) > KeyAge })
	if len(r.keys) > maxKeys {
		r.keys = slices.Clone(r.keys[len(r.keys)-maxKeys:])
	}
	i := slices.IndexFunc(r.keys, func(k usedKey) bool { return k.key == key })
	if i < 0 {
		return nil
	}
	return &r.keys[i]
}

func (r *memoryRoom) idleLocked(now time.Time) bool {
	return len(r.receivers) == 0 && r.view.State == presence.StateOffline && len(r.log.kept(now)) == 0 && r.words.over(now)
}

// hash tells two publications under the same key apart.
func (p Publication) hash() [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(p.Name + "\x00"))
	h.Write(p.Data)
	return [sha256.Size]byte(h.Sum(nil))
}

// newEpoch returns a random name; a room that begins anew must not be taken
// for its predecessor.
func newEpoch() string { return uuid.NewString()[:8] }
