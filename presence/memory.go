package presence

import (
	"context"
	"sync"
	"time"
)

// Memory is the Store of a node that runs alone: everything is in this
// process, nothing blocks on the network, and nothing survives it.
type Memory struct {
	watchers watchers
	notes    [Partitions]memoryNotes

	mu        sync.Mutex
	lastFence Fence
	parts     [Partitions]memoryPartition
}

var _ Store = (*Memory)(nil)

// memoryPartition is guarded by Memory.mu.
type memoryPartition struct {
	leases map[string]*Lease
	// deadlines holds, for each room that is reconnecting or handed over, when
	// that ends on the partition's clock.
	deadlines map[string]time.Duration
	clock     sweepClock
	log       transitionLog
}

// NewMemory returns an empty store. The log is kept for the named durable
// followers until each has acknowledged it.
func NewMemory(followers ...string) *Memory {
	m := &Memory{}
	now := time.Now()
	for p := range m.parts {
		m.parts[p] = memoryPartition{
			leases:    make(map[string]*Lease),
			deadlines: make(map[string]time.Duration),
			clock:     sweepClock{last: now},
			log:       newTransitionLog(followers),
		}
	}
	return m
}

// Claim implements Leases.
func (m *Memory) Claim(_ context.Context, c Claim) (claimed Claimed, err error) {
	m.change(c.Room, func(l *Lease, now time.Time) (made []Transition) {
		claimed, made, err = l.claim(c, m.nextFenceLocked(now), now)
		return made
	})
	return claimed, err
}

// Unclaim implements Leases. Here nothing is carried out late.
func (m *Memory) Unclaim(_ context.Context, c Claim) error {
	m.change(c.Room, func(l *Lease, now time.Time) []Transition {
		made := l.unclaim(c, now)
		if l.Handed && l.wait > 0 {
			p := &m.parts[PartitionOf(c.Room)]
			if _, waiting := p.deadlines[c.Room]; !waiting {
				p.deadlines[c.Room] = p.clock.now(now) + l.wait
			}
		}
		return made
	})
	return nil
}

// Start implements Leases.
func (m *Memory) Start(_ context.Context, h Hold, s Start) (Lease, error) {
	return m.changeHeld(h, func(l *Lease, now time.Time) []Transition { return l.start(s, now) })
}

// Update implements Leases.
func (m *Memory) Update(_ context.Context, h Hold, c Changes) (Lease, error) {
	return m.changeHeld(h, func(l *Lease, now time.Time) []Transition { return l.update(c, now) })
}

// End implements Leases.
func (m *Memory) End(_ context.Context, h Hold, why Reason) (Lease, error) {
	return m.changeHeld(h, func(l *Lease, now time.Time) []Transition { return l.end(why, now) })
}

// Release implements Leases.
func (m *Memory) Release(_ context.Context, h Hold, why Reason) error {
	err := ErrFenced
	m.change(h.Room, func(l *Lease, now time.Time) []Transition {
		if !l.mayRelease(h.Fence, why) {
			l.forgetReplaced(h.Fence, "")
			return nil
		}
		err = nil
		return l.release(why, now)
	})
	return err
}

// HandOver implements Leases.
func (m *Memory) HandOver(_ context.Context, handed []Handover) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, h := range handed {
		p := &m.parts[PartitionOf(h.Room)]
		if l := p.leases[h.Room]; l != nil && l.holds(h.Fence) {
			l.handOver(h.Wait)
			p.deadlines[h.Room] = p.clock.now(now) + h.Wait
		}
	}
	return nil
}

// Get implements Leases.
func (m *Memory) Get(_ context.Context, room string) (Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.parts[PartitionOf(room)].leases[room]; l != nil {
		return *l, nil
	}
	return Lease{Room: room, State: StateOffline}, nil
}

// GetAll implements Leases.
func (m *Memory) GetAll(ctx context.Context, rooms []string) ([]Lease, error) {
	leases := make([]Lease, len(rooms))
	for i, room := range rooms {
		leases[i], _ = m.Get(ctx, room) // never fails; others get their turn in between
	}
	return leases, nil
}

// Interrupted is a broadcast that was running when the process before this one
// ended.
type Interrupted struct {
	Room      string
	User      User
	Broadcast Broadcast
	Window    *time.Duration // as asked for at the start
}

// Resume takes up a broadcast where it was interrupted: its streamer is waited
// for, as after the loss of a node. Where somebody is by now, it does nothing.
func (m *Memory) Resume(i Interrupted) {
	m.change(i.Room, func(l *Lease, now time.Time) []Transition {
		if l.State != StateOffline {
			return nil
		}
		l.State, l.User, l.Broadcast, l.Window = StateLive, i.User, &i.Broadcast, i.Window
		l.Fence = m.nextFenceLocked(now)
		return l.release(ReasonNodeLost, now)
	})
}

