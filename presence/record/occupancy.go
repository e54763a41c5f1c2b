package record

import (
	"context"
	"database/sql"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
)

// vacatedAfter is for how long a room must have no viewers to be called vacated:
// who loads a page anew is back by then, and mostly so is who was on a node that
// died.
const vacatedAfter = 5 * time.Second

// occupancy is what this node has noted of rooms that are viewed. A node that
// begins to look after a partition notes all that are: what is on record already
// is no news there.
type occupancy struct {
	mine  [presence.Partitions]bool
	noted map[string]bool      // rooms that are occupied
	empty map[string]time.Time // of these, since when nobody views them
}

// occupy notes which rooms came to be viewed, and which are not any more.
func (r *Recorder) occupy(ctx context.Context, now time.Time) error {
	o := &r.watched
	if o.noted == nil {
		o.noted, o.empty = make(map[string]bool), make(map[string]time.Time)
	}
	rooms := r.cfg.Directory.Turned()
	for p := range presence.Partitions {
		if mine := r.cfg.Mine(p); mine != o.mine[p] {
			o.mine[p] = mine
			rooms = append(rooms, r.cfg.Directory.Viewed(p)...)
		}
	}
	for _, room := range rooms {
		o.turned(room, r.cfg.Directory.Viewers(room) > 0, now)
	}
	return r.noteTurned(ctx, rooms, now)
}

// turned takes in that a room is viewed, or not.
func (o *occupancy) turned(room string, viewed bool, now time.Time) {
	switch _, waiting := o.empty[room]; {
	case viewed:
		delete(o.empty, room)
	case o.noted[room] && !waiting:
		o.empty[room] = now
	}
}

// noteTurned notes what is news, for the partitions that are this node's.
func (r *Recorder) noteTurned(ctx context.Context, rooms []string, now time.Time) error {
	o := &r.watched
	for _, room := range rooms {
		p := presence.PartitionOf(room)
		if !o.mine[p] {
			delete(o.noted, room)
			delete(o.empty, room)
			continue
		}
		if r.cfg.Directory.Viewers(room) == 0 || o.noted[room] {
			continue
		}
		if err := r.cfg.Notes.Note(ctx, p, presence.Note{Kind: presence.NoteOccupied, Room: room}); err != nil {
			o.mine = [presence.Partitions]bool{} // all is looked at again
			return err
		}
		o.noted[room] = true
	}
	for room, since := range o.empty {
		if now.Sub(since) < vacatedAfter {
			continue
		}
		if err := r.vacate(ctx, room); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recorder) vacate(ctx context.Context, room string) error {
	p := presence.PartitionOf(room)
	if r.watched.mine[p] {
		if err := r.cfg.Notes.Note(ctx, p, presence.Note{Kind: presence.NoteVacated, Room: room}); err != nil {
			return err
		}
	}
	delete(r.watched.noted, room)
	delete(r.watched.empty, room)
	return nil
}

// Occupancy is the data of room.occupied and room.vacated.
type Occupancy struct {
	Room string `json:"room"`
}

// turn takes in that a room is occupied, or vacated, and tells of it if that is
// news.
func turn(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox, p int, n presence.Note) error {
	t, statement, args := webhook.RoomOccupied, `INSERT INTO occupied_rooms (room, since) VALUES ($1, $2) ON CONFLICT (room) DO NOTHING`, []any{n.Room, int64(madeAt(n))}
	if n.Kind == presence.NoteVacated {
		t, statement, args = webhook.RoomVacated, `DELETE FROM occupied_rooms WHERE room = $1`, args[:1]
	}
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return explain("noting who views a room", err)
	}
	if changed, err := result.RowsAffected(); err != nil || changed == 0 {
		return explain("noting who views a room", err)
	}
	return outbox.Add(ctx, noteEvent(p, n, t, madeAt(n), Occupancy{n.Room}))
}
