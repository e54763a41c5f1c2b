package web

import (
	"net/http"

	"github.com/tallylight/tallylight/auth"
)

const (
	// maxIDs bounds how many users one query may ask about.
	maxIDs = 1000
	// maxQueryBody has room for so many of the longest, even with some spaces
	// between them.
	maxQueryBody = 256 << 10
)

// StreamerList is what is known about several users, each once, in the order in
// which they were first asked for.
type StreamerList struct {
	Data  []Streamer `json:"data"`
	Stale bool       `json:"stale"`
}

func (s *server) queryStreamers(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.reader(r, nil); err != nil {
		return err
	}
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := readJSONUpTo(w, r, &body, maxQueryBody); err != nil {
		return err
	}
	users, err := distinctUsers(body.IDs)
	if err != nil {
		return err
	}
	directory, err := s.loaded()
	if err != nil {
		return err
	}
	list := StreamerList{Data: s.streamersOf(r.Context(), directory, users)}
	list.Stale = directory.Stale()
	return s.ok(w, r, list)
}

// distinctUsers checks user ids and leaves out those that came before.
func distinctUsers(ids []string) ([]string, error) {
	if len(ids) == 0 || len(ids) > maxIDs {
		return nil, badRequest("ids has %d ids; it takes 1 to %d", len(ids), maxIDs)
	}
	users := make([]string, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		switch {
		case !auth.ValidUser(id):
			return nil, badRequest("ids[%d] %.100q is not %s", i, id, formUser)
		case !seen[id]:
			seen[id] = true
			users = append(users, id)
		}
	}
	return users, nil
}
