package rooms

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

func (h *house) revoke(a moderation.Act) {
	h.t.Helper()
	a.Actor = "backend"
	if a.Action == "" {
		a.Action = moderation.Revoke
	}
	if _, err := h.hub.Revoke(h.t.Context(), a); err != nil {
		h.t.Fatalf("%s %s: %v", a.Action, a.Target, err)
	}
}

// by returns the client with a token.
func (c *client) by(jti string, issued time.Time) *client {
	c.token = &auth.Identity{User: c.user.ID, TokenID: jti, IssuedAt: issued}
	return c
}

func TestRevokeCuts(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		old, young := time.Now().Add(-time.Hour), time.Now()
		b1, b2 := h.viewer(bob, "n1-b1").by("t1", old), h.viewer(bob, "n1-b2").by("t2", young)
		c := h.viewer(carol, "n1-c").by("t3", old)
		nobody := h.connect(presence.User{}, "n1-x") // has not said who it is
		h.revoke(moderation.Act{Target: moderation.TargetOfToken("t3")})
		c.wantCut(CutRevoked)
		b1.wantCut()
		h.revoke(moderation.Act{Target: moderation.TargetOfTokens("bob"), Details: moderation.Details{IssuedBefore: presence.MillisOf(young) - 1000}})
		b1.wantCut(CutRevoked)
		b2.wantCut()
		h.revoke(moderation.Act{Target: moderation.TargetOfTokens("bob")})
		b2.wantCut(CutRevoked)
		nobody.wantCut()

		var refused *auth.Error
		if err := h.hub.Recognizes(b2.token); !errors.As(err, &refused) || refused.Reason != auth.ReasonRevoked {
			t.Errorf("a revoked token: %v", err)
		}
		h.revoke(moderation.Act{Action: moderation.Restore, Target: moderation.TargetOfTokens("bob")})
		if err := h.hub.Recognizes(b2.token); err != nil {
			t.Errorf("a restored token: %v", err)
		}
		late := h.connect(carol, "n1-c2").by("t3", old) // let in a moment before, by somebody who did not know
		h.hub.Recheck(late)
		late.wantCut(CutRevoked)
	})
}

// Who is waited for has no session that could be cut.
func TestRevokeEndsWhoIsWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		act  moderation.Act
		want []string
	}{
		"all":       {moderation.Act{Target: moderation.TargetOfTokens(alice.ID)}, []string{"live.ended", "streamer.offline"}},
		"some":      {moderation.Act{Target: moderation.TargetOfTokens(alice.ID), Details: moderation.Details{IssuedBefore: 1}}, nil},
		"another's": {moderation.Act{Target: moderation.TargetOfTokens(bob.ID)}, nil},
		"one":       {moderation.Act{Target: moderation.TargetOfToken("t1")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			moderated(t, func(t *testing.T, h *house) {
				v := h.viewer(carol, "n1-c")
				a := h.streamer(alice, "n1-a")
				a.start()
				if err := h.hub.Leave(t.Context(), a, studio, presence.ReasonConnectionLost); err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				v.told()
				h.revoke(tt.act)
				pass(time.Second)
				var got []string
				for _, m := range v.told() {
					if name, _, _ := strings.Cut(m, "@"); !strings.HasPrefix(name, "viewers=") {
						got = append(got, name)
					}
				}
				if strings.Join(got, " ") != strings.Join(tt.want, " ") {
					t.Errorf("told %q, want %q", got, tt.want)
				}
				if len(tt.want) > 0 && !strings.Contains(v.data("live.ended"), `"revoked"`) {
					t.Errorf("ended with %s", v.data("live.ended"))
				}
			})
		})
	}
}

func TestRevokeRefuses(t *testing.T) {
	moderated(t, func(t *testing.T, h *house) {
		for what, a := range map[string]moderation.Act{
			"nothing":                   {},
			"a user without a prefix":   {Target: "alice"},
			"an empty token":            {Target: "jti:"},
			"a long token":              {Target: "jti:" + strings.Repeat("x", 257)},
			"no user id":                {Target: "sub:a b"},
			"a token of before":         {Target: "jti:t1", Details: moderation.Details{IssuedBefore: 1}},
			"before the epoch":          {Target: "sub:alice", Details: moderation.Details{IssuedBefore: -1}},
			"an end that is over":       {Target: "sub:alice", Until: presence.MillisOf(time.Now())},
			"an end in a hundred years": {Target: "sub:alice", Until: presence.MillisOf(time.Now().AddDate(100, 0, 0))},
			"two lines of reason":       {Target: "sub:alice", Reason: "a\nb"},
		} {
			a.Action = moderation.Revoke
			_, err := h.hub.Revoke(t.Context(), a)
			wantRefused(t, what, err, CodeBadRequest, "")
		}
	})
}
