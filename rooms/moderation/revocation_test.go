package moderation

import (
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// tokenOf returns what a user's token says; at is when it was issued, 0 if it does not say.
func tokenOf(user, jti string, at time.Time) *auth.Identity {
	return &auth.Identity{User: user, TokenID: jti, IssuedAt: at}
}

func testRevocations(t *testing.T, s *Store) {
	b := openBook(t, s)
	today := time.Now().Truncate(time.Second)
	yesterday := today.Add(-24 * time.Hour)
	noon := presence.MillisOf(today.Add(-12 * time.Hour))
	do(t, s, Act{Action: Revoke, Target: TargetOfToken("t1"), Reason: "stolen"})
	do(t, s, Act{Action: Revoke, Target: TargetOfTokens("bob")})
	do(t, s, Act{Action: Revoke, Target: TargetOfTokens("carol"), Details: Details{IssuedBefore: noon}})
	do(t, s, Act{Action: Revoke, Target: TargetOfTokens("dave"), Until: inOneHour()})
	do(t, s, Act{Action: Revoke, Target: TargetOfTokens("erin")})
	do(t, s, Act{Action: Revoke, Target: TargetOfTokens("erin"), Details: Details{IssuedBefore: noon}}) // the last one counts
	do(t, s, Act{Action: Revoke, Target: TargetOfTokens("frank")})
	do(t, s, Act{Action: Restore, Target: TargetOfTokens("frank")})
	do(t, s, Act{Action: Ban, Room: Everywhere, Target: "grace"})
	do(t, s, Act{Action: Restore, Target: TargetOfTokens("nobody")})
	follow(t, b)
	for name, book := range map[string]*Book{"followed": b, "loaded": openBook(t, s)} {
		for _, tt := range []struct {
			what string
			id   *auth.Identity
			want bool
		}{
			{"the token", tokenOf("alice", "t1", today), true},
			{"the token, of somebody else", tokenOf("eve", "t1", today), true},
			{"another token of the user", tokenOf("alice", "t2", today), false},
			{"a token without a name", tokenOf("alice", "", today), false},
			{"a token by the name of a user", tokenOf("alice", "bob", today), false},
			{"a user by the name of a token", tokenOf("t1", "", today), false},
			{"the user's, however new", tokenOf("bob", "t3", today.Add(time.Hour)), true},
			{"one of before", tokenOf("carol", "", yesterday), true},
			{"one that does not say", tokenOf("carol", "", time.Time{}), true},
			{"one of that very moment", tokenOf("carol", "", noon.Time()), false},
			{"one of after", tokenOf("carol", "", today), false},
			{"for an hour", tokenOf("dave", "", today), true},
			{"less than before", tokenOf("erin", "", today), false},
			{"less than before, an old one", tokenOf("erin", "", yesterday), true},
			{"restored", tokenOf("frank", "", today), false},
			{"banned, which is something else", tokenOf("grace", "", today), false},
		} {
			if got := book.Revoked(tt.id, time.Now()); got != tt.want {
				t.Errorf("%s: %s: revoked %v, want %v", name, tt.what, got, tt.want)
			}
		}
		if book.Revoked(tokenOf("dave", "", today), time.Now().Add(2*time.Hour)) {
			t.Errorf("%s: a revocation outlasts its end", name)
		}
	}
	q := EntryQuery{First: 3, Now: now()}
	var listed []string
	for {
		page, err := s.Revocations(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			listed = append(listed, r.Target)
			if q.After = r.Target; r.Actor != "mod" || r.Created == 0 || (r.Target == "jti:t1") != (r.Reason == "stolen") ||
				(r.IssuedBefore == noon) != (r.Target == "sub:carol" || r.Target == "sub:erin") || (r.Until != 0) != (r.Target == "sub:dave") {
				t.Errorf("listed %+v", r)
			}
		}
		if len(page) < q.First {
			break
		}
	}
	if got, want := strings.Join(listed, " "), "jti:t1 sub:bob sub:carol sub:dave sub:erin"; got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
	if err := s.Forget(t.Context(), presence.MillisOf(time.Now().Add(2*time.Hour))); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Revocations(t.Context(), EntryQuery{First: 10, Now: 0}); err != nil || len(left) != 4 {
		t.Errorf("after the end of one, %d are left, %v", len(left), err)
	}
	b.drop(time.Now().Add(2 * time.Hour))
	if n := len(b.revoked); n != 4 {
		t.Errorf("the book still has %d", n)
	}
}

func TestParseRevoked(t *testing.T) {
	long := strings.Repeat("x", MaxTokenID)
	for target, want := range map[string][2]string{
		"jti:t1": {"t1"}, "jti:a/b c:": {"a/b c:"}, "jti:" + long: {long}, "sub:alice": {"", "alice"}, "sub:auth0|7": {"", "auth0|7"},
	} {
		jti, user, ok := ParseRevoked(target)
		if got := [2]string{jti, user}; !ok || got != want {
			t.Errorf("%q: got %q, %v, want %q", target, got, ok, want)
		}
	}
	for _, target := range []string{"", "jti:", "sub:", "alice", "jti:" + long + "x", "sub:a b", "sub:*", "JTI:x", "ip:127.0.0.1"} {
		if _, _, ok := ParseRevoked(target); ok {
			t.Errorf("%q is a target", target)
		}
	}
}
