package presence

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Record is the history of one broadcast that has ended.
type Record struct {
	ID        string
	Streamer  User
	Room      string
	Details   Details
	StartedAt Millis
	EndedAt   Millis
	Reason    Reason
	Version   int64
	Figures
}

// Figures are what was counted of a broadcast. Those that nobody counted are
// nil: an unknown number is not zero.
type Figures struct {
	PeakViewers   *int64 // at the same time
	UniqueViewers *int64 // users, however often they came
	WatchSeconds  *int64 // of all viewers together
}

// RecordQuery asks for records, latest first. Zero fields match everything.
type RecordQuery struct {
	First    int
	After    string // the id of the last record of the page before
	Streamer string
	Room     string
	From, To Millis // started in [From, To)
}

// Records is the table of broadcasts. Its statements run on SQLite and on
// PostgreSQL alike. Methods block on the database.
type Records struct {
	DB *sql.DB
}

const recordColumns = `id, streamer, streamer_name, room, title, category, language, tags,
	started_at, ended_at, reason, version, peak_viewers, unique_viewers, watch_seconds`

// Write stores the record of a broadcast. Writing it again changes nothing,
// so that any number of nodes may do it, any number of times.
func (r *Records) Write(ctx context.Context, rec Record) error {
	tags := rec.Details.Tags
	if tags == nil {
		tags = []string{}
	}
	list, err := json.Marshal(tags)
	if err != nil {
		return fmt.Errorf("tags of broadcast %s: %w", rec.ID, err)
	}
	_, err = r.DB.ExecContext(ctx, `INSERT INTO broadcasts (`+recordColumns+`)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)
		ON CONFLICT (id) DO NOTHING`,
		rec.ID, rec.Streamer.ID, rec.Streamer.Name, rec.Room, rec.Details.Title, rec.Details.Category,
		rec.Details.Language, string(list), int64(rec.StartedAt), int64(rec.EndedAt), string(rec.Reason),
		rec.Version, rec.PeakViewers, rec.UniqueViewers, rec.WatchSeconds)
	if err != nil {
		return fmt.Errorf("writing broadcast %s: %w", rec.ID, err)
	}
	return nil
}

// List returns one page of records, latest first by id: ids are UUIDv7, whose
// order is that of the starts.
func (r *Records) List(ctx context.Context, q RecordQuery) ([]Record, error) {
	where, args := q.where()
	args = append(args, q.First)
	rows, err := r.DB.QueryContext(ctx, fmt.Sprintf(
		`SELECT %s FROM broadcasts %s ORDER BY id DESC LIMIT $%d`, recordColumns, where, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("listing broadcasts: %w", err)
	}
	defer rows.Close()
	records := []Record{}
	for rows.Next() {
		rec, err := scanRecord(rows.Scan)
		if err != nil {
			return nil, err
		}
		records = append(records, rec)
	}
	return records, rows.Err()
}

func (q RecordQuery) where() (string, []any) {
	var terms []string
	var args []any
	add := func(given bool, term string, value any) {
		if given {
			args = append(args, value)
			terms = append(terms, fmt.Sprintf(term, len(args)))
		}
	}
	add(q.After != "", "id < $%d", q.After)
	add(q.Streamer != "", "streamer = $%d", q.Streamer)
	add(q.Room != "", "room = $%d", q.Room)
	add(q.From != 0, "started_at >= $%d", int64(q.From))
	add(q.To != 0, "started_at < $%d", int64(q.To))
	if len(terms) == 0 {
		return "", nil
	}
	return "WHERE " + strings.Join(terms, " AND "), args
}

// Get returns one record; ok is false if there is none.
func (r *Records) Get(ctx context.Context, id string) (rec Record, ok bool, err error) {
	row := r.DB.QueryRowContext(ctx, `SELECT `+recordColumns+` FROM broadcasts WHERE id = $1`, id)
	rec, err = scanRecord(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Record{}, false, nil
	}
	return rec, err == nil, err
}

// LastEnd returns when the user's last broadcast ended, 0 if there was none.
func (r *Records) LastEnd(ctx context.Context, user string) (Millis, error) {
	var at sql.NullInt64
	err := r.DB.QueryRowContext(ctx, `SELECT max(ended_at) FROM broadcasts WHERE streamer = $1`, user).Scan(&at)
	if err != nil {
		return 0, fmt.Errorf("last broadcast of %q: %w", user, err)
	}
	return Millis(at.Int64), nil
}

func scanRecord(scan func(...any) error) (Record, error) {
	var rec Record
	var tags []byte
	err := scan(&rec.ID, &rec.Streamer.ID, &rec.Streamer.Name, &rec.Room, &rec.Details.Title, &rec.Details.Category,
		&rec.Details.Language, &tags, &rec.StartedAt, &rec.EndedAt, &rec.Reason, &rec.Version,
		&rec.PeakViewers, &rec.UniqueViewers, &rec.WatchSeconds)
	if err != nil {
		return Record{}, fmt.Errorf("reading a broadcast: %w", err)
	}
	if err := json.Unmarshal(tags, &rec.Details.Tags); err != nil {
		return Record{}, fmt.Errorf("tags of broadcast %s: %w", rec.ID, err)
	}
	return rec, nil
}

// RecordFollower is the name under which the log is kept for the record.
const RecordFollower = "record"

// NewRecorder returns the durable follower that writes each broadcast's record
// at its end, with the figures that it then asks for. While the database is
// away, or the figures can't be had, it keeps trying, in order; presence goes on
// regardless.
func NewRecorder(log Log, logger *slog.Logger, records *Records, figures func(ctx context.Context, ended Transition) (Figures, error)) *Follower {
	handle := func(ctx context.Context, made []Transition) error {
		for _, t := range made {
			if t.Kind != LiveEnded {
				continue
			}
			rec := recordOf(t)
			var err error
			if rec.Figures, err = figures(ctx, t); err != nil {
				return fmt.Errorf("figures of broadcast %s: %w", t.Broadcast.ID, err)
			}
			if err := records.Write(ctx, rec); err != nil {
				return err
			}
		}
		return nil
	}
	return &Follower{Name: RecordFollower, Log: log, Logger: logger, Handle: handle}
}

func recordOf(ended Transition) Record {
	return Record{
		ID:        ended.Broadcast.ID,
		Streamer:  ended.User,
		Room:      ended.Room,
		Details:   ended.Broadcast.Details,
		StartedAt: ended.Broadcast.StartedAt,
		EndedAt:   ended.At,
		Reason:    ended.Reason,
		Version:   ended.Broadcast.Version,
	}
}
