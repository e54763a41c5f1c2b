package presence

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// memoryNotes are a partition's in memory.
type memoryNotes struct {
	mu   sync.Mutex
	kept []Note // oldest first
	ms   int64  // of the last one's id
	n    int
}

// Note implements Notes.
func (m *Memory) Note(_ context.Context, partition int, notes ...Note) error {
	m.notes[partition].add(time.Now().UnixMilli(), notes)
	return nil
}

func (k *memoryNotes) add(now int64, notes []Note) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, note := range notes {
		if now > k.ms {
			k.ms, k.n = now, 0
		} else {
			k.n++
		}
		note.ID = fmt.Sprintf("%d-%d", k.ms, k.n)
		k.kept = append(k.kept, note)
	}
	if over := len(k.kept) - NotesKept; over > NotesKept/10 {
		k.kept = slices.Clone(k.kept[over:])
	}
}

// Notes implements Notes.
func (m *Memory) Notes(_ context.Context, partition, max int) ([]Note, error) {
	k := &m.notes[partition]
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.kept[:min(max, len(k.kept))]), nil
}

// DropNotes implements Notes.
func (m *Memory) DropNotes(_ context.Context, partition int, upTo string) error {
	k := &m.notes[partition]
	k.mu.Lock()
	defer k.mu.Unlock()
	i := 0
	for i < len(k.kept) && CompareNotes(k.kept[i].ID, upTo) <= 0 {
		i++
	}
	k.kept = slices.Clone(k.kept[i:])
	return nil
}
