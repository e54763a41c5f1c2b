package rooms

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/presence"
)

// feed is what comes in over one room's channel. Redis.mu guards it.
type feed struct {
	confirmed bool // Redis has confirmed the subscription at least once
	taps      []*tap
}

// tap feeds one receiver, in order and without gaps. What is published comes as messages; an event that does not follow
// the last one, or a subscription that was made anew, means that some may have been missed, and then the tap reads on in
// the room's log. Messages that come meanwhile are not kept: they are in the log before they are published, so it is
// enough to know that there were any, and to read once more.
type tap struct {
	relay *Redis
	room  string
	recv  Receiver

	// mu is held while the receiver is called: after close has returned, no call begins. It comes before room.mu.
	mu      sync.Mutex
	at      Position // of the last event handed over; no epoch: none yet
	seen    Position // of the newest message that came while reading
	behind  bool     // the log must be read before any message counts
	reading bool     // a goroutine does, and will look at behind again
	closed  bool
	hurry   chan struct{} // holds one element when there is reason to ask again at once; never closed
	// waiting are closed once the log has been read that is now still to be read, served once the present reading is
	// done.
	waiting, served []chan struct{}
}

// enlist begins to feed a receiver. What it returns is closed once the receiver has its first snapshot.
func (r *Redis) enlist(room string, recv Receiver) <-chan struct{} {
	begun := make(chan struct{})
	t := &tap{relay: r, room: room, recv: recv, hurry: make(chan struct{}, 1), waiting: []chan struct{}{begun}}
	r.mu.Lock()
	f := r.feeds[room]
	if f == nil {
		f = &feed{}
		r.feeds[room] = f
		r.listener.Listen(r.sayChannel(room), redisconn.Handler{
			Subscribed: func() { r.subscribed(room) },
			Message:    func(payload string) { r.heard(room, payload) },
		})
	}
	f.taps = append(f.taps, t)
	confirmed := f.confirmed
	r.mu.Unlock()
	if confirmed {
		t.readOn()
	}
	return begun
}

// delist ends it, and returns what is to be closed.
func (r *Redis) delist(room string, recv Receiver) *tap {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.feeds[room]
	if f == nil {
		return nil
	}
	i := slices.IndexFunc(f.taps, func(t *tap) bool { return t.recv == recv })
	if i < 0 {
		return nil
	}
	t := f.taps[i]
	f.taps = slices.Delete(slices.Clone(f.taps), i, i+1) // others may be going over the list
	if len(f.taps) == 0 {
		delete(r.feeds, room)
		r.listener.Unlisten(r.sayChannel(room))
	}
	return t
}

func (r *Redis) sayChannel(room string) string {
	return r.parts[presence.PartitionOf(room)].base + "say:" + room
}

// subscribed is told by the listener: from now on messages come, and what was published before may have been missed.
func (r *Redis) subscribed(room string) {
	for _, t := range r.tapsOf(room, true) {
		t.readNow()
	}
}

// Resync has the receivers of a partition read anew, after what Redis had lost of it was put back. It does not block.
func (r *Redis) Resync(partition int) {
	r.mu.Lock()
	var taps []*tap
	for room, f := range r.feeds {
		if presence.PartitionOf(room) == partition {
			taps = append(taps, f.taps...)
		}
	}
	r.mu.Unlock()
	for _, t := range taps {
		t.readNow()
	}
	r.counts.lost(partition)
	r.counts.mustLoad(partition)
}

// heard takes an event, or reactions, from the listener.
func (r *Redis) heard(room, payload string) {
	view, message, _ := strings.Cut(payload, "\n")
	if view == reactionsSaid {
		r.heardReactions(room, message)
		return
	}
	e, err := eventOfRedis(message, view)
	if err != nil {
		r.cfg.Logger.Error("rooms: an event can't be read", "room", room, "error", err)
		return
	}
	for _, t := range r.tapsOf(room, false) {
		t.take(e)
	}
}

func (r *Redis) tapOf(room string, recv Receiver) *tap {
	for _, t := range r.tapsOf(room, false) {
		if t.recv == recv {
			return t
		}
	}
	return nil
}

func (r *Redis) tapsOf(room string, confirmed bool) []*tap {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.feeds[room]
	if f == nil {
		return nil
	}
	f.confirmed = f.confirmed || confirmed
	return f.taps
}

// take hands an event over if it is the next one.
func (t *tap) take(e *Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
	case t.behind || t.reading:
		t.seen = e.Position
	case !t.missesLocked(e.Position): // had it already
	case e.Epoch == t.at.Epoch && e.Offset == t.at.Offset+1:
		t.deliverLocked(e)
	default:
		t.readOnLocked()
	}
}

func (t *tap) deliverLocked(e *Event) {
	t.at = e.Position
	t.recv.Deliver(e)
}

func (t *tap) readOn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readOnLocked()
}

// readNow is readOn when Redis is known to answer again: who waits before asking once more does so no longer.
func (t *tap) readNow() {
	t.readOn()
	select {
	case t.hurry <- struct{}{}:
	default:
	}
}

