package record

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
)

const (
	// auditEvery is how often it is looked for broadcasts that the record has and
	// nobody else, and for rooms.
	auditEvery = time.Minute
	// lostAfter is for how long nothing must have come of a broadcast that nobody
	// knows, to be sure that the record is not just ahead of this node.
	lostAfter = time.Minute
	// forgetEvery is how often what is too old is dropped.
	forgetEvery = 10 * time.Minute
	// deliveriesKept is for how long it is known what became of deliveries, unless
	// broadcasts are kept for a shorter time.
	deliveriesKept = 30 * 24 * time.Hour
)

// housekeeping says when it was last done.
type housekeeping struct{ audited, forgot time.Time }

// keepHouse looks for what no transition will tell any more.
func (r *Recorder) keepHouse(ctx context.Context, now time.Time) {
	if r.house.audited.IsZero() { // those who were there before may take some time to be known
		r.house.audited = now
	}
	if now.Sub(r.house.audited) >= auditEvery && !r.cfg.Directory.Stale() {
		r.house.audited = now
		if err := errors.Join(r.closeLost(ctx, now), r.auditRooms(ctx)); err != nil && ctx.Err() == nil {
			r.complain("record: looking for what was lost failed; it is tried again", err)
		}
	}
	if now.Sub(r.house.forgot) >= forgetEvery && r.cfg.Mine(0) { // it is for one to do, and that is as good as any
		r.house.forgot = now
		if err := r.forget(ctx, now); err != nil && ctx.Err() == nil {
			r.complain("record: dropping what is too old failed; it is tried again", err)
		}
	}
}

// open is a broadcast that has not ended, as far as the record tells.
type open struct {
	id, room string
	version  int64
	seen     presence.Millis
}

const openSince = `SELECT id, room, version, seen_at FROM broadcasts WHERE ended_at IS NULL AND seen_at < $1`

// opens returns those of which nothing came since a time. There may be as many as
// are live.
func (s *Store) opens(ctx context.Context, before presence.Millis) ([]open, error) {
	rows, err := s.DB.QueryContext(ctx, openSince, int64(before))
	if err != nil {
		return nil, explain("looking for open broadcasts", err)
	}
	defer rows.Close()
	var all []open
	for rows.Next() {
		var o open
		if err := rows.Scan(&o.id, &o.room, &o.version, &o.seen); err != nil {
			return nil, explain("looking for open broadcasts", err)
		}
		all = append(all, o)
	}
	return all, explain("looking for open broadcasts", rows.Err())
}

// closeLost ends broadcasts that nobody holds, nor waits for: Redis has lost them,
// with the transition that ended them. When exactly that was nobody knows.
func (r *Recorder) closeLost(ctx context.Context, now time.Time) error {
	opens, err := r.cfg.Store.opens(ctx, presence.MillisOf(now.Add(-lostAfter)))
	if err != nil {
		return err
	}
	for _, o := range opens {
		if !r.cfg.Mine(presence.PartitionOf(o.room)) {
			continue
		}
		if b := r.cfg.Directory.Room(o.room).View.Broadcast; b != nil && b.ID == o.id {
			continue
		}
		if err := r.closeOne(ctx, o, presence.ReasonLost); err != nil {
			return err
		}
	}
	return nil
}

// Resume hands over the broadcasts that have not ended as far as the record
// tells, for a node that runs alone and has just started: their streamers may come
// back. Those of which nothing was heard for longer than any window are closed. It
// comes before Run, and blocks on the database.
func (r *Recorder) Resume(ctx context.Context, take func(presence.Interrupted)) error {
	now := time.Now()
	opens, err := r.cfg.Store.opens(ctx, presence.MillisOf(now))
	if err != nil {
		return err
	}
	for _, o := range opens {
		i, seen, err := r.cfg.Store.interrupted(ctx, o)
		switch {
		case err != nil:
			return err
		case now.Sub(seen.Time()) > presence.MaxWindow:
			if err := r.closeOne(ctx, o, presence.ReasonNodeLost); err != nil {
				return err
			}
		default:
			take(i)
		}
	}
	return nil
}

// interrupted reads an open broadcast, and when it was last known to be running.
func (s *Store) interrupted(ctx context.Context, o open) (i presence.Interrupted, seen presence.Millis, err error) {
	b, _, err := s.Get(ctx, o.id)
	if err != nil {
		return i, 0, err
	}
	var window, sampled sql.NullInt64
	err = s.DB.QueryRowContext(ctx, `SELECT window_ms, (SELECT max(at) FROM viewer_samples WHERE broadcast = $1) FROM broadcasts WHERE id = $1`, o.id).Scan(&window, &sampled)
	if err != nil {
		return i, 0, explain("looking at broadcast "+o.id, err)
	}
	i = presence.Interrupted{Room: b.Room, User: b.Streamer, Broadcast: presence.Broadcast{ID: b.ID, Details: b.Details, StartedAt: b.StartedAt, Version: b.Version}}
	if window.Valid {
		i.Window = new(time.Duration(window.Int64) * time.Millisecond)
	}
	return i, max(o.seen, presence.Millis(sampled.Int64)), nil
}

