package moderation

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/tallylight/tallylight/presence"
)

// AuditQuery asks for what was done, latest first. Zero fields match everything.
type AuditQuery struct {
	First  int
	After  int64 // the number of the last act of the page before
	Room   string
	Actor  string
	Target string
	Action Action
}

// Audit returns one page of what was done, latest first.
func (s *Store) Audit(ctx context.Context, q AuditQuery) ([]Act, error) {
	var terms []string
	var args []any
	add := func(given bool, term string, value any) {
		if given {
			args = append(args, value)
			terms = append(terms, fmt.Sprintf(term, len(args)))
		}
	}
	add(q.After != 0, "seq < $%d", q.After)
	add(q.Room != "", "room = $%d", q.Room)
	add(q.Actor != "", "actor = $%d", q.Actor)
	add(q.Target != "", "target = $%d", q.Target)
	add(q.Action != "", "action = $%d", string(q.Action))
	where := ""
	if len(terms) > 0 {
		where = "WHERE " + strings.Join(terms, " AND ")
	}
	args = append(args, q.First)
	return s.acts(ctx, fmt.Sprintf(`SELECT %s FROM audit %s ORDER BY seq DESC LIMIT $%d`, auditColumns, where, len(args)), args...)
}

// EntryQuery asks for a room's bans or mutes that are in force at a time.
type EntryQuery struct {
	Room  string
	First int
	After string // the target of the last one of the page before
	Now   presence.Millis
}

// Bans returns one page of a room's bans, in the order of their targets. Those
// that are in force everywhere are of the room Everywhere alone.
func (s *Store) Bans(ctx context.Context, q EntryQuery) ([]Entry, error) {
	return s.entries(ctx, "bans", q)
}

// Mutes is like Bans.
func (s *Store) Mutes(ctx context.Context, q EntryQuery) ([]Entry, error) {
	return s.entries(ctx, "mutes", q)
}

func (s *Store) entries(ctx context.Context, table string, q EntryQuery) ([]Entry, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT room, target, actor, reason, created_at, expires_at FROM `+table+`
		WHERE room = $1 AND target > $2 AND (expires_at IS NULL OR expires_at > $3) ORDER BY target LIMIT $4`,
		q.Room, q.After, int64(q.Now), q.First)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", table, err)
	}
	defer rows.Close()
	entries := []Entry{}
	for rows.Next() {
		var e Entry
		var until sql.NullInt64
		if err := rows.Scan(&e.Room, &e.Target, &e.Actor, &e.Reason, &e.Created, &until); err != nil {
			return nil, fmt.Errorf("listing %s: %w", table, err)
		}
		e.Until = presence.Millis(until.Int64)
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// SlowSeconds returns the time that must be between two lines of one user.
func (s *Store) SlowSeconds(ctx context.Context, room string) (seconds int, err error) {
	err = s.DB.QueryRowContext(ctx, `SELECT coalesce(max(slow_seconds), 0) FROM room_settings WHERE room = $1`, room).Scan(&seconds)
	if err != nil {
		return 0, fmt.Errorf("reading the settings of room %q: %w", room, err)
	}
	return seconds, nil
}
