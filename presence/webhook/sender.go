package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallylight/tallylight/presence"
)

// Config is what a Sender is made of. Zero fields mean the defaults.
type Config struct {
	Store  *Store       // required
	Logger *slog.Logger // required
	// AllowPrivate lets endpoints be at private and loopback addresses, and speak
	// plain http.
	AllowPrivate bool
	Timeout      time.Duration // of one attempt
	RetryFor     time.Duration // how old an event may get before it is parked
	PauseAfter   time.Duration // for how long an endpoint may fail
}

const (
	// lookEvery is how often a sender looks for what is due, if nobody wakes it:
	// what another node has written, and what is tried again.
	lookEvery = time.Second
	// lanesAtOnce is how many lanes of one endpoint a node delivers in at a time:
	// one that is slow holds up nobody else's.
	lanesAtOnce = 16
	// laneTurn is how long one lane is delivered in before others have their turn.
	laneTurn = 5 * time.Second
	// parkEvery is how often it is looked for what has waited for too long, parkEvery
	// and lookEvery being all that it is late by.
	parkEvery = time.Minute
)

// Sender delivers. Any number of nodes may run one.
type Sender struct {
	cfg      Config
	client   *client
	attempts *prometheus.CounterVec
	wake     chan struct{} // holds one element once there is something to look at; never closed
	sending  sync.WaitGroup
	parkedAt time.Time // of Run

	mu    sync.Mutex
	busy  map[string]int // endpoint → lanes that this node delivers in
	known []Endpoint     // as last read
}

// NewSender returns one that sends nothing until it is run.
func NewSender(cfg Config) *Sender {
	cfg.Timeout = or(cfg.Timeout, DefaultTimeout)
	cfg.RetryFor = or(cfg.RetryFor, DefaultRetryFor)
	cfg.PauseAfter = or(cfg.PauseAfter, DefaultPauseAfter)
	return &Sender{
		cfg: cfg, client: newClient(cfg.Timeout, cfg.AllowPrivate), wake: make(chan struct{}, 1), busy: make(map[string]int),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tallylight_webhook_attempts_total",
			Help: "Attempts to deliver an event to a webhook, by what became of them: delivered, failed (to be tried again), parked (given up).",
		}, []string{"outcome"}),
	}
}

func or(given, otherwise time.Duration) time.Duration {
	if given == 0 {
		return otherwise
	}
	return given
}

// Wake has it look for what is due now. It does not block.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // awake already
	}
}

// Wants reports whether anybody was to be told of events of a type, a second ago.
// It does not block.
func (s *Sender) Wants(t Type) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.known {
		if e.Wants(t) {
			return true
		}
	}
	return false
}

// Describe implements prometheus.Collector.
func (s *Sender) Describe(to chan<- *prometheus.Desc) { s.attempts.Describe(to) }

// Collect implements prometheus.Collector.
func (s *Sender) Collect(to chan<- prometheus.Metric) { s.attempts.Collect(to) }

