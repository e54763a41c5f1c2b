// Package record keeps the history of broadcasts: when was who live, why did it
// end, how many watched.
//
// It follows the log of transitions (Recorder). What each does to the record is
// one step with the events that webhooks are told: both are written in one
// transaction, or neither. A transition is told apart by its broadcast and
// version, and one that is not newer than the record changes nothing, so that
// the log may be read by any node, and read again.
package record

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/presence"
)

// Broadcast is the record of one. EndedAt and Reason are zero while it runs.
type Broadcast struct {
	ID        string
	Streamer  presence.User
	Room      string
	Details   presence.Details
	State     State
	StartedAt presence.Millis
	EndedAt   presence.Millis
	Reason    presence.Reason
	Version   int64 // of the last transition that it reflects

	changedAt presence.Millis // when that was; known only while it is written
	presence.Figures
}

// State is what a broadcast was doing at its last transition.
type State string

const (
	Live         State = "live"
	Reconnecting State = "reconnecting"
	Ended        State = "ended"
)

// Query asks for broadcasts, latest start first. Zero fields match everything.
type Query struct {
	First    int
	After    string // the cursor of the last broadcast of the page before
	Streamer string
	Room     string
	From, To presence.Millis // started in [From, To)
}

// Store is the table of broadcasts, and what belongs to them. Its statements run
// on SQLite and on PostgreSQL alike. Methods block on the database.
type Store struct {
	DB *sql.DB
}

const columns = `id, streamer, streamer_name, room, title, category, language, tags, state,
	started_at, coalesce(ended_at, 0), reason, version, peak_viewers, unique_viewers, watch_seconds`

// ErrCursor: the cursor is not one of a list of broadcasts.
var ErrCursor = errors.New("the cursor is not one of this list")

// List returns one page of broadcasts, latest start first, or ErrCursor.
func (s *Store) List(ctx context.Context, q Query) ([]Broadcast, error) {
	statement, args, err := q.statement()
	if err != nil {
		return nil, err
	}
	rows, err := s.DB.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("listing broadcasts: %w", err)
	}
	defer rows.Close()
	page := []Broadcast{}
	for rows.Next() {
		b, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		page = append(page, b)
	}
	return page, rows.Err()
}

// There is an index for each pair of filters, given or not, which has the list side by side: it is read from the upper
// bound down, and no more of it than is returned. No other will do: PostgreSQL likes to go down the index of all and pass
// over what is not asked for, which reads the whole history if a streamer had much and long ago; SQLite likes to go
// through a room for one of those who were there. So the others are out of question: each of these conditions is true of
// every broadcast, an index is made of those that it is true of, and only who says it may have that index.
const (
	everybody = "streamer_name >= ''" // for broadcasts_started
	oneFilter = "title >= ''"         // for broadcasts_streamer and broadcasts_room
)

// statement returns what List asks for.
func (q Query) statement() (statement string, args []any, err error) {
	var terms []string
	add := func(term string, values ...any) {
		places := make([]any, len(values))
		for i, value := range values {
			args = append(args, value)
			places[i] = len(args)
		}
		terms = append(terms, fmt.Sprintf(term, places...))
	}
	switch {
	case q.Streamer != "" && q.Room != "":
		add("streamer = $%d AND room = $%d", q.Streamer, q.Room)
	case q.Streamer != "":
		add("streamer = $%d AND "+oneFilter, q.Streamer)
	case q.Room != "":
		add("room = $%d AND "+oneFilter, q.Room)
	default:
		add(everybody)
	}
	if q.From != 0 {
		add("started_at >= $%d", int64(q.From))
	}
	var at presence.Millis
	var id string
	if q.After != "" {
		if at, id, err = parseCursor(q.After); err != nil {
			return "", nil, err
		}
	}
	// Of two upper bounds the lower one says it all. Given both, a database may begin at the higher one, and read
	// what is between them for nothing.
	switch {
	case q.After != "" && (q.To == 0 || at < q.To):
		add("(started_at, id) < ($%d, $%d)", int64(at), id)
	case q.To != 0:
		add("started_at < $%d", int64(q.To))
	}
	args = append(args, q.First)
	return fmt.Sprintf(`SELECT %s FROM broadcasts WHERE %s ORDER BY started_at DESC, id DESC LIMIT $%d`,
		columns, strings.Join(terms, " AND "), len(args)), args, nil
}

// Cursor returns what Query.After takes to go on after the broadcast.
func (b *Broadcast) Cursor() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", b.StartedAt, b.ID))
}

func parseCursor(cursor string) (at presence.Millis, id string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, "", ErrCursor
	}
	if _, err := fmt.Sscanf(string(raw), "%d %s", &at, &id); err != nil || !ValidID(id) {
		return 0, "", ErrCursor
	}
	return at, id, nil
}

// ValidID tells whether id can be a broadcast's: a UUID in the one form in which
// they are stored.
func ValidID(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == id
}

// Get returns one broadcast; ok is false if there is none.
func (s *Store) Get(ctx context.Context, id string) (b Broadcast, ok bool, err error) {
	row := s.DB.QueryRowContext(ctx, `SELECT `+columns+` FROM broadcasts WHERE id = $1`, id)
	b, err = scan(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Broadcast{}, false, nil
	}
	return b, err == nil, err
}

func scan(scan func(...any) error) (Broadcast, error) {
	var b Broadcast
	var tags []byte
	err := scan(&b.ID, &b.Streamer.ID, &b.Streamer.Name, &b.Room, &b.Details.Title, &b.Details.Category,
		&b.Details.Language, &tags, &b.State, &b.StartedAt, &b.EndedAt, &b.Reason, &b.Version,
		&b.PeakViewers, &b.UniqueViewers, &b.WatchSeconds)
	if err != nil {
		return Broadcast{}, fmt.Errorf("reading a broadcast: %w", err)
	}
	if err := json.Unmarshal(tags, &b.Details.Tags); err != nil {
		return Broadcast{}, fmt.Errorf("tags of broadcast %s: %w", b.ID, err)
	}
	return b, nil
}
