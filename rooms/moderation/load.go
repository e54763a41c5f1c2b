package moderation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tallylight/tallylight/presence"
)

// Load hands over all that is in force at a time, one by one, and returns the
// number of the last act that it reflects: it is all of one moment. What it has
// handed over before it fails means nothing.
func (s *Store) Load(ctx context.Context, now presence.Millis, take Taker) (seq int64, err error) {
	// PostgreSQL takes the snapshot with the first statement, SQLite does so anyway.
	tx, err := s.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return 0, fmt.Errorf("loading what is in force: %w", err)
	}
	defer tx.Rollback()
	err = tx.QueryRowContext(ctx, `SELECT seq FROM audit_clock`).Scan(&seq)
	if err == nil {
		err = errors.Join(loadTerms(ctx, tx, "bans", now, take.Ban), loadTerms(ctx, tx, "mutes", now, take.Mute), loadSlow(ctx, tx, take.Slow), loadRevoked(ctx, tx, now, take.Revoked))
	}
	if err != nil {
		return 0, fmt.Errorf("loading what is in force: %w", err)
	}
	return seq, nil
}

// Taker takes what is in force.
type Taker struct {
	Ban, Mute func(room, target string, term Term)
	Slow      func(room string, seconds int)
	Revoked   func(target string, before, until presence.Millis)
}

func loadTerms(ctx context.Context, tx *sql.Tx, table string, now presence.Millis, take func(room, target string, term Term)) error {
	rows, err := tx.QueryContext(ctx, `SELECT room, target, reason, expires_at FROM `+table+`
		WHERE expires_at IS NULL OR expires_at > $1`, int64(now))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var room, target, reason string
		var until sql.NullInt64
		if err := rows.Scan(&room, &target, &reason, &until); err != nil {
			return err
		}
		take(room, target, Term{Until: presence.Millis(until.Int64), Reason: reason})
	}
	return rows.Err()
}

func loadSlow(ctx context.Context, tx *sql.Tx, take func(room string, seconds int)) error {
	rows, err := tx.QueryContext(ctx, `SELECT room, slow_seconds FROM room_settings WHERE slow_seconds > 0`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var room string
		var seconds int
		if err := rows.Scan(&room, &seconds); err != nil {
			return err
		}
		take(room, seconds)
	}
	return rows.Err()
}