// readOnLocked has the log read; it does not wait.
func (t *tap) readOnLocked() {
	t.behind = true
	if !t.reading && !t.closed {
		t.reading = t.relay.begin(t.read)
	}
}

// begin starts a goroutine that Run waits for, unless that has ended.
func (r *Redis) begin(do func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.work.Go(do)
	return true
}

// caughtUp has the log read, and returns what is closed once everything that is there now was handed over, or the tap
// is closed.
func (t *tap) caughtUp() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	done := make(chan struct{})
	if t.closed {
		close(done)
		return done
	}
	t.waiting = append(t.waiting, done)
	t.readOnLocked()
	return done
}

func (t *tap) serveLocked() {
	for _, done := range t.served {
		close(done)
	}
	t.served = nil
}

func (t *tap) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.served, t.waiting = append(t.served, t.waiting...), nil
	t.serveLocked()
}

// What a tap waits before it asks a Redis again that did not answer; it is drawn at random, as many wait for the same.
const (
	readAgainLeast = 50 * time.Millisecond
	readAgainMost  = 2 * time.Second
)

// read reads on in the log until the tap is no longer behind.
func (t *tap) read() {
	wait := readAgainLeast
	for {
		at, more := t.nextRead()
		if !more {
			return
		}
		snap, err := t.relay.read(t.relay.life, t.room, at)
		if err == nil {
			t.catchUp(snap, at)
			wait = readAgainLeast
			continue
		}
		if wait == readAgainLeast {
			t.relay.cfg.Logger.Warn("rooms: reading a room's events failed; it is tried again", "room", t.room, "error", err)
		}
		t.again()
		select {
		case <-t.relay.life.Done():
		case <-t.hurry:
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, readAgainMost)
	}
}

// nextRead says from where to read, unless there is nothing to. Whether a message came meanwhile is asked in the same step in
// which reading ends: after that, messages are handed over again.
func (t *tap) nextRead() (from Position, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.missesLocked(t.seen) {
		t.behind = true
	}
	if t.closed || !t.behind || t.relay.life.Err() != nil {
		t.reading = false
		return Position{}, false
	}
	// What was published until now is in what is read next: only what comes from here on can be news.
	t.behind, t.seen = false, Position{}
	t.served, t.waiting = append(t.served, t.waiting...), nil
	return t.at, true
}

func (t *tap) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.behind = true
}

// catchUp hands over what was read after a position: event by event if it follows that, else as a whole.
func (t *tap) catchUp(s Snapshot, from Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if follows(s, from) {
		for _, e := range s.Events {
			t.deliverLocked(e)
		}
	} else {
		t.recv.Reset(s)
	}
	t.at = s.Position
	t.serveLocked()
}

// missesLocked reports whether a message from this position says that there is more than was handed over; no position says
// nothing.
func (t *tap) missesLocked(p Position) bool {
	return p.Epoch != "" && (p.Epoch != t.at.Epoch || p.Offset > t.at.Offset)
}

// follows reports whether the snapshot's events are all that came after a position.
func follows(s Snapshot, from Position) bool {
	return from.Epoch != "" && from.Epoch == s.Epoch && from.Offset+int64(len(s.Events)) == s.Offset
}

// read returns the room as it stands, with the events after a position if they are of the same epoch.
func (r *Redis) read(ctx context.Context, room string, from Position) (Snapshot, error) {
	partition := presence.PartitionOf(room)
	answer, err := r.run(ctx, readScript, partition, r.parts[partition].routing, room, from.Epoch, from.Offset)
	if err != nil {
		return Snapshot{}, err
	}
	snap := Snapshot{}
	if snap.Position, err = positionOf(answer[0].Text(), answer[1].Text()); err != nil {
		return snap, err
	}
	if err := json.Unmarshal([]byte(answer[2].Text()), &snap.View); err != nil {
		return snap, fmt.Errorf("rooms: the view of room %q can't be read: %w", room, err)
	}
	for _, entry := range answer[3].List() {
		parts := entry.Texts()
		e, err := eventOfRedis(parts[0], parts[1])
		if err != nil {
			return snap, fmt.Errorf("rooms: an event of room %q can't be read: %w", room, err)
		}
		snap.Events = append(snap.Events, e)
	}
	return snap, nil
}

func positionOf(epoch, offset string) (Position, error) {
	n, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		return Position{}, fmt.Errorf("rooms: offset %q in redis: %w", offset, err)
	}
	return Position{Epoch: epoch, Offset: n}, nil
}

// eventOfRedis reads an event as room.lua made it.
func eventOfRedis(message, view string) (*Event, error) {
	var m EventMessage
	raw := []byte(message)
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	e := &Event{Position: m.Position, Room: m.Room, Name: m.Event, From: m.From, At: m.At, Data: m.Data, message: raw}
	if view != "" {
		e.After = &presence.View{}
		if err := json.Unmarshal([]byte(view), e.After); err != nil {
			return nil, err
		}
	}
	return e, nil
}