// Beat implements Leases.
func (m *Memory) Beat(_ context.Context, holds []Hold) (replaced []Hold, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := MillisOf(time.Now())
	for _, h := range holds {
		l := m.parts[PartitionOf(h.Room)].leases[h.Room]
		switch {
		case l == nil:
		case l.holds(h.Fence):
			l.LastSeen = now
		case l.holds(l.Fence):
			replaced = append(replaced, h)
		}
	}
	return replaced, nil
}

// Sweep implements Store.
func (m *Memory) Sweep(_ context.Context, due ...Due) (changed int, err error) {
	for _, d := range due {
		changed += m.sweep(d.Partition, d.Lag)
	}
	return changed, nil
}

func (m *Memory) sweep(partition int, lag time.Duration) (ended int) {
	now := time.Now()
	m.mu.Lock()
	p := &m.parts[partition]
	if lag > 0 && now.Sub(p.clock.last) < lag {
		m.mu.Unlock()
		return 0
	}
	clock := p.clock.advance(now)
	for room, deadline := range p.deadlines {
		if deadline <= clock {
			delete(p.deadlines, room)
			m.commitLocked(p, room, p.leases[room], (*Lease).lapse, now)
			ended++
		}
	}
	m.mu.Unlock()
	if ended > 0 {
		m.watchers.wake(partition)
	}
	return ended
}

// lapse is what happens to a lease whose deadline has passed.
func (l *Lease) lapse(now time.Time) []Transition {
	if l.Handed {
		return l.handOverEnds(now)
	}
	return l.goOffline(ReasonConnectionLost, now)
}

// Load implements Log.
func (m *Memory) Load(_ context.Context, partition int) ([]Lease, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &m.parts[partition]
	leases := make([]Lease, 0, len(p.leases))
	for _, l := range p.leases {
		leases = append(leases, *l)
	}
	return leases, p.log.last(), nil
}

// Read implements Log.
func (m *Memory) Read(_ context.Context, partition int, after uint64, max int) ([]Transition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parts[partition].log.read(after, max)
}

// Acked implements Log.
func (m *Memory) Acked(_ context.Context, follower string, partition int) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parts[partition].log.ackedBy(follower), nil
}

// Ack implements Log.
func (m *Memory) Ack(_ context.Context, follower string, partition int, upTo uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts[partition].log.ack(follower, upTo)
	return nil
}

// Watch implements Log.
func (m *Memory) Watch(wake func(partition int)) (stop func()) { return m.watchers.watch(wake) }

// changeHeld makes a change on behalf of the lease's holder.
func (m *Memory) changeHeld(h Hold, do func(*Lease, time.Time) []Transition) (lease Lease, err error) {
	m.change(h.Room, func(l *Lease, now time.Time) []Transition {
		if !l.holds(h.Fence) {
			err = ErrFenced
			return nil
		}
		made := do(l, now)
		lease = *l
		return made
	})
	return lease, err
}

// change makes one atomic change to a room's lease, logs what came of it and
// wakes the followers.
func (m *Memory) change(room string, do func(*Lease, time.Time) []Transition) {
	now := time.Now()
	partition := PartitionOf(room)
	m.mu.Lock()
	p := &m.parts[partition]
	l := p.leases[room]
	if l == nil {
		l = &Lease{Room: room, State: StateOffline}
	}
	made := m.commitLocked(p, room, l, do, now)
	m.mu.Unlock()
	if made > 0 {
		m.watchers.wake(partition)
	}
}

// commitLocked applies a change and keeps lease, deadline and log in step.
func (m *Memory) commitLocked(p *memoryPartition, room string, l *Lease, do func(*Lease, time.Time) []Transition, now time.Time) int {
	made := do(l, now)
	if l.State == StateOffline {
		delete(p.leases, room)
	} else {
		p.leases[room] = l
	}
	switch _, waiting := p.deadlines[room]; {
	case l.Handed: // HandOver has set it
	case l.State != StateReconnecting:
		delete(p.deadlines, room)
	case !waiting:
		p.deadlines[room] = p.clock.now(now) + l.Until.Time().Sub(MillisOf(now).Time())
	}
	p.log.append(made)
	return len(made)
}

// nextFenceLocked returns a fence above all earlier ones. Following the clock
// as well keeps it growing over a restart, which forgets the last one.
func (m *Memory) nextFenceLocked(now time.Time) Fence {
	m.lastFence = max(m.lastFence+1, Fence(now.UnixMicro()))
	return m.lastFence
}
