package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// writeWithin bounds one transaction: a database that hangs is tried again, as
// one that is away is.
const writeWithin = 15 * time.Second

// was is what the record said of a broadcast before a transition; nil: nothing.
type was struct {
	state   State
	version int64
	details presence.Details
}

// apply brings the record up to a state of a broadcast, unless it is there
// already: then news is false. The row is locked from here to the end of the
// transaction, so that two who apply the same have one answer.
func apply(ctx context.Context, tx *sql.Tx, b Broadcast, window *int64) (old *was, news bool, err error) {
	tags, err := tagsOf(b.Details)
	if err != nil {
		return nil, false, err
	}
	for {
		if old, err = lock(ctx, tx, b.ID); err != nil {
			return nil, false, err
		}
		if old != nil {
			break
		}
		inserted, err := insert(ctx, tx, b, tags, window)
		if err != nil || inserted {
			return nil, inserted, err
		}
		// Somebody else has inserted it meanwhile.
	}
	if old.version >= b.Version {
		return old, false, nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE broadcasts SET state = $2, version = $3, seen_at = $4, title = $5, category = $6, language = $7, tags = $8,
			ended_at = $9, reason = $10, peak_viewers = CASE WHEN $11 > peak_viewers OR peak_viewers IS NULL THEN $11 ELSE peak_viewers END,
			unique_viewers = coalesce($12, unique_viewers), watch_seconds = coalesce($13, watch_seconds)
		WHERE id = $1`,
		b.ID, string(b.State), b.Version, int64(b.seenAt()), clean(b.Details.Title), clean(b.Details.Category), clean(b.Details.Language), tags,
		nullable(b.EndedAt), string(b.Reason), b.PeakViewers, b.UniqueViewers, b.WatchSeconds)
	return old, true, explain("writing broadcast "+b.ID, err)
}

// lock returns what the record says, and has everybody else wait who wants to
// change it.
func lock(ctx context.Context, tx *sql.Tx, id string) (*was, error) {
	var old was
	var tags []byte
	err := tx.QueryRowContext(ctx, `UPDATE broadcasts SET version = version WHERE id = $1 RETURNING state, version, title, category, language, tags`, id).
		Scan(&old.state, &old.version, &old.details.Title, &old.details.Category, &old.details.Language, &tags)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(tags, &old.details.Tags)
	}
	return &old, explain("looking at broadcast "+id, err)
}

func insert(ctx context.Context, tx *sql.Tx, b Broadcast, tags string, window *int64) (inserted bool, err error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO broadcasts (id, streamer, streamer_name, room, title, category, language, tags, state,
			started_at, ended_at, reason, version, peak_viewers, unique_viewers, watch_seconds, window_ms, seen_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18) ON CONFLICT (id) DO NOTHING`,
		b.ID, b.Streamer.ID, clean(b.Streamer.Name), b.Room, clean(b.Details.Title), clean(b.Details.Category), clean(b.Details.Language), tags,
		string(b.State), int64(b.StartedAt), nullable(b.EndedAt), string(b.Reason), b.Version,
		b.PeakViewers, b.UniqueViewers, b.WatchSeconds, window, int64(b.seenAt()))
	if err != nil {
		return false, explain("writing broadcast "+b.ID, err)
	}
	n, err := result.RowsAffected()
	return n > 0, explain("writing broadcast "+b.ID, err)
}

// Write stores a broadcast as it is, unless what is stored is newer. Recorder
// needs no such thing: it is for who has a history to bring along, and for tests.
func (s *Store) Write(ctx context.Context, b Broadcast) error {
	if b.State == "" {
		b.State = Ended
	}
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return explain("writing broadcast "+b.ID, err)
	}
	defer tx.Rollback()
	if _, _, err := apply(ctx, tx, b, nil); err != nil {
		return err
	}
	return explain("writing broadcast "+b.ID, tx.Commit())
}

// seenAt is the last that is known of a broadcast's streamer.
func (b *Broadcast) seenAt() presence.Millis {
	if b.EndedAt != 0 {
		return b.EndedAt
	}
	return max(b.changedAt, b.StartedAt)
}

func nullable(at presence.Millis) sql.NullInt64 {
	return sql.NullInt64{Int64: int64(at), Valid: at != 0}
}

// clean takes out what PostgreSQL has no place for in a text, and JSON has.
func clean(text string) string { return strings.ReplaceAll(text, "\x00", "\uFFFD") }

func tagsOf(d presence.Details) (string, error) {
	tags := make([]string, len(d.Tags))
	for i, tag := range d.Tags {
		tags[i] = clean(tag)
	}
	list, err := json.Marshal(tags)
	return string(list), explain("tags of a broadcast", err)
}

// sameDetails compares as they are stored.
func sameDetails(a, b presence.Details) bool {
	return clean(a.Title) == clean(b.Title) && clean(a.Category) == clean(b.Category) && clean(a.Language) == clean(b.Language) &&
		slices.EqualFunc(a.Tags, b.Tags, func(x, y string) bool { return clean(x) == clean(y) })
}

func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
