package webhook

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/presence"
)

// State is what an endpoint is like.
type State string

const (
	StateActive  State = "active"
	StateFailing State = "failing" // the last attempts failed, all of them
	StatePaused  State = "paused"  // it failed for long, or said 410: nothing is sent until it is resumed
)

// Endpoint is who wants to be told.
type Endpoint struct {
	ID           string
	URL          string
	Events       []Type
	Secret       string // whsec_…
	CreatedAt    presence.Millis
	CreatedBy    string          // a user id
	Failures     int             // in a row, whatever was sent
	FailingSince presence.Millis // 0: the last attempt went well
	RetryAt      presence.Millis // while it fails: when it is tried next
	PausedAt     presence.Millis // 0: it is not
	LastError    string
	Waiting      int // deliveries that are still to be made
}

// failingFrom is how many failures in a row make it an endpoint's fault rather
// than one event's. From then on it is tried with one delivery at a time.
const failingFrom = 5

// State returns what the endpoint is like.
func (e *Endpoint) State() State {
	switch {
	case e.PausedAt != 0:
		return StatePaused
	case e.Failures >= failingFrom:
		return StateFailing
	}
	return StateActive
}

// Wants reports whether the endpoint is told of events of a type.
func (e *Endpoint) Wants(t Type) bool { return slices.Contains(e.Events, t) }

// ErrNoEndpoint: there is no endpoint of that id.
var ErrNoEndpoint = errors.New("there is no such webhook")

// Store keeps endpoints and deliveries. Its statements run on SQLite and on
// PostgreSQL alike. Methods block on the database.
type Store struct {
	DB *sql.DB
}

const endpointColumns = `id, url, events, secret, created_at, created_by, failures, coalesce(failing_since, 0), retry_at,
	coalesce(paused_at, 0), last_error`

// Create adds an endpoint, which is told of what happens from now on. It makes
// the id and the secret.
func (s *Store) Create(ctx context.Context, url string, events []Type, by string, now presence.Millis) (Endpoint, error) {
	e := Endpoint{ID: "wh_" + uuid.NewString(), URL: url, Events: events, Secret: newSecret(), CreatedAt: now, CreatedBy: by}
	list, err := json.Marshal(e.Events)
	if err != nil {
		return Endpoint{}, fmt.Errorf("events of a webhook: %w", err)
	}
	_, err = s.DB.ExecContext(ctx, `INSERT INTO webhooks (id, url, events, secret, created_at, created_by) VALUES ($1,$2,$3,$4,$5,$6)`,
		e.ID, e.URL, string(list), e.Secret, int64(e.CreatedAt), e.CreatedBy)
	if err != nil {
		return Endpoint{}, fmt.Errorf("adding a webhook: %w", err)
	}
	return e, nil
}

// newSecret makes one of 32 bytes: the scheme asks for 24 to 64.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:])
}

// List returns all endpoints, in the order in which they came.
func (s *Store) List(ctx context.Context) ([]Endpoint, error) {
	all, err := endpoints(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	waiting, err := s.waiting(ctx)
	for i := range all {
		all[i].Waiting = waiting[all[i].ID]
	}
	return all, err
}

// Get returns one endpoint, or ErrNoEndpoint.
func (s *Store) Get(ctx context.Context, id string) (Endpoint, error) {
	all, err := s.List(ctx)
	if err != nil {
		return Endpoint{}, err
	}
	i := slices.IndexFunc(all, func(e Endpoint) bool { return e.ID == id })
	if i < 0 {
		return Endpoint{}, ErrNoEndpoint
	}
	return all[i], nil
}

// exists returns ErrNoEndpoint if there is no endpoint of that id.
func (s *Store) exists(ctx context.Context, id string) error {
	var one int
	err := s.DB.QueryRowContext(ctx, `SELECT 1 FROM webhooks WHERE id = $1`, id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoEndpoint
	}
	return explain("looking for a webhook", err)
}

// Delete removes an endpoint with all its deliveries, or is ErrNoEndpoint.
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.one(ctx, "removing a webhook", `DELETE FROM webhooks WHERE id = $1`, id)
}

// Resume has an endpoint tried again, paused or failing, with all that waits for
// it. ErrNoEndpoint if there is none.
func (s *Store) Resume(ctx context.Context, id string, now presence.Millis) error {
	if err := s.one(ctx, "resuming a webhook", `UPDATE webhooks SET failures = 0, failing_since = NULL, retry_at = 0, paused_at = NULL WHERE id = $1`, id); err != nil {
		return err
	}
	return s.hurry(ctx, id, now)
}

// hurry has all lanes of an endpoint tried now.
func (s *Store) hurry(ctx context.Context, endpoint string, now presence.Millis) error {
	_, err := s.DB.ExecContext(ctx, `UPDATE delivery_lanes SET due_at = $2 WHERE webhook = $1 AND due_at > $2`, endpoint, int64(now))
	return explain("trying a webhook at once", err)
}

// one runs a statement about one endpoint.
func (s *Store) one(ctx context.Context, doing, statement string, args ...any) error {
	result, err := s.DB.ExecContext(ctx, statement, args...)
	if err != nil {
		return explain(doing, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNoEndpoint, err)
	}
	return nil
}

func (s *Store) waiting(ctx context.Context) (map[string]int, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT webhook, count(*) FROM deliveries WHERE state = 'pending' GROUP BY webhook`)
	if err != nil {
		return nil, explain("counting deliveries", err)
	}
	defer rows.Close()
	waiting := make(map[string]int)
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, explain("counting deliveries", err)
		}
		waiting[id] = n
	}
	return waiting, explain("counting deliveries", rows.Err())
}

// querier is a database, or a transaction on it.
type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func endpoints(ctx context.Context, db querier) ([]Endpoint, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+endpointColumns+` FROM webhooks ORDER BY created_at, id`)
	if err != nil {
		return nil, explain("reading webhooks", err)
	}
	defer rows.Close()
	all := []Endpoint{}
	for rows.Next() {
		var e Endpoint
		var events []byte
		err := rows.Scan(&e.ID, &e.URL, &events, &e.Secret, &e.CreatedAt, &e.CreatedBy, &e.Failures, &e.FailingSince, &e.RetryAt, &e.PausedAt, &e.LastError)
		if err == nil {
			err = json.Unmarshal(events, &e.Events)
		}
		if err != nil {
			return nil, explain("reading webhooks", err)
		}
		all = append(all, e)
	}
	return all, explain("reading webhooks", rows.Err())
}

func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