// Run delivers until the context ends. Attempts that are under way are broken off
// then: they are made again, here or on another node.
func (s *Sender) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		err := s.look(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.cfg.Logger.Warn("webhook: deliveries can't be looked at; it is tried again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			s.sending.Wait()
			s.client.close()
			return
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// look begins with what is due.
func (s *Sender) look(ctx context.Context) error {
	all, err := endpoints(ctx, s.cfg.Store.DB)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.known = all
	s.mu.Unlock()
	if err := s.parkOld(ctx); err != nil {
		return err
	}
	if len(all) == 0 {
		return nil
	}
	due, err := s.cfg.Store.dueOf(ctx, presence.MillisOf(time.Now()))
	for _, e := range all {
		if due[e.ID] && err == nil {
			err = s.lookAt(ctx, e)
		}
	}
	return err
}

// parkOld gives up what has waited for too long without being tried, as its
// endpoint is paused or its lane was held up.
func (s *Sender) parkOld(ctx context.Context) error {
	now := time.Now()
	if now.Sub(s.parkedAt) < parkEvery {
		return nil
	}
	n, err := s.cfg.Store.park(ctx, presence.MillisOf(now.Add(-s.cfg.RetryFor)))
	if err == nil {
		s.parkedAt = now
		s.attempts.WithLabelValues("parked").Add(float64(n))
	}
	return err
}

// lookAt begins with what is due of one endpoint.
func (s *Sender) lookAt(ctx context.Context, e Endpoint) error {
	now := presence.MillisOf(time.Now())
	most := lanesAtOnce
	switch e.State() {
	case StatePaused:
		return nil
	case StateFailing:
		if may, err := s.cfg.Store.probe(ctx, e.ID, now); err != nil || !may {
			return err
		}
		most = 1
	}
	free := most - s.busyWith(e.ID, 0)
	if free <= 0 {
		return nil
	}
	lanes, err := s.cfg.Store.lease(ctx, e.ID, free, now)
	for _, l := range lanes {
		s.busyWith(e.ID, 1)
		s.sending.Go(func() {
			defer s.Wake() // there may be more
			defer s.busyWith(e.ID, -1)
			s.deliver(ctx, e, l)
		})
	}
	return err
}

// busyWith changes how many lanes of an endpoint are delivered in, and returns it.
func (s *Sender) busyWith(endpoint string, change int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[endpoint] += change; s.busy[endpoint] == 0 {
		delete(s.busy, endpoint)
		return 0
	}
	return s.busy[endpoint]
}

// noteWithin bounds the wait for the database when something is to be noted of what
// was done: if it is not, it is done again. giveBackWithin is the bound once the
// sender is to end.
const noteWithin, giveBackWithin = 10 * time.Second, 2 * time.Second

// noting returns the context in which that is done.
func noting(ctx context.Context) (context.Context, context.CancelFunc) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	ends := context.AfterFunc(ctx, func() { time.AfterFunc(giveBackWithin, cancel) })
	return within, func() { ends(); cancel() }
}

// deliver delivers in a lane until that is empty, an attempt fails, or its turn
// is over.
func (s *Sender) deliver(ctx context.Context, e Endpoint, l leased) {
	wait, err := s.deliverIn(ctx, e, &l)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errLeaseLost) {
		s.cfg.Logger.Warn("webhook: a delivery could not be written down; it is made again", "webhook", e.ID, "error", err)
	}
	if err == errLaneClosed || errors.Is(err, errLeaseLost) {
		return
	}
	ctx, cancel := noting(ctx)
	defer cancel()
	if err := s.cfg.Store.giveBack(ctx, l, presence.MillisOf(time.Now().Add(wait))); err != nil {
		s.cfg.Logger.Warn("webhook: a lane was not given back; it is free in half a minute", "webhook", e.ID, "error", err)
	}
}

// errLaneClosed: there is nothing left to deliver, nor a lane.
var errLaneClosed = errors.New("the lane is closed")

// deliverIn returns after which time the lane's head is due.
func (s *Sender) deliverIn(ctx context.Context, e Endpoint, l *leased) (wait time.Duration, err error) {
	for end := time.Now().Add(laneTurn); time.Now().Before(end); {
		if err := s.cfg.Store.renew(ctx, l, presence.MillisOf(time.Now())); err != nil {
			return 0, err
		}
		d, some, err := s.cfg.Store.head(ctx, *l)
		if err != nil {
			return 0, err
		}
		if !some {
			closed, err := s.cfg.Store.close(ctx, *l)
			if err == nil && closed {
				err = errLaneClosed
			}
			if err != nil {
				return 0, err
			}
			continue // something has come
		}
		if wait, err := s.attempt(ctx, e, d); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, nil
}

// attempt makes one attempt, and returns how long to wait for the next; 0: what
// follows may be delivered.
func (s *Sender) attempt(ctx context.Context, e Endpoint, d due) (wait time.Duration, err error) {
	o := s.client.post(ctx, e, d, time.Now())
	if o.err != "" && ctx.Err() != nil {
		return 0, ctx.Err() // we have broken it off ourselves
	}
	now := time.Now()
	wait = backoff(d.attempts + 1)
	parked := o.err != "" && !o.gone && now.Add(wait).After(d.createdAt.Time().Add(s.cfg.RetryFor))
	// What became of it is noted even if we are to end now.
	ctx, cancel := noting(ctx)
	defer cancel()
	if err := s.cfg.Store.note(ctx, d, o, parked, presence.MillisOf(now)); err != nil {
		return 0, err
	}
	if o.err == "" {
		s.attempts.WithLabelValues("delivered").Inc()
		return 0, s.cfg.Store.well(ctx, e.ID, e.State() == StateFailing, presence.MillisOf(now))
	}
	s.cfg.Logger.Info("webhook: an attempt failed", "webhook", e.ID, "event", d.event, "attempt", d.attempts+1, "status", o.status, "reason", o.err)
	paused, err := s.cfg.Store.ill(ctx, e.ID, o, presence.MillisOf(now), presence.MillisOf(now.Add(-s.cfg.PauseAfter)))
	if paused {
		s.cfg.Logger.Warn("webhook: an endpoint is paused until it is resumed, as it failed for long, or is gone", "webhook", e.ID, "reason", o.err)
	}
	if parked {
		s.attempts.WithLabelValues("parked").Inc()
		return 0, err
	}
	s.attempts.WithLabelValues("failed").Inc()
	return wait, err
}
