package webhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tallylight/tallylight/presence"
)

// DeliveryState is what became of a delivery.
type DeliveryState string

const (
	Pending   DeliveryState = "pending"
	Delivered DeliveryState = "delivered"
	Parked    DeliveryState = "parked" // it was given up; it can be asked for again
)

// DeliveryStates are all there are.
var DeliveryStates = []DeliveryState{Pending, Delivered, Parked}

// Delivery is one event for one endpoint.
type Delivery struct {
	ID          int64
	Event       string
	Type        Type
	Subject     string
	HappenedAt  presence.Millis
	State       DeliveryState
	Attempts    int
	CreatedAt   presence.Millis // or asked for again
	AttemptedAt presence.Millis // the last time; 0: never
	DeliveredAt presence.Millis // 0: not yet
	Status      int             // what the endpoint answered last; 0: nothing
	Error       string          // why the last attempt failed
	Body        []byte
}

// DeliveryQuery asks for an endpoint's deliveries, latest first.
type DeliveryQuery struct {
	Endpoint string
	First    int
	After    int64         // the id of the last one of the page before; 0: the beginning
	State    DeliveryState // empty: any
}

// Deliveries returns a page of an endpoint's deliveries, or ErrNoEndpoint.
func (s *Store) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	if err := s.exists(ctx, q.Endpoint); err != nil {
		return nil, err
	}
	args := []any{q.Endpoint, q.First}
	where := ""
	if q.After != 0 {
		args = append(args, q.After)
		where += fmt.Sprintf(" AND d.id < $%d", len(args))
	}
	if q.State != "" {
		args = append(args, string(q.State))
		where += fmt.Sprintf(" AND d.state = $%d", len(args))
	}
	rows, err := s.DB.QueryContext(ctx, `SELECT d.id, d.event, e.type, d.subject, e.at, d.state, d.attempts, d.created_at, coalesce(d.attempted_at, 0),
			coalesce(d.delivered_at, 0), coalesce(d.status, 0), d.error, e.body
		FROM deliveries d JOIN webhook_events e ON e.id = d.event
		WHERE d.webhook = $1`+where+` ORDER BY d.id DESC LIMIT $2`, args...)
	if err != nil {
		return nil, explain("listing deliveries", err)
	}
	defer rows.Close()
	page := []Delivery{}
	for rows.Next() {
		var d Delivery
		if err := rows.Scan(&d.ID, &d.Event, &d.Type, &d.Subject, &d.HappenedAt, &d.State, &d.Attempts, &d.CreatedAt, &d.AttemptedAt,
			&d.DeliveredAt, &d.Status, &d.Error, &d.Body); err != nil {
			return nil, explain("listing deliveries", err)
		}
		page = append(page, d)
	}
	return page, explain("listing deliveries", rows.Err())
}

// ErrNoDelivery: the endpoint has no delivery of that id.
var ErrNoDelivery = errors.New("there is no such delivery")

// Retry has one delivery made again, whatever became of it: with the same event
// id, and before what else waits of its subject. ErrNoDelivery if there is none.
func (s *Store) Retry(ctx context.Context, endpoint string, id int64, now presence.Millis) error {
	n, err := s.again(ctx, endpoint, now, `d.id = $3`, id)
	if err == nil && n == 0 {
		return ErrNoDelivery
	}
	return err
}

// Replay has all deliveries made again whose events happened in [from, to): those
// that were parked, or, if all is asked for, those that were taken as well. It
// returns how many, or ErrNoEndpoint.
func (s *Store) Replay(ctx context.Context, endpoint string, from, to presence.Millis, all bool, now presence.Millis) (int, error) {
	if err := s.exists(ctx, endpoint); err != nil {
		return 0, err
	}
	what := `d.state = 'parked'`
	if all {
		what = `d.state <> 'pending'`
	}
	return s.again(ctx, endpoint, now, what+` AND d.event IN (SELECT id FROM webhook_events WHERE at >= $3 AND at < $4)`, int64(from), int64(to))
}

// again has deliveries of an endpoint made anew.
func (s *Store) again(ctx context.Context, endpoint string, now presence.Millis, where string, args ...any) (n int, err error) {
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return 0, explain("asking for deliveries again", err)
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, `UPDATE deliveries AS d SET state = 'pending', attempts = 0, created_at = $2 WHERE d.webhook = $1 AND `+where+` RETURNING subject`,
		append([]any{endpoint, int64(now)}, args...)...)
	if err != nil {
		return 0, explain("asking for deliveries again", err)
	}
	lanes, n, err := lanesOf(endpoint, rows)
	if err == nil {
		err = openLanes(ctx, tx, lanes, now)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return 0, explain("asking for deliveries again", err)
	}
	return n, s.hurry(ctx, endpoint, now)
}

// lanesOf reads subjects, each of which may be there many times.
func lanesOf(endpoint string, rows *sql.Rows) (lanes []lane, n int, err error) {
	defer rows.Close()
	seen := make(map[string]bool)
	for rows.Next() {
		var subject string
		if err := rows.Scan(&subject); err != nil {
			return nil, 0, err
		}
		if !seen[subject] {
			lanes = append(lanes, lane{endpoint, subject})
		}
		seen[subject] = true
		n++
	}
	return lanes, n, rows.Err()
}

// Forget drops what became of deliveries that were done with before a time, and
// events that no delivery needs any more. It drops at most some thousands, and
// says whether there is more: the database is not to be busy with that for long.
func (s *Store) Forget(ctx context.Context, before presence.Millis) (more bool, err error) {
	const most = 5000
	for _, state := range []DeliveryState{Delivered, Parked} {
		result, err := s.DB.ExecContext(ctx, `DELETE FROM deliveries WHERE id IN (
			SELECT id FROM deliveries WHERE state = $3 AND created_at < $1 ORDER BY created_at LIMIT $2)`, int64(before), most, string(state))
		if err != nil {
			return false, explain("forgetting deliveries", err)
		}
		n, err := result.RowsAffected()
		if err != nil || n == most {
			return err == nil, explain("forgetting deliveries", err)
		}
	}
	result, err := s.DB.ExecContext(ctx, `DELETE FROM webhook_events WHERE id IN (
		SELECT e.id FROM webhook_events e WHERE e.at < $1 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.id) ORDER BY e.at LIMIT $2)`, int64(before), most)
	if err != nil {
		return false, explain("forgetting events", err)
	}
	n, err := result.RowsAffected()
	return n == most, explain("forgetting events", err)
}
