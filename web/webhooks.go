package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Webhook is an endpoint that is told what happens.
type Webhook struct {
	ID           string         `json:"id"`
	URL          string         `json:"url"`
	Events       []webhook.Type `json:"events"`
	State        webhook.State  `json:"state"`
	CreatedAt    Time           `json:"created_at"`
	CreatedBy    string         `json:"created_by"`
	Waiting      int            `json:"waiting"`  // deliveries still to be made
	Failures     int            `json:"failures"` // in a row, whatever was sent
	FailingSince Time           `json:"failing_since,omitzero"`
	RetryAt      Time           `json:"retry_at,omitzero"` // failing: when it is tried next
	PausedAt     Time           `json:"paused_at,omitzero"`
	LastError    string         `json:"last_error,omitempty"`
	Secret       string         `json:"secret,omitempty"` // when it is created, and never again
}

// WebhookList is all endpoints, in the order in which they came.
type WebhookList struct {
	Data []Webhook `json:"data"`
}

// Delivery is one event for one endpoint.
type Delivery struct {
	ID          string                `json:"id"`
	Event       string                `json:"event"` // its webhook-id
	Type        webhook.Type          `json:"type"`
	HappenedAt  Time                  `json:"happened_at"`
	State       webhook.DeliveryState `json:"state"`
	Attempts    int                   `json:"attempts"`
	CreatedAt   Time                  `json:"created_at"` // or asked for again
	AttemptedAt Time                  `json:"attempted_at,omitzero"`
	DeliveredAt Time                  `json:"delivered_at,omitzero"`
	Status      int                   `json:"status,omitempty"` // what the endpoint answered last
	Error       string                `json:"error,omitempty"`  // why the last attempt failed
	Body        json.RawMessage       `json:"body"`
}

// DeliveryPage is an endpoint's deliveries, latest first.
type DeliveryPage struct {
	Data []Delivery `json:"data"`
	Next string     `json:"next,omitempty"`
}

// Replayed is how many deliveries are made again.
type Replayed struct {
	Deliveries int `json:"deliveries"`
}

func webhookOf(e webhook.Endpoint) Webhook {
	h := Webhook{
		ID: e.ID, URL: e.URL, Events: e.Events, State: e.State(), CreatedAt: Time(e.CreatedAt), CreatedBy: e.CreatedBy, Waiting: e.Waiting,
		Failures: e.Failures, FailingSince: Time(e.FailingSince), PausedAt: Time(e.PausedAt), LastError: e.LastError,
	}
	if h.State == webhook.StateFailing {
		h.RetryAt = Time(e.RetryAt)
	}
	return h
}

// backend admits the platform's own backend.
func (s *server) backend(r *http.Request) (*auth.Identity, error) {
	return s.holder(r, "service or admin", auth.ScopeService)
}

// webhookID returns the id in the path: one that the store may be asked about.
func webhookID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "id")
	if !isText(id) {
		return "", webhooksAway(webhook.ErrNoEndpoint)
	}
	return id, nil
}

