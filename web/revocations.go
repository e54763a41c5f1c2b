package web

import (
	"net/http"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Revocation is a token that is no longer good, or a user's tokens.
type Revocation struct {
	ID           string `json:"id"` // what a DELETE takes
	JTI          string `json:"jti,omitempty"`
	Sub          string `json:"sub,omitempty"`
	IssuedBefore Time   `json:"issued_before,omitempty"`
	Reason       string `json:"reason,omitempty"`
	Actor        string `json:"actor"`
	CreatedAt    Time   `json:"created_at"`
	ExpiresAt    Time   `json:"expires_at,omitempty"`
}

// RevocationPage is a list of them. Next is there only if more follow.
type RevocationPage struct {
	Data []Revocation `json:"data"`
	Next string       `json:"next,omitempty"`
}

func revocationOf(r moderation.Revocation) Revocation {
	jti, sub, _ := moderation.ParseRevoked(r.Target)
	return Revocation{
		ID: r.Target, JTI: jti, Sub: sub, IssuedBefore: Time(r.IssuedBefore), Reason: r.Reason,
		Actor: r.Actor, CreatedAt: Time(r.Created), ExpiresAt: Time(r.Until),
	}
}

// revoker admits those who may revoke tokens: whoever makes them, and admins.
func (s *server) revoker(r *http.Request) (*auth.Identity, error) {
	return s.holder(r, "service or admin", auth.ScopeService)
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request) error {
	id, err := s.revoker(r)
	if err != nil {
		return err
	}
	var body struct {
		JTI          string     `json:"jti"`
		Sub          string     `json:"sub"`
		IssuedBefore *time.Time `json:"issued_before"`
		ExpiresAt    *time.Time `json:"expires_at"`
		Reason       string     `json:"reason"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	a := moderation.Act{Actor: id.User, Action: moderation.Revoke, Reason: body.Reason}
	switch {
	case (body.JTI == "") == (body.Sub == ""):
		return badRequest("name either a jti or a sub")
	case body.JTI != "":
		a.Target = moderation.TargetOfToken(body.JTI)
	default:
		a.Target = moderation.TargetOfTokens(body.Sub)
	}
	if body.IssuedBefore != nil {
		if a.IssuedBefore = presence.MillisOf(*body.IssuedBefore); a.IssuedBefore == 0 {
			a.IssuedBefore = -1 // the beginning of 1970, which is not all
		}
	}
	if body.ExpiresAt != nil {
		a.Until = instant(*body.ExpiresAt)
	}
	if a, err = s.cfg.Hub.Revoke(r.Context(), a); err != nil {
		return err
	}
	return s.created(w, r, revocationOf(moderation.Revocation{
		Target: a.Target, Actor: a.Actor, Reason: a.Reason, Created: a.At, IssuedBefore: a.IssuedBefore, Until: a.Until,
	}))
}

const formRevocation = "jti: and the id of a token, or sub: and a user id"

func (s *server) restore(w http.ResponseWriter, r *http.Request) error {
	id, err := s.revoker(r)
	if err != nil {
		return err
	}
	target, err := pathID(r, "revocation", formRevocation, func(id string) bool { _, _, ok := moderation.ParseRevoked(id); return ok })
	if err == nil {
		_, err = s.cfg.Hub.Revoke(r.Context(), moderation.Act{Actor: id.User, Action: moderation.Restore, Target: target})
	}
	return s.done(w, err)
}

func (s *server) revocations(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.revoker(r); err != nil {
		return err
	}
	found, more, err := inForce(s, r, "", (*moderation.Store).Revocations)
	if err != nil {
		return err
	}
	page := RevocationPage{Data: []Revocation{}}
	for _, one := range found {
		page.Data = append(page.Data, revocationOf(one))
	}
	if more {
		page.Next = found[len(found)-1].Target
	}
	return s.ok(w, r, page)
}
