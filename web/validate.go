package web

import (
	"net/http"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Validity is what a good token says.
type Validity struct {
	Valid     bool          `json:"valid"`
	User      presence.User `json:"user"`
	Grants    []auth.Grant  `json:"grants"`
	Scopes    []auth.Scope  `json:"scopes"`
	ExpiresAt Time          `json:"expires_at"`
}

// validate says whether a socket with this token would be admitted here and
// now: a browser can't read why an upgrade failed, so its client asks here.
func (s *server) validate(w http.ResponseWriter, r *http.Request) error {
	if s.draining() {
		return retryLater(nil, "this node is stopping; come back to another one")
	}
	if s.cfg.Full != nil {
		if why, after := s.cfg.Full(r.RemoteAddr); why != "" {
			return full(after, why)
		}
	}
	id, err := s.known(r)
	if err != nil {
		return err
	}
	if err := s.cfg.Hub.Admits(moderation.Everywhere, id.User, addrOf(r)); err != nil {
		return err
	}
	return s.ok(w, r, Validity{
		Valid: true, User: presence.User{ID: id.User, Name: id.Name},
		Grants: listed(id.Grants), Scopes: listed(id.Scopes),
		ExpiresAt: Time(presence.MillisOf(id.Expires)),
	})
}