// closeOne ends a broadcast in the record, unless anything has come of it since.
// The version stays: should its true end be heard of after all, that is newer.
func (r *Recorder) closeOne(ctx context.Context, o open, why presence.Reason) error {
	return r.inTx(ctx, func(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox) error {
		old, err := lock(ctx, tx, o.id)
		if err != nil || old == nil || old.state == Ended || old.version != o.version {
			return err
		}
		s := state{}
		if s.Broadcast, err = scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM broadcasts WHERE id = $1`, o.id).Scan); err != nil {
			return err
		}
		s.State, s.Reason = Ended, why
		if s.EndedAt, err = lastSign(ctx, tx, o); err != nil {
			return err
		}
		if err := s.peakOfSamples(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE broadcasts SET state = $2, ended_at = $3, reason = $4, peak_viewers = CASE WHEN $5 > peak_viewers OR peak_viewers IS NULL THEN $5 ELSE peak_viewers END WHERE id = $1`,
			o.id, string(Ended), int64(s.EndedAt), string(why), s.PeakViewers)
		if err != nil {
			return explain("closing broadcast "+o.id, err)
		}
		r.cfg.Logger.Warn("record: a broadcast of which nobody knows any more is closed", "broadcast", o.id, "room", o.room, "reason", why)
		for _, e := range eventsOf(old, s.Broadcast, 0) {
			if err := outbox.Add(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// lastSign returns when a broadcast was last known to be running.
func lastSign(ctx context.Context, tx *sql.Tx, o open) (presence.Millis, error) {
	var sampled sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT max(at) FROM viewer_samples WHERE broadcast = $1`, o.id).Scan(&sampled)
	return max(o.seen, presence.Millis(sampled.Int64)), explain("looking at viewer samples", err)
}

// auditRooms notes that rooms are vacated which the record has as occupied and
// nobody views: whoever should have noted it died.
func (r *Recorder) auditRooms(ctx context.Context) error {
	rows, err := r.cfg.Store.DB.QueryContext(ctx, `SELECT room FROM occupied_rooms`)
	if err != nil {
		return explain("looking for occupied rooms", err)
	}
	defer rows.Close()
	var gone []string
	for rows.Next() {
		var room string
		if err := rows.Scan(&room); err != nil {
			return explain("looking for occupied rooms", err)
		}
		if r.watched.mine[presence.PartitionOf(room)] && !r.watched.noted[room] && r.cfg.Directory.Viewers(room) == 0 {
			gone = append(gone, room)
		}
	}
	if err := rows.Err(); err != nil {
		return explain("looking for occupied rooms", err)
	}
	for _, room := range gone {
		if err := r.vacate(ctx, room); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what is too old.
func (r *Recorder) forget(ctx context.Context, now time.Time) error {
	kept := deliveriesKept
	if r.cfg.Keep > 0 {
		kept = min(kept, r.cfg.Keep)
		for more := true; more; {
			var err error
			if more, err = r.cfg.Store.Forget(ctx, presence.MillisOf(now.Add(-r.cfg.Keep))); err != nil {
				return err
			}
		}
	}
	for more := true; more; {
		var err error
		if more, err = r.hooks.Forget(ctx, presence.MillisOf(now.Add(-kept))); err != nil {
			return err
		}
	}
	return nil
}

// oldest names broadcasts that ended before a time. The first ones by start are looked at first, for which there is an
// index.
const oldest = `SELECT id FROM broadcasts WHERE ` + everybody + ` AND started_at < $1 AND ended_at < $1 ORDER BY started_at, id LIMIT $2`

// Forget drops broadcasts that ended before a time, with their samples. It drops
// at most some hundreds, and says whether there may be more.
func (s *Store) Forget(ctx context.Context, before presence.Millis) (more bool, err error) {
	const most = 500
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return false, explain("dropping old broadcasts", err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `DELETE FROM viewer_samples WHERE broadcast IN (`+oldest+`)`, int64(before), most); err != nil {
		return false, explain("dropping old viewer samples", err)
	}
	result, err := tx.ExecContext(ctx, `DELETE FROM broadcasts WHERE id IN (`+oldest+`)`, int64(before), most)
	if err != nil {
		return false, explain("dropping old broadcasts", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, explain("dropping old broadcasts", err)
	}
	return n == most, explain("dropping old broadcasts", tx.Commit())
}
