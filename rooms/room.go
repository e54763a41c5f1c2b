package rooms

import (
	"slices"
	"sync"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// room is this node's replica of a room that has members here.
type room struct {
	name string
	// refs counts members and joins under way. Hub.mu guards it.
	refs int
	// subscribed is closed when subscribing has ended; failed is set before.
	subscribed chan struct{}
	failed     error
	ledger     *ledger           // of the hub
	recount    func(name string) // has the hub look at the room within a second
	book       *moderation.Book

	mu      sync.Mutex
	log     eventLog
	view    presence.View
	last    *presence.Broadcast // of which members were told, ended or not
	members map[string]*member  // by connection
	coming  map[string]*member  // who is about to be a member, as streamer
	viewers viewerCount
	peers   peers
}

var _ Receiver = (*room)(nil)

func newRoom(name string, l *ledger, recount func(string), book *moderation.Book) *room {
	return &room{
		name: name, subscribed: make(chan struct{}), ledger: l, recount: recount, book: book,
		view: presence.Offline, members: make(map[string]*member),
	}
}

// Reset implements Receiver.
func (r *room) Reset(s Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = logOf(s)
	was := r.view
	r.view = s.View
	r.turnedLocked(was)
	if s.View.Broadcast != nil {
		r.last = s.View.Broadcast
	}
	for _, m := range r.members {
		m.session.Joined(r.snapshotLocked(m.role, Join{}, time.Now()))
	}
}

// Deliver implements Receiver.
func (r *room) Deliver(e *Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.append(e)
	if e.After != nil {
		was := r.view
		r.view = *e.After
		r.turnedLocked(was)
		r.last = e.broadcast(r.last)
	}
	r.sendLocked(e.Message())
}

func (r *room) sendLocked(message []byte) {
	for _, m := range r.members {
		m.session.Send(message)
	}
}

// expect makes a streamer known to those who signal them, until they are enrolled or it comes to nothing.
func (r *room) expect(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.coming == nil {
		r.coming = make(map[string]*member)
	}
	r.coming[m.session.Connection()] = m
}

func (r *room) expectNoMore(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, m.session.Connection())
}

// enrol makes the session a member and queues its snapshot, in one step: what
// is delivered from here on comes after the snapshot's position.
func (r *room) enrol(m *member, j Join, stale bool) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, again := r.members[m.session.Connection()]
	r.members[m.session.Connection()] = m
	delete(r.coming, m.session.Connection())
	if !again {
		r.viewers.add(m.role, 1)
		r.watchLocked(m.watcher()...)
	}
	joined := r.snapshotLocked(m.role, j, time.Now())
	joined.Stale = stale
	m.session.Joined(joined)
	return !again
}

// remove takes a member out; nothing is delivered to it afterwards. It returns
// the sessions it had with the streamer as well.
func (r *room) remove(connection string) (m *member, sessions map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m = r.members[connection]
	if m != nil {
		delete(r.members, connection)
		r.viewers.add(m.role, -1)
		r.watchLocked()
	}
	sessions = r.peers[connection]
	delete(r.peers, connection)
	return m, sessions
}

// knows reports whether a position is of what was delivered here.
func (r *room) knows(p Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.Epoch == r.log.epoch && p.Offset <= r.log.offset
}

// shows reports whether a view is what the members here were told last.
func (r *room) shows(v presence.View) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return stageOf(v) == stageOf(r.view)
}

// stage is how far a room has come. Each transition leads to another one.
type stage struct {
	state           presence.State
	user, broadcast string
	version         int64
}

func stageOf(v presence.View) stage {
	s := stage{state: v.State, broadcast: broadcastID(v)}
	if v.User != nil {
		s.user = v.User.ID // no more: the name may be a newer connection's, of which rooms are not told
	}
	if v.Broadcast != nil {
		s.version = v.Broadcast.Version
	}
	return s
}

func (r *room) member(connection string) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[connection]
}

// line returns a line of chat that is still kept, or nil.
func (r *room) line(offset int64, now time.Time) *Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.line(offset, now)
}

// addressee returns a member, or a streamer who is expected.
func (r *room) addressee(connection string) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[connection]; m != nil {
		return m
	}
	return r.coming[connection]
}

func (r *room) snapshotLocked(role auth.Role, j Join, now time.Time) Joined {
	joined := Joined{
		Request:     j.Request,
		Room:        r.name,
		Role:        role,
		Position:    r.log.position(),
		Streamer:    r.view,
		Connections: r.viewers.total(),
		Slow:        r.book.Slow(r.name),
	}
	if j.Since != nil {
		missed, ok := r.log.since(*j.Since, now)
		if ok && sizeOf(missed) <= MaxRecovered {
			joined.Recovered, joined.Events = true, slices.Clone(missed)
			return joined
		}
	}
	joined.Chat = r.log.chat(SnapshotChat, MaxSnapshotChat, now)
	return joined
}
