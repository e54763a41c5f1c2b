package web

import (
	"net/http"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// identify returns who is asking, or nil if the request does not say.
func (s *server) identify(r *http.Request) (*auth.Identity, error) {
	token, present, err := auth.Bearer(r)
	if err != nil || !present {
		return nil, err
	}
	id, err := s.cfg.Verifier.Verify(r.Context(), token)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Hub.Recognizes(id); err != nil {
		return nil, err
	}
	return id, nil
}

// known returns who is asking and refuses those who do not say.
func (s *server) known(r *http.Request) (*auth.Identity, error) {
	id, err := s.identify(r)
	if err != nil {
		return nil, err
	}
	if id == nil {
		err = &auth.Error{Reason: auth.ReasonMissing, Detail: "there is no Authorization header with a Bearer token"}
	}
	return id, err
}

// reader admits those who may know who is live: the scopes directory, service
// and admin, whoever else the route lets in, and with a public directory
// everybody; then the identity may be nil.
func (s *server) reader(r *http.Request, also func(*auth.Identity) bool) (*auth.Identity, error) {
	if s.cfg.PublicDirectory {
		return s.identify(r) // a bad token is still refused: its owner should hear of it
	}
	id, err := s.known(r)
	if err != nil {
		return nil, err
	}
	if id.HasScope(auth.ScopeDirectory, auth.ScopeService) || also != nil && also(id) {
		return id, nil
	}
	return nil, forbidden("this takes a token with scope directory, service or admin")
}

// loaded returns the directory once it is complete: before that it would call
// people offline who are not.
func (s *server) loaded() (*presence.Directory, error) {
	select {
	case <-s.cfg.Directory.Ready():
		return s.cfg.Directory, nil
	default:
		return nil, retryLater(nil, "this node has just started and does not know yet who is live")
	}
}
