package record

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/tallylight/tallylight/presence"
)

// LastEnds returns when the last broadcast of each of these users ended; those of whom none has are not in it. It is one
// query, for up to some thousands of users.
func (s *Store) LastEnds(ctx context.Context, users []string) (map[string]presence.Millis, error) {
	ends := make(map[string]presence.Millis)
	if len(users) == 0 {
		return ends, nil
	}
	query, args := lastEndsOf(users)
	rows, err := s.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("last broadcasts of %d users: %w", len(users), err)
	}
	defer rows.Close()
	for rows.Next() {
		var user string
		var at sql.NullInt64 // null: none has ended
		if err := rows.Scan(&user, &at); err != nil {
			return nil, fmt.Errorf("last broadcasts of %d users: %w", len(users), err)
		}
		if at.Valid {
			ends[user] = presence.Millis(at.Int64)
		}
	}
	return ends, rows.Err()
}

// lastEndsOf returns the query for some users and its arguments. There are only as many queries as there are powers of two,
// with the last user repeated: each is prepared, on the server and on this side, and kept.
//
// It looks for each user by itself. With "streamer IN (…)" PostgreSQL rather reads the whole table if there are many users;
// and where an index has ended_at after streamer, this takes one row of each.
func lastEndsOf(users []string) (query string, args []any) {
	n := 1
	for n < len(users) {
		n *= 2
	}
	var list strings.Builder
	for i := range n {
		if i > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "($%d)", i+1)
		args = append(args, users[min(i, len(users)-1)])
	}
	return `SELECT column1, (SELECT max(ended_at) FROM broadcasts WHERE streamer = column1)
		FROM (VALUES ` + list.String() + `) AS asked`, args
}
