package moderation

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// What the target of a revocation begins with: the id of a token, or a user, all
// of whose tokens are meant.
const ofToken, ofUser = "jti:", "sub:"

// MaxTokenID bounds the id of a token that is revoked, in bytes.
const MaxTokenID = 256

// TargetOfToken returns the target of a revocation of one token, by its jti.
func TargetOfToken(jti string) string { return ofToken + jti }

// TargetOfTokens returns the target of a revocation of a user's tokens.
func TargetOfTokens(user string) string { return ofUser + user }

// ParseRevoked takes the target of a revocation apart: one of the two is empty.
func ParseRevoked(target string) (jti, user string, ok bool) {
	if jti, ok = strings.CutPrefix(target, ofToken); ok {
		text := utf8.ValidString(jti) && !strings.ContainsFunc(jti, unicode.IsControl) // PostgreSQL fails over what is none
		return jti, "", jti != "" && len(jti) <= MaxTokenID && text
	}
	user, ok = strings.CutPrefix(target, ofUser)
	return "", user, ok && auth.ValidUser(user)
}

// Revocation is one that is in force.
type Revocation struct {
	Target       string
	Actor        string
	Reason       string
	Created      presence.Millis
	IssuedBefore presence.Millis // of a user's tokens those that were issued before; 0: all
	Until        presence.Millis // 0: until it is taken back
}

// revoked is what a book has of a revocation, in Unix ms; 0 as above.
type revoked struct{ before, until int64 }

// Revoked reports whether a token was revoked: it, or all of its user, or those
// of its user that are as old. A token that does not say when it was issued is
// as old as can be.
func (b *Book) Revoked(id *auth.Identity, now time.Time) bool {
	if b == nil {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.revoked) == 0 {
		return false
	}
	if r, ok := b.revoked[TargetOfToken(id.TokenID)]; ok && id.TokenID != "" && r.concerns(id, now) {
		return true
	}
	r, ok := b.revoked[TargetOfTokens(id.User)]
	return ok && r.concerns(id, now)
}

func (r revoked) concerns(id *auth.Identity, now time.Time) bool {
	if r.until != 0 && r.until <= now.UnixMilli() {
		return false
	}
	return r.before == 0 || id.IssuedAt.IsZero() || id.IssuedAt.UnixMilli() < r.before
}

// revoke carries a revocation out in its table.
func revoke(ctx context.Context, tx *sql.Tx, a Act) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO revocations (target, actor, reason, created_at, issued_before, expires_at)
		VALUES ($1,$2,$3,$4,$5,$6)
		ON CONFLICT (target) DO UPDATE SET actor = excluded.actor, reason = excluded.reason, created_at = excluded.created_at,
			issued_before = excluded.issued_before, expires_at = excluded.expires_at`,
		a.Target, a.Actor, a.Reason, int64(a.At), endOf(a.IssuedBefore), endOf(a.Until))
	return err
}

func loadRevoked(ctx context.Context, tx *sql.Tx, now presence.Millis, take func(target string, before, until presence.Millis)) error {
	rows, err := tx.QueryContext(ctx, `SELECT target, issued_before, expires_at FROM revocations
		WHERE expires_at IS NULL OR expires_at > $1`, int64(now))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var target string
		var before, until sql.NullInt64
		if err := rows.Scan(&target, &before, &until); err != nil {
			return err
		}
		take(target, presence.Millis(before.Int64), presence.Millis(until.Int64))
	}
	return rows.Err()
}

// Revocations returns one page of those that are in force, in the order of their
// targets. Query.Room does not count.
func (s *Store) Revocations(ctx context.Context, q EntryQuery) ([]Revocation, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT target, actor, reason, created_at, issued_before, expires_at FROM revocations
		WHERE target > $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY target LIMIT $3`, q.After, int64(q.Now), q.First)
	if err != nil {
		return nil, fmt.Errorf("listing revocations: %w", err)
	}
	defer rows.Close()
	list := []Revocation{}
	for rows.Next() {
		var r Revocation
		var before, until sql.NullInt64
		if err := rows.Scan(&r.Target, &r.Actor, &r.Reason, &r.Created, &before, &until); err != nil {
			return nil, fmt.Errorf("listing revocations: %w", err)
		}
		r.IssuedBefore, r.Until = presence.Millis(before.Int64), presence.Millis(until.Int64)
		list = append(list, r)
	}
	return list, rows.Err()
}
