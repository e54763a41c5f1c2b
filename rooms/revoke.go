package rooms

import (
	"context"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Revoke makes tokens no longer good, or good again: the act's action, target
// (see moderation.TargetOfToken), reason, end and IssuedBefore. When it returns
// without error that is in the audit, in force on this node, and its connections
// by such tokens are being cut; on the others it is within a second.
//
// A *Refusal says what is wrong with it, and presence.ErrUnavailable that the
// outcome is unknown; it may be repeated. It blocks on the database.
func (h *Hub) Revoke(ctx context.Context, a moderation.Act) (moderation.Act, error) {
	if err := checkRevocation(&a, time.Now()); err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	return h.act(ctx, a)
}

func checkRevocation(a *moderation.Act, now time.Time) error {
	if err := checkReason(a.Reason); err != nil {
		return err
	}
	if err := checkEnd(a.Until, now); err != nil {
		return err
	}
	_, user, ok := moderation.ParseRevoked(a.Target)
	switch {
	case !ok:
		return &Refusal{CodeBadRequest, "name either a jti of at most 256 bytes or a sub, which is a user id"}
	case user == "" && a.IssuedBefore != 0:
		return &Refusal{CodeBadRequest, "issued_before goes with a sub: one token is revoked as a whole"}
	case a.IssuedBefore < 0:
		return &Refusal{CodeBadRequest, "issued_before is before 1970"}
	}
	return nil
}

// Recognizes returns an *auth.Error if a token that was verified has been
// revoked. It does not block. Whoever comes in by the token is to be checked
// again by Recheck once a revocation would find them there.
func (h *Hub) Recognizes(id *auth.Identity) error {
	if !h.cfg.Book.Revoked(id, time.Now()) {
		return nil
	}
	return &auth.Error{Reason: auth.ReasonRevoked, Detail: "the token was revoked"}
}

// cutRevoked cuts the sessions whose tokens were revoked. It does not block.
func (h *Hub) cutRevoked() {
	for _, s := range h.sessionsIn(moderation.Everywhere) {
		h.cutIfRevoked(s)
	}
}

// cutIfRevoked reports whether it cut the session.
func (h *Hub) cutIfRevoked(s Session) bool {
	id := s.Identity()
	revoked := id != nil && h.cfg.Book.Revoked(id, time.Now())
	if revoked {
		s.Cut(CutRevoked)
	}
	return revoked
}

// endRevoked ends for good what a user all of whose tokens were revoked holds,
// where no session does that. Of some of them nobody knows which it was that the
// lease was claimed by.
func (h *Hub) endRevoked(ctx context.Context, a moderation.Act) error {
	_, user, _ := moderation.ParseRevoked(a.Target)
	if user == "" || a.IssuedBefore != 0 {
		return nil
	}
	return h.endHeldBy(ctx, user, presence.ReasonRevoked, func(string) bool {
		return h.cfg.Book.Revoked(&auth.Identity{User: user, IssuedAt: time.Now()}, time.Now())
	})
}
