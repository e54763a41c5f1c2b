package rooms

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/axiomhq/hyperloglog"

	"github.com/tallylight/tallylight/presence"
)

// memoryAudiences is what a node that runs alone has reported of its broadcasts.
type memoryAudiences struct {
	mu          sync.Mutex
	byBroadcast map[string]*memoryAudience
}

type memoryAudience struct {
	watched  int64
	viewers  int64 // since
	since    presence.Millis
	distinct *hyperloglog.Sketch
	until    time.Time // when it is forgotten
	asked    bool
}

// Report implements Relay. There is no other node to tell.
func (m *Memory) Report(_ context.Context, all []Attendance) []error {
	now := time.Now()
	for _, a := range all {
		if a.Broadcast != "" {
			m.audiences.report(a, now)
		}
	}
	return make([]error, len(all))
}

func (m *memoryAudiences) report(a Attendance, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.byBroadcast[a.Broadcast]
	if known == nil {
		known = &memoryAudience{distinct: hyperloglog.New()}
		m.byBroadcast[a.Broadcast] = known
	}
	known.watched, known.viewers, known.since = a.Watched, int64(a.Watching), presence.MillisOf(a.Since)
	for _, user := range a.Users {
		known.distinct.Insert([]byte(user))
	}
	if !known.asked {
		known.until = now.Add(audienceKept)
	}
}

// Audience implements Relay.
func (m *Memory) Audience(_ context.Context, _, broadcast string, until presence.Millis) (Audience, error) {
	m.audiences.mu.Lock()
	defer m.audiences.mu.Unlock()
	a := m.audiences.byBroadcast[broadcast]
	if a == nil {
		return Audience{}, nil
	}
	a.asked, a.until = true, time.Now().Add(audienceAsked)
	return Audience{Known: true, Unique: int64(a.distinct.Estimate()), Watched: a.watched + wentOn(a.viewers, a.since, until, 0)}, nil
}

// forget drops what nobody needs any more.
func (m *memoryAudiences) forget(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.byBroadcast, func(_ string, a *memoryAudience) bool { return now.After(a.until) })
}