func (s *server) webhooks(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.backend(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	all, err := s.cfg.Webhooks.List(ctx)
	if err != nil {
		return webhooksAway(err)
	}
	list := WebhookList{Data: []Webhook{}}
	for _, e := range all {
		list.Data = append(list.Data, webhookOf(e))
	}
	return s.ok(w, r, list)
}

func (s *server) webhook(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.backend(r); err != nil {
		return err
	}
	id, err := webhookID(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	e, err := s.cfg.Webhooks.Get(ctx, id)
	if err != nil {
		return webhooksAway(err)
	}
	return s.ok(w, r, webhookOf(e))
}

// maxWebhooks bounds how many there are: each is looked at every second.
const maxWebhooks = 100

func (s *server) createWebhook(w http.ResponseWriter, r *http.Request) error {
	id, err := s.backend(r)
	if err != nil {
		return err
	}
	var body struct {
		URL    string         `json:"url"`
		Events []webhook.Type `json:"events"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	events, err := eventTypes(body.Events)
	if err == nil {
		err = webhook.CheckURL(body.URL, s.cfg.WebhookPrivate)
	}
	if err != nil {
		return badRequest("%s", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	all, err := s.cfg.Webhooks.List(ctx)
	if err != nil {
		return webhooksAway(err)
	}
	if len(all) >= maxWebhooks {
		return conflict("there are %d webhooks, which is as many as there may be; remove one first", len(all))
	}
	e, err := s.cfg.Webhooks.Create(ctx, body.URL, events, id.User, presence.MillisOf(time.Now()))
	if err != nil {
		return webhooksAway(err)
	}
	s.note(ctx, moderation.Act{Actor: id.User, Action: moderation.CreateWebhook, Target: e.ID})
	answer := webhookOf(e)
	answer.Secret = e.Secret
	return s.created(w, r, answer)
}

// eventTypes returns those that are asked for, each once; none means the usual ones.
func eventTypes(asked []webhook.Type) ([]webhook.Type, error) {
	if len(asked) == 0 {
		return webhook.ByDefault, nil
	}
	var events []webhook.Type
	for _, t := range webhook.Types {
		if slices.Contains(asked, t) {
			events = append(events, t)
		}
	}
	for _, t := range asked {
		if !slices.Contains(webhook.Types, t) {
			names := make([]string, len(webhook.Types))
			for i, t := range webhook.Types {
				names[i] = string(t)
			}
			return nil, errors.New("events has " + strconv.Quote(string(t[:min(len(t), 40)])) + "; there are " + strings.Join(names, ", "))
		}
	}
	return events, nil
}

func (s *server) deleteWebhook(w http.ResponseWriter, r *http.Request) error {
	return s.onWebhook(w, r, moderation.DeleteWebhook, func(ctx context.Context, id string) error { return s.cfg.Webhooks.Delete(ctx, id) })
}

// resumeWebhook has an endpoint that is paused or failing tried again, with all
// that waits for it.
func (s *server) resumeWebhook(w http.ResponseWriter, r *http.Request) error {
	return s.onWebhook(w, r, moderation.ResumeWebhook, func(ctx context.Context, id string) error {
		return s.cfg.Webhooks.Resume(ctx, id, presence.MillisOf(time.Now()))
	})
}

// retryDelivery has one delivery made again.
func (s *server) retryDelivery(w http.ResponseWriter, r *http.Request) error {
	return s.onWebhook(w, r, moderation.ReplayWebhook, func(ctx context.Context, id string) error {
		delivery, err := strconv.ParseInt(chi.URLParam(r, "delivery"), 10, 64)
		if err != nil {
			return webhook.ErrNoDelivery
		}
		return s.cfg.Webhooks.Retry(ctx, id, delivery, presence.MillisOf(time.Now()))
	})
}

// onWebhook does something with an endpoint that needs no answer but that it was
// done, and is in the audit.
func (s *server) onWebhook(w http.ResponseWriter, r *http.Request, act moderation.Action, do func(ctx context.Context, id string) error) error {
	by, err := s.backend(r)
	if err != nil {
		return err
	}
	id, err := webhookID(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	if err := do(ctx, id); err != nil {
		return webhooksAway(err)
	}
	s.note(ctx, moderation.Act{Actor: by.User, Action: act, Target: id})
	s.cfg.WebhookDue()
	return s.done(w, nil)
}

func (s *server) deliveries(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.backend(r); err != nil {
		return err
	}
	q, err := deliveryQuery(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	first := q.First
	q.First++ // one more tells whether more follow
	found, err := s.cfg.Webhooks.Deliveries(ctx, q)
	if err != nil {
		return webhooksAway(err)
	}
	page := DeliveryPage{Data: []Delivery{}}
	if len(found) > first {
		found = found[:first]
		page.Next = strconv.FormatInt(found[first-1].ID, 10)
	}
	for _, d := range found {
		page.Data = append(page.Data, Delivery{
			ID: strconv.FormatInt(d.ID, 10), Event: d.Event, Type: d.Type, HappenedAt: Time(d.HappenedAt), State: d.State, Attempts: d.Attempts,
			CreatedAt: Time(d.CreatedAt), AttemptedAt: Time(d.AttemptedAt), DeliveredAt: Time(d.DeliveredAt), Status: d.Status, Error: d.Error, Body: d.Body,
		})
	}
	return s.ok(w, r, page)
}

func deliveryQuery(r *http.Request) (webhook.DeliveryQuery, error) {
	id, err := webhookID(r)
	if err != nil {
		return webhook.DeliveryQuery{}, err
	}
	p := paramsOf(r)
	words := make([]string, len(webhook.DeliveryStates))
	for i, state := range webhook.DeliveryStates {
		words[i] = string(state)
	}
	form, ok := oneOf(words...)
	q := webhook.DeliveryQuery{
		Endpoint: id, First: p.first(),
		State: webhook.DeliveryState(p.valid("state", form, ok)),
	}
	if after := p.one("after"); after != "" {
		if q.After, err = strconv.ParseInt(after, 10, 64); err != nil || q.After < 1 {
			p.refuse("after is not a cursor of this list")
		}
	}
	return q, p.err
}

// replay has deliveries made again whose events happened in a time.
func (s *server) replay(w http.ResponseWriter, r *http.Request) error {
	by, err := s.backend(r)
	if err != nil {
		return err
	}
	var body struct {
		From *Time `json:"from"`
		To   *Time `json:"to"`
		All  bool  `json:"all"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.From == nil || body.To == nil || *body.From >= *body.To {
		return badRequest(`the body needs times "from" and "to", the first before the second`)
	}
	id, err := webhookID(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	n, err := s.cfg.Webhooks.Replay(ctx, id, presence.Millis(*body.From), presence.Millis(*body.To), body.All, presence.MillisOf(time.Now()))
	if err != nil {
		return webhooksAway(err)
	}
	s.note(ctx, moderation.Act{Actor: by.User, Action: moderation.ReplayWebhook, Target: id})
	s.cfg.WebhookDue()
	return s.accepted(w, r, Replayed{Deliveries: n})
}

// webhooksAway says why something about webhooks could not be done.
func webhooksAway(err error) error {
	switch {
	case errors.Is(err, webhook.ErrNoEndpoint):
		return notFound("there is no such webhook; GET /v1/webhooks lists them")
	case errors.Is(err, webhook.ErrNoDelivery):
		return notFound("there is no such delivery of this webhook; those that were done with are kept for a month")
	}
	return retryLater(err, "webhooks can't be reached at the moment")
}
