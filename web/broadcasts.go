package web

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Record is a broadcast that has ended. What nobody counted is null.
type Record struct {
	ID            string          `json:"id"`
	Streamer      presence.User   `json:"streamer"`
	Room          string          `json:"room"`
	Title         string          `json:"title"`
	Category      string          `json:"category"`
	Language      string          `json:"language"`
	Tags          []string        `json:"tags"`
	StartedAt     Time            `json:"started_at"`
	EndedAt       Time            `json:"ended_at"`
	Reason        presence.Reason `json:"reason"`
	PeakViewers   *int64          `json:"peak_viewers"`
	UniqueViewers *int64          `json:"unique_viewers"`
	WatchSeconds  *int64          `json:"watch_seconds"`
}

// RecordPage is a list of records, latest first. Next is there only if more
// follow.
type RecordPage struct {
	Data []Record `json:"data"`
	Next string   `json:"next,omitempty"`
}

func recordOf(r presence.Record) Record {
	return Record{
		ID: r.ID, Streamer: r.Streamer, Room: r.Room,
		Title: r.Details.Title, Category: r.Details.Category, Language: r.Details.Language, Tags: listed(r.Details.Tags),
		StartedAt: Time(r.StartedAt), EndedAt: Time(r.EndedAt), Reason: r.Reason,
		PeakViewers: r.PeakViewers, UniqueViewers: r.UniqueViewers, WatchSeconds: r.WatchSeconds,
	}
}

// historian admits those who may read the history; a public directory does not
// open it.
func (s *server) historian(r *http.Request) error {
	return s.holder(r, "directory, service or admin", auth.ScopeDirectory, auth.ScopeService)
}

// holder admits tokens with one of the scopes, which are named for those that
// have none.
func (s *server) holder(r *http.Request, named string, scopes ...auth.Scope) error {
	id, err := s.known(r)
	if err != nil {
		return err
	}
	if !id.HasScope(scopes...) {
		return forbidden("this takes a token with scope %s", named)
	}
	return nil
}

func (s *server) broadcasts(w http.ResponseWriter, r *http.Request) error {
	if err := s.historian(r); err != nil {
		return err
	}
	query, err := recordQuery(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	first := query.First
	query.First++ // one more tells whether more follow
	found, err := s.cfg.Records.List(ctx, query)
	if err != nil {
		return recordsAway(err)
	}
	page := RecordPage{Data: []Record{}}
	if len(found) > first {
		found = found[:first]
		page.Next = found[first-1].ID
	}
	for _, rec := range found {
		page.Data = append(page.Data, recordOf(rec))
	}
	return s.ok(w, r, page)
}

func recordQuery(r *http.Request) (presence.RecordQuery, error) {
	p := paramsOf(r)
	q := presence.RecordQuery{
		First:    p.first(),
		After:    p.valid("after", "a cursor of this list", isUUID), // the id is the cursor: it sorts by start and is fit for a URL
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
	id := chi.URLParam(r, "id")
	if !isUUID(id) {
		return notFound("there is no record of broadcast %.100q", id)
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	rec, ok, err := s.cfg.Records.Get(ctx, id)
	if err != nil {
		return recordsAway(err)
	}
	if !ok {
		return notFound("there is no record of broadcast %s; records are written when broadcasts end", id)
	}
	return s.ok(w, r, recordOf(rec))
}

func recordsAway(err error) error {
	return retryLater(err, "the record of broadcasts can't be read at the moment")
}

// isUUID takes the one form in which ids are stored.
func isUUID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}
