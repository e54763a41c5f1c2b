package rooms

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// memoryPeerings are the sessions of all streamers.
type memoryPeerings struct {
	mu     sync.Mutex
	byRoom map[string]*keptPeerings
}

type keptPeerings struct {
	bySession map[string]Peering
	at        time.Time // of the last change
}

func (m *memoryPeerings) forget(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.byRoom, func(_ string, kept *keptPeerings) bool { return now.Sub(kept.at) > peeringsKept })
}

// Signal implements Relay. There is no other node.
func (m *Memory) Signal(_ context.Context, _ string, _ Signal, answered func(error)) {
	answered(ErrPeerGone)
}

// Peerings implements Relay.
func (m *Memory) Peerings(_ context.Context, room string) ([]Peering, error) {
	m.peerings.mu.Lock()
	defer m.peerings.mu.Unlock()
	kept := m.peerings.byRoom[room]
	if kept == nil {
		return nil, nil
	}
	return slices.Collect(maps.Values(kept.bySession)), nil
}

// KeepPeerings implements Relay.
func (m *Memory) KeepPeerings(_ context.Context, room string, all []Peering) error {
	m.peerings.mu.Lock()
	defer m.peerings.mu.Unlock()
	kept := m.peerings.byRoom[room]
	if kept == nil {
		kept = &keptPeerings{bySession: make(map[string]Peering)}
		m.peerings.byRoom[room] = kept
	}
	for _, p := range all {
		kept.bySession[p.Session] = p
	}
	kept.at = time.Now()
	return nil
}

// DropPeering implements Relay.
func (m *Memory) DropPeering(_ context.Context, room, session string) error {
	m.peerings.mu.Lock()
	defer m.peerings.mu.Unlock()
	if kept := m.peerings.byRoom[room]; kept != nil {
		if delete(kept.bySession, session); len(kept.bySession) == 0 {
			delete(m.peerings.byRoom, room)
		}
	}
	return nil
}

// DropPeerings implements Relay.
func (m *Memory) DropPeerings(_ context.Context, room string) error {
	m.peerings.mu.Lock()
	defer m.peerings.mu.Unlock()
	delete(m.peerings.byRoom, room)
	return nil
}
