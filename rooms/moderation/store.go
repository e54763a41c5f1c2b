package moderation

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// Store is the tables of moderation. Its statements run on SQLite and on
// PostgreSQL alike. Methods block on the database, for as long as their context
// lasts; one that ends while a transaction is committed leaves the outcome
// unknown, and all of them may then be repeated.
type Store struct {
	DB *sql.DB
}

// Do writes an act to the audit and changes what is in force, in one
// transaction, and returns it with its number and time.
//
// The number is taken from a row that all who write lock first: until this
// transaction has ended nobody gets the next one, so that numbers become
// visible in their order.
func (s *Store) Do(ctx context.Context, a Act) (Act, error) {
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return a, fmt.Errorf("writing to the audit: %w", err)
	}
	defer tx.Rollback()
	err = tx.QueryRowContext(ctx, `UPDATE audit_clock SET seq = seq + 1 WHERE only_one = 1 RETURNING seq`).Scan(&a.Seq)
	if err != nil {
		return a, fmt.Errorf("taking a number of the audit: %w", err)
	}
	a.At = presence.MillisOf(time.Now())
	if err := write(ctx, tx, a); err != nil {
		return a, fmt.Errorf("writing %s to the audit: %w", a.Action, err)
	}
	if err := change(ctx, tx, a); err != nil {
		return a, fmt.Errorf("%s in room %q: %w", a.Action, a.Room, err)
	}
	if err := tx.Commit(); err != nil {
		return a, fmt.Errorf("writing to the audit: %w", err)
	}
	return a, nil
}

const auditColumns = `seq, at, actor, action, room, target, reason, expires_at, details`

func write(ctx context.Context, tx *sql.Tx, a Act) error {
	details, err := json.Marshal(a.Details)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
		a.Seq, int64(a.At), a.Actor, string(a.Action), a.Room, a.Target, a.Reason, endOf(a.Until), string(details))
	return err
}

// endOf is how the tables have an end.
func endOf(until presence.Millis) sql.NullInt64 {
	return sql.NullInt64{Int64: int64(until), Valid: until != 0}
}

// change carries an act out in the tables of what is in force.
func change(ctx context.Context, tx *sql.Tx, a Act) (err error) {
	switch {
	case a.Excludes():
		err = put(ctx, tx, "bans", a)
	case a.Action == Mute:
		err = put(ctx, tx, "mutes", a)
	case a.Action == Unban:
		_, err = tx.ExecContext(ctx, `DELETE FROM bans WHERE room = $1 AND target = $2`, a.Room, a.Target)
	case a.Action == Unmute:
		_, err = tx.ExecContext(ctx, `DELETE FROM mutes WHERE room = $1 AND target = $2`, a.Room, a.Target)
	case a.Action == Revoke:
		err = revoke(ctx, tx, a)
	case a.Action == Restore:
		_, err = tx.ExecContext(ctx, `DELETE FROM revocations WHERE target = $1`, a.Target)
	case a.Action == Slow:
		_, err = tx.ExecContext(ctx, `INSERT INTO room_settings (room, slow_seconds) VALUES ($1,$2)
			ON CONFLICT (room) DO UPDATE SET slow_seconds = excluded.slow_seconds`, a.Room, a.Seconds)
	}
	return err
}

// put makes a ban or a mute, or replaces it: but a kick that keeps its target
// out for a while does not end a ban that lasts longer.
func put(ctx context.Context, tx *sql.Tx, table string, a Act) error {
	only := ""
	if a.Action == Kick {
		only = fmt.Sprintf(` WHERE %[1]s.expires_at < excluded.expires_at`, table) // not if that is null
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO `+table+` (room, target, actor, reason, created_at, expires_at)
		VALUES ($1,$2,$3,$4,$5,$6)
		ON CONFLICT (room, target) DO UPDATE SET actor = excluded.actor, reason = excluded.reason,
			created_at = excluded.created_at, expires_at = excluded.expires_at`+only,
		a.Room, a.Target, a.Actor, a.Reason, int64(a.At), endOf(a.Until))
	return err
}

// Since returns at most so many acts after a number, in their order.
func (s *Store) Since(ctx context.Context, seq int64, most int) ([]Act, error) {
	return s.acts(ctx, `SELECT `+auditColumns+` FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`, seq, most)
}

func (s *Store) acts(ctx context.Context, query string, args ...any) ([]Act, error) {
	rows, err := s.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the audit: %w", err)
	}
	defer rows.Close()
	acts := []Act{}
	for rows.Next() {
		var a Act
		var until sql.NullInt64
		var details []byte
		if err := rows.Scan(&a.Seq, &a.At, &a.Actor, &a.Action, &a.Room, &a.Target, &a.Reason, &until, &details); err != nil {
			return nil, fmt.Errorf("reading the audit: %w", err)
		}
		a.Until = presence.Millis(until.Int64)
		if json.Unmarshal(details, &a.Details) != nil {
			a.Details = Details{} // a later version's: what it did there is no reason to stop reading here
		}
		acts = append(acts, a)
	}
	return acts, rows.Err()
}

// Forget removes bans, mutes and revocations that ended before a time. Nobody need do it for
// them to end.
func (s *Store) Forget(ctx context.Context, before presence.Millis) error {
	for _, table := range []string{"bans", "mutes", "revocations"} {
		if _, err := s.DB.ExecContext(ctx, `DELETE FROM `+table+` WHERE expires_at < $1`, int64(before)); err != nil {
			return fmt.Errorf("forgetting old %s: %w", table, err)
		}
	}
	return nil
}
