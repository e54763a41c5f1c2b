package webhook

import (
	"context"
	"database/sql"
	"errors"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/presence"
)

// leaseFor is how long a lane is leased for one attempt: far longer than that
// may take, and the clocks of two nodes may differ by the rest.
const leaseFor = 3 * DefaultTimeout

// leased is a lane that this node may deliver in, and nobody else.
type leased struct {
	lane
	name    string
	version int64 // when the lease was taken or renewed
}

// dueOf returns the endpoints that have lanes to be leased. To ask writes nothing,
// and so keeps nobody waiting: it is done every second by every node.
func (s *Store) dueOf(ctx context.Context, now presence.Millis) (map[string]bool, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT w.id FROM webhooks w WHERE EXISTS (
		SELECT 1 FROM delivery_lanes l WHERE l.webhook = w.id AND l.due_at <= $1 AND l.leased_till <= $1)`, int64(now))
	if err != nil {
		return nil, explain("looking for deliveries", err)
	}
	defer rows.Close()
	due := make(map[string]bool)
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, explain("looking for deliveries", err)
		}
		due[id] = true
	}
	return due, explain("looking for deliveries", rows.Err())
}

// lease takes at most n lanes of an endpoint that are due.
func (s *Store) lease(ctx context.Context, endpoint string, n int, now presence.Millis) ([]leased, error) {
	name := uuid.NewString()
	rows, err := s.DB.QueryContext(ctx, `UPDATE delivery_lanes SET lease = $2, leased_till = $3
		WHERE webhook = $1 AND leased_till <= $4 AND subject IN (
			SELECT subject FROM delivery_lanes WHERE webhook = $1 AND due_at <= $4 AND leased_till <= $4 ORDER BY due_at LIMIT $5)
		RETURNING subject, version`,
		endpoint, name, int64(now)+leaseFor.Milliseconds(), int64(now), n)
	if err != nil {
		return nil, explain("leasing deliveries", err)
	}
	defer rows.Close()
	var taken []leased
	for rows.Next() {
		l := leased{lane: lane{endpoint: endpoint}, name: name}
		if err := rows.Scan(&l.subject, &l.version); err != nil {
			return nil, explain("leasing deliveries", err)
		}
		taken = append(taken, l)
	}
	return taken, explain("leasing deliveries", rows.Err())
}

// errLeaseLost: somebody else has the lane by now, or the endpoint is gone.
var errLeaseLost = errors.New("the lease of the lane is over")

// renew keeps the lease for one more attempt.
func (s *Store) renew(ctx context.Context, l *leased, now presence.Millis) error {
	err := s.DB.QueryRowContext(ctx, `UPDATE delivery_lanes SET leased_till = $4 WHERE webhook = $1 AND subject = $2 AND lease = $3 RETURNING version`,
		l.endpoint, l.subject, l.name, int64(now)+leaseFor.Milliseconds()).Scan(&l.version)
	if errors.Is(err, sql.ErrNoRows) {
		return errLeaseLost
	}
	return explain("keeping a lease", err)
}

// giveBack ends the lease; the lane's head is due at that time.
func (s *Store) giveBack(ctx context.Context, l leased, due presence.Millis) error {
	_, err := s.DB.ExecContext(ctx, `UPDATE delivery_lanes SET lease = '', leased_till = 0, due_at = $4 WHERE webhook = $1 AND subject = $2 AND lease = $3`,
		l.endpoint, l.subject, l.name, int64(due))
	return explain("giving a lease back", err)
}

// close removes a lane that was found empty, unless something has come since the
// lease was last renewed.
func (s *Store) close(ctx context.Context, l leased) (closed bool, err error) {
	result, err := s.DB.ExecContext(ctx, `DELETE FROM delivery_lanes WHERE webhook = $1 AND subject = $2 AND lease = $3 AND version = $4`,
		l.endpoint, l.subject, l.name, l.version)
	if err != nil {
		return false, explain("closing a lane", err)
	}
	n, err := result.RowsAffected()
	return n > 0, explain("closing a lane", err)
}

// due is a delivery that is to be made.
type due struct {
	id        int64
	event     string
	body      []byte
	attempts  int
	createdAt presence.Millis
}

// head returns what comes next in a lane.
func (s *Store) head(ctx context.Context, l leased) (d due, ok bool, err error) {
	err = s.DB.QueryRowContext(ctx, `SELECT d.id, d.event, e.body, d.attempts, d.created_at FROM deliveries d JOIN webhook_events e ON e.id = d.event
		WHERE d.webhook = $1 AND d.subject = $2 AND d.state = 'pending' ORDER BY d.id LIMIT 1`, l.endpoint, l.subject).
		Scan(&d.id, &d.event, &d.body, &d.attempts, &d.createdAt)
	if errors.Is(err, sql.ErrNoRows) {
		return due{}, false, nil
	}
	return d, err == nil, explain("reading a delivery", err)
}

// outcome is what became of an attempt.
type outcome struct {
	status int    // 0: there was no answer
	err    string // "": it was taken
	gone   bool   // the endpoint wants nothing any more
}

// note writes down what became of an attempt. parked: it was the last one.
func (s *Store) note(ctx context.Context, d due, o outcome, parked bool, now presence.Millis) error {
	state, deliveredAt := "pending", sql.NullInt64{}
	switch {
	case o.err == "":
		state, deliveredAt = "delivered", sql.NullInt64{Int64: int64(now), Valid: true}
	case parked:
		state = "parked"
	}
	_, err := s.DB.ExecContext(ctx, `UPDATE deliveries SET state = $2, attempts = attempts + 1, attempted_at = $3, delivered_at = $4, status = $5, error = $6
		WHERE id = $1 AND state = 'pending'`,
		d.id, state, int64(now), deliveredAt, sql.NullInt64{Int64: int64(o.status), Valid: o.status != 0}, o.err)
	return explain("noting a delivery", err)
}

// park gives up what has waited for too long, without another attempt.
func (s *Store) park(ctx context.Context, before presence.Millis) (n int64, err error) {
	result, err := s.DB.ExecContext(ctx, `UPDATE deliveries SET state = 'parked' WHERE state = 'pending' AND created_at < $1`, int64(before))
	if err != nil {
		return 0, explain("parking deliveries", err)
	}
	return result.RowsAffected()
}

// well notes that an endpoint took something. One that was failing gets all that
// waits for it at once.
func (s *Store) well(ctx context.Context, endpoint string, wasFailing bool, now presence.Millis) error {
	_, err := s.DB.ExecContext(ctx, `UPDATE webhooks SET failures = 0, failing_since = NULL, retry_at = 0 WHERE id = $1 AND failures > 0`, endpoint)
	if err != nil || !wasFailing {
		return explain("noting that a webhook is well", err)
	}
	return s.hurry(ctx, endpoint, now)
}

// ill notes that an endpoint did not take something. It is paused if it says
// that it is gone, or has failed since before a time. It returns whether it is.
func (s *Store) ill(ctx context.Context, endpoint string, o outcome, now, pauseBefore presence.Millis) (paused bool, err error) {
	var failures int
	var since presence.Millis
	err = s.DB.QueryRowContext(ctx, `UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, $2), last_error = $3
		WHERE id = $1 RETURNING failures, failing_since`, endpoint, int64(now), o.err).Scan(&failures, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return false, errLeaseLost // it was removed
	}
	if err != nil {
		return false, explain("noting that a webhook fails", err)
	}
	if o.gone || failures >= failingFrom && since <= pauseBefore {
		_, err := s.DB.ExecContext(ctx, `UPDATE webhooks SET paused_at = $2 WHERE id = $1 AND paused_at IS NULL`, endpoint, int64(now))
		return true, explain("pausing a webhook", err)
	}
	if failures >= failingFrom {
		// No later than when it is to be paused, which only a failure can do.
		retryAt := min(now+presence.Millis(probeAfter(now.Time().Sub(since.Time())).Milliseconds()), since+now-pauseBefore)
		_, err = s.DB.ExecContext(ctx, `UPDATE webhooks SET retry_at = $2 WHERE id = $1`, endpoint, int64(retryAt))
	}
	return false, explain("noting that a webhook fails", err)
}

// probe lets one node, and one delivery, find out whether a failing endpoint is
// well again.
func (s *Store) probe(ctx context.Context, endpoint string, now presence.Millis) (may bool, err error) {
	result, err := s.DB.ExecContext(ctx, `UPDATE webhooks SET retry_at = $3 WHERE id = $1 AND retry_at <= $2`,
		endpoint, int64(now), int64(now)+leaseFor.Milliseconds())
	if err != nil {
		return false, explain("trying a webhook", err)
	}
	n, err := result.RowsAffected()
	return n > 0, explain("trying a webhook", err)
}
