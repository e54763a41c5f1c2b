package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
)

// Record is a broadcast, whether it has ended or still runs. What nobody counted
// is null, and so are the end and what is counted then, until there is one.
type Record struct {
	ID            string          `json:"id"`
	Streamer      presence.User   `json:"streamer"`
	Room          string          `json:"room"`
	State         record.State    `json:"state"`
	Title         string          `json:"title"`
	Category      string          `json:"category"`
	Language      string          `json:"language"`
	Tags          []string        `json:"tags"`
	StartedAt     Time            `json:"started_at"`
	EndedAt       *Time           `json:"ended_at"`
	Reason        presence.Reason `json:"reason,omitempty"` // why it ended, or is reconnecting
	PeakViewers   *int64          `json:"peak_viewers"`
	UniqueViewers *int64          `json:"unique_viewers"`
	WatchSeconds  *int64          `json:"watch_seconds"`
}

// RecordPage is a list of broadcasts, latest start first. Next is there only if
// more follow.
type RecordPage struct {
	Data []Record `json:"data"`
	Next string   `json:"next,omitempty"`
}

// WholeRecord is a broadcast with its viewers over time.
type WholeRecord struct {
	Record
	Viewers []ViewerSample `json:"viewers"`
}

// ViewerSample is how many connections viewed a broadcast at one moment. There is
// one a minute.
type ViewerSample struct {
	At      Time `json:"at"`
	Viewers int  `json:"viewers"`
}

func (s *server) recordOf(b record.Broadcast) Record {
	r := Record{
		ID: b.ID, Streamer: b.Streamer, Room: b.Room, State: b.State,
		Title: b.Details.Title, Category: b.Details.Category, Language: b.Details.Language, Tags: listed(b.Details.Tags),
		StartedAt: Time(b.StartedAt), Reason: b.Reason,
		PeakViewers: b.PeakViewers, UniqueViewers: b.UniqueViewers, WatchSeconds: b.WatchSeconds,
	}
	if b.EndedAt != 0 {
		r.EndedAt = new(Time(b.EndedAt))
	} else if peak, known := s.cfg.Directory.Peak(b.Room, b.ID); known {
		r.PeakViewers = new(int64(peak))
	}
	return r
}

// historian admits those who may read the history; a public directory does not
// open it.
func (s *server) historian(r *http.Request) error {
	_, err := s.holder(r, "directory, service or admin", auth.ScopeDirectory, auth.ScopeService)
	return err
}

// holder admits tokens with one of the scopes, which are named for those that
// have none.
func (s *server) holder(r *http.Request, named string, scopes ...auth.Scope) (*auth.Identity, error) {
	id, err := s.known(r)
	if err != nil {
		return nil, err
	}
	if !id.HasScope(scopes...) {
		return nil, forbidden("this takes a token with scope %s", named)
	}
	return id, nil
}

func (s *server) broadcasts(w http.ResponseWriter, r *http.Request) error {
	if err := s.historian(r); err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	table := wantsCSV(r)
	query, err := recordQuery(r, table)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	first := query.First
	query.First++ // one more tells whether more follow
	found, err := s.cfg.Records.List(ctx, query)
	if errors.Is(err, record.ErrCursor) {
		return badRequest("after is not a cursor of this list")
	}
	if err != nil {
		return recordsAway(err)
	}
	page := RecordPage{Data: []Record{}}
	if len(found) > first {
		found = found[:first]
		page.Next = found[first-1].Cursor()
	}
	for _, b := range found {
		page.Data = append(page.Data, s.recordOf(b))
	}
	if table {
		nextPage(w, r, page.Next)
		return s.csv(w, recordTable(page.Data))
	}
	return s.ok(w, r, page)
}

func recordQuery(r *http.Request, table bool) (record.Query, error) {
	p := paramsOf(r)
	first := p.first
	if table {
		first = func() int { return p.firstOf(defaultFirstCSV, maxFirstCSV) }
	}
	q := record.Query{
		First:    first(),
		After:    p.one("after"),
		Streamer: p.valid("streamer", formUser, auth.ValidUser),
		Room:     p.valid("room", formRoom, auth.ValidRoom),
		From:     p.time("from"),
		To:       p.time("to"),
	}
	return q, p.err
}

func (s *server) broadcast(w http.ResponseWriter, r *http.Request) error {
	if err := s.historian(r); err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	id := chi.URLParam(r, "id")
	if !record.ValidID(id) {
		return notFound("there is no record of broadcast %.100q", id)
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	b, ok, err := s.cfg.Records.Get(ctx, id)
	if err != nil {
		return recordsAway(err)
	}
	if !ok {
		return notFound("there is no record of broadcast %s", id)
	}
	samples, err := s.cfg.Records.Samples(ctx, id)
	if err != nil {
		return recordsAway(err)
	}
	whole := WholeRecord{Record: s.recordOf(b), Viewers: make([]ViewerSample, len(samples))}
	for i, sample := range samples {
		whole.Viewers[i] = ViewerSample{At: Time(sample.At), Viewers: sample.Viewers}
	}
	if wantsCSV(r) {
		return s.csv(w, viewerTable(whole.Viewers))
	}
	return s.ok(w, r, whole)
}

func recordsAway(err error) error {
	return retryLater(err, "the record of broadcasts can't be read at the moment")
}
