package web

import (
	"errors"
	"net/http"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Time is how the API tells an instant.
type Time = presence.Time

// Row is one broadcast in the list of who is live.
type Row struct {
	Broadcast   string         `json:"broadcast"`
	Streamer    presence.User  `json:"streamer"`
	Room        string         `json:"room"`
	State       presence.State `json:"state"`
	Title       string         `json:"title"`
	Category    string         `json:"category"`
	Language    string         `json:"language"`
	Tags        []string       `json:"tags"`
	StartedAt   Time           `json:"started_at"`
	Viewers     int            `json:"viewers"`
	PeakViewers int            `json:"peak_viewers"`
}

// LivePage is the answer to "who is live?". Next is there only if more follow.
type LivePage struct {
	Data  []Row  `json:"data"`
	Next  string `json:"next,omitempty"`
	Total int    `json:"total"`
	Stale bool   `json:"stale"`
}

// rowOf is for entries that are on air.
func rowOf(e presence.Entry) Row {
	b := e.View.Broadcast
	return Row{
		Broadcast: b.ID, Streamer: *e.View.User, Room: e.Room, State: e.View.State,
		Title: b.Title, Category: b.Category, Language: b.Language, Tags: listed(b.Tags),
		StartedAt: Time(b.StartedAt), Viewers: e.Viewers, PeakViewers: e.Peak,
	}
}

// listed makes sure that an empty list is encoded as one.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *server) live(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.reader(r, nil); err != nil {
		return err
	}
	query, err := liveQuery(r)
	if err != nil {
		return err
	}
	directory, err := s.loaded()
	if err != nil {
		return err
	}
	found, err := directory.Live(query)
	if errors.Is(err, presence.ErrCursor) {
		return badRequest("after is not a cursor of this list, or of another sort")
	}
	if err != nil {
		return err
	}
	page := LivePage{Data: make([]Row, len(found.Entries)), Next: found.Next, Total: found.Total, Stale: directory.Stale()}
	for i, e := range found.Entries {
		page.Data[i] = rowOf(e)
	}
	return s.ok(w, r, page)
}

func liveQuery(r *http.Request) (presence.Query, error) {
	p := paramsOf(r)
	sorts, isSort := oneOf(string(presence.SortViewers), string(presence.SortStarted))
	states, isState := oneOf(string(presence.StateLive), string(presence.StateReconnecting))
	q := presence.Query{
		First:      p.first(),
		After:      p.one("after"),
		Sort:       presence.Sort(p.valid("sort", sorts, isSort)),
		Categories: p.many("category", "", nil),
		Languages:  p.many("language", "", nil),
		Streamers:  p.many("streamer", formUser, auth.ValidUser),
	}
	if q.Sort == "" {
		q.Sort = presence.SortViewers
	}
	for _, state := range p.many("state", states, isState) {
		q.States = append(q.States, presence.State(state))
	}
	return q, p.err
}
