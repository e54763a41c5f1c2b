package presence

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
)

// notesKey names the stream of a partition's notes, with the fields kind, room and
// data. rooms/lua/publish.lua adds to it as well.
func notesKey(conn *redisconn.Conn, partition int) string {
	return PartitionBase(conn, partition) + "notes"
}

// Note implements Notes. All go to Redis in one round trip.
func (r *Redis) Note(ctx context.Context, partition int, notes ...Note) error {
	_, err := r.cfg.Conn.Client().Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, note := range notes {
			p.XAdd(ctx, &redis.XAddArgs{
				Stream: r.parts[partition].notes, MaxLen: NotesKept, Approx: true,
				Values: []any{"kind", string(note.Kind), "room", note.Room, "data", note.Data},
			})
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// Notes implements Notes.
func (r *Redis) Notes(ctx context.Context, partition, max int) ([]Note, error) {
	entries, err := r.cfg.Conn.Client().XRangeN(ctx, r.parts[partition].notes, "-", "+", int64(max)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	notes := make([]Note, len(entries))
	for i, e := range entries {
		text := func(name string) string { s, _ := e.Values[name].(string); return s }
		notes[i] = Note{ID: e.ID, Kind: NoteKind(text("kind")), Room: text("room"), Data: []byte(text("data"))}
	}
	return notes, nil
}

// DropNotes implements Notes.
func (r *Redis) DropNotes(ctx context.Context, partition int, upTo string) error {
	ms, n := noteTime(upTo)
	err := r.cfg.Conn.Client().XTrimMinID(ctx, r.parts[partition].notes, fmt.Sprintf("%d-%d", ms, n+1)).Err()
	if err != nil {
		return unavailable(err)
	}
	return nil
}
