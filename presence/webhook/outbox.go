package webhook

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// Outbox takes the events of one transaction. It is for one goroutine, and
// Close comes before the commit.
type Outbox struct {
	tx    *sql.Tx
	now   presence.Millis
	all   []Endpoint
	lanes map[lane]bool // that have something new
}

// lane is one endpoint's deliveries of one subject.
type lane struct{ endpoint, subject string }

// NewOutbox returns one for a transaction. It blocks on the database, like the
// methods.
func NewOutbox(ctx context.Context, tx *sql.Tx, now presence.Millis) (*Outbox, error) {
	all, err := endpoints(ctx, tx)
	return &Outbox{tx: tx, now: now, all: all, lanes: make(map[lane]bool)}, err
}

// Add writes an event for all endpoints that want it, unless it was written
// before. Endpoints are not told of what happened before they came.
func (o *Outbox) Add(ctx context.Context, e Event) error {
	var to []Endpoint
	for _, endpoint := range o.all {
		if endpoint.Wants(e.Type) && e.At >= endpoint.CreatedAt {
			to = append(to, endpoint)
		}
	}
	if len(to) == 0 {
		return nil
	}
	text := wire.JSON(body{Type: e.Type, Timestamp: presence.Time(e.At), Data: e.Data})
	result, err := o.tx.ExecContext(ctx, `INSERT INTO webhook_events (id, type, subject, at, body) VALUES ($1,$2,$3,$4,$5) ON CONFLICT (id) DO NOTHING`,
		e.ID, string(e.Type), e.Subject, int64(e.At), string(text))
	if err != nil {
		return fmt.Errorf("writing event %s: %w", e.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	for _, endpoint := range to {
		_, err := o.tx.ExecContext(ctx, `INSERT INTO deliveries (webhook, event, subject, created_at) VALUES ($1,$2,$3,$4)`,
			endpoint.ID, e.ID, e.Subject, int64(o.now))
		if err != nil {
			return fmt.Errorf("writing a delivery of event %s: %w", e.ID, err)
		}
		o.lanes[lane{endpoint.ID, e.Subject}] = true
	}
	return nil
}

// Close opens the lanes in which something is to be delivered, and reports
// whether there are any. It always takes them in the same order, as two
// transactions that want each other's would wait for ever.
func (o *Outbox) Close(ctx context.Context) (any bool, err error) {
	lanes := make([]lane, 0, len(o.lanes))
	for l := range o.lanes {
		lanes = append(lanes, l)
	}
	return len(lanes) > 0, openLanes(ctx, o.tx, lanes, o.now)
}

// openLanes makes lanes that are due now; those that are there already stay as
// they are, but for the version, by which whoever is about to close one sees
// that there is more.
func openLanes(ctx context.Context, tx *sql.Tx, lanes []lane, now presence.Millis) error {
	slices.SortFunc(lanes, func(a, b lane) int {
		return cmp.Or(cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.subject, b.subject))
	})
	for _, l := range lanes {
		_, err := tx.ExecContext(ctx, `INSERT INTO delivery_lanes (webhook, subject, due_at) VALUES ($1,$2,$3)
			ON CONFLICT (webhook, subject) DO UPDATE SET version = delivery_lanes.version + 1`, l.endpoint, l.subject, int64(now))
		if err != nil {
			return fmt.Errorf("opening a lane of deliveries: %w", err)
		}
	}
	return nil
}
