package presence

import (
	"cmp"
	"context"
	"strconv"
	"strings"
)

// Note is something for the record, and for those who are told of it, that is no
// transition: nobody's presence changes by it.
type Note struct {
	// ID is given by the store: <Unix ms>-<number>, growing within a partition.
	ID   string
	Kind NoteKind
	Room string // empty where it is about many
	Data []byte // JSON, whose form Kind says
}

// NoteKind says what a note is about.
type NoteKind string

const (
	NoteViewers  NoteKind = "viewers"  // how many watch broadcasts at one moment, see package record
	NotePeaks    NoteKind = "peaks"    // how many watched broadcasts at the most
	NoteOccupied NoteKind = "occupied" // a room has viewers
	NoteVacated  NoteKind = "vacated"  // a room has none any more
	NoteChat     NoteKind = "chat"     // a line of chat, as members got it
)

// NotesKept is how many notes a partition keeps for whoever takes them; past it
// the oldest go. The recorder is that far behind only if its database was away
// for long: for an hour there is room for more than ten each second.
const NotesKept = 50_000

// Notes keeps notes until they are taken. Both stores implement it, and pass the
// same suite. Methods may block on the store.
type Notes interface {
	// Note keeps notes, in their order, for whoever takes the partition's. Their
	// IDs are not looked at. If it fails, some may have been kept.
	Note(ctx context.Context, partition int, notes ...Note) error
	// Notes returns at most max notes of a partition, oldest first.
	Notes(ctx context.Context, partition, max int) ([]Note, error)
	// DropNotes forgets those up to and including the one with this id.
	DropNotes(ctx context.Context, partition int, upTo string) error
}

// CompareNotes compares two ids of notes by when they were kept; the empty one
// comes first.
func CompareNotes(a, b string) int {
	aMS, aN := noteTime(a)
	bMS, bN := noteTime(b)
	return cmp.Or(cmp.Compare(aMS, bMS), cmp.Compare(aN, bN))
}

func noteTime(id string) (ms, n uint64) {
	before, after, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(before, 10, 64) // the store made it
	n, _ = strconv.ParseUint(after, 10, 64)
	return ms, n
}
