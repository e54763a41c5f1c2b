package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/signalling"
)

// tokenNamed returns a token by which a user may broadcast in their room.
func tokenNamed(t *testing.T, user, jti string, issued time.Time) string {
	return token(t, user, func(c *auth.Claims) {
		c.TokenID, c.IssuedAt = jti, issued
		c.Grants = []auth.Grant{{Room: user, Role: auth.RoleStreamer}}
	})
}

func by(token string) func(*signalling.ClientConfig) {
	return func(c *signalling.ClientConfig) { c.Token = token }
}

// wantUnknown checks that no node takes a token, by whatever way.
func (s *service) wantUnknown(when, user, token string) {
	s.t.Helper()
	for i, p := range s.nodes {
		if _, err := p.tryDial(user, by(token)); websocket.CloseStatus(err) != 4403 {
			s.t.Errorf("%s, hello on node %d: %v, want 4403", when, i+1, err)
		}
		_, err := p.tryDial(user, by(token), func(c *signalling.ClientConfig) { c.InHeader = true })
		if err == nil || !strings.Contains(err.Error(), "401") {
			s.t.Errorf("%s, a handshake on node %d: %v, want 401", when, i+1, err)
		}
		if r, body := p.get("/v1/validate", token); r.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"revoked"`) {
			s.t.Errorf("%s, /v1/validate of node %d: %d %s", when, i+1, r.StatusCode, body)
		}
	}
}

// TestRevocation revokes tokens on one node whose sockets are on another: by the token, by the user, and by the token's age;
// also where no message passes between the nodes. It outlives the restart of them all.
func TestRevocation(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "shared.db")
	deaf := []*service{startService(t, 1, "--database", database), startService(t, 1, "--database", database)}
	s := startServiceOn(t, testserver.Redis(t), 2, "--database", database)
	n1, n2 := s.nodes[0], s.nodes[1]
	took := delays{}
	hourAgo := time.Now().Add(-time.Hour)
	for i := range 5 {
		user := fmt.Sprint("eve-", i)
		stolen, own := tokenNamed(t, user, user+"/t1", hourAgo), tokenNamed(t, user, user+"/t2", time.Now().Add(-time.Second))
		carol := n1.watch("carol", user)
		streamer, other := n2.dial(user, by(stolen)), n2.dial(user, by(own))
		if err := streamer.tryJoin(user, auth.RoleStreamer); err != nil {
			t.Fatal(err)
		}
		if _, err := streamer.Start(within(t, 20*time.Second), signalling.LiveStart{Room: user}); err != nil {
			t.Fatal(err)
		}
		carol.await("live.started", 1)
		began := time.Now()
		body := `{"jti":"` + user + `/t1"}`
		if i%2 == 1 {
			body = `{"sub":"` + user + `","issued_before":"` + began.Add(-time.Minute).UTC().Format(presence.TimeLayout) + `"}`
		}
		n1.ask("POST", "/v1/revocations", body, http.StatusCreated)
		took.add("revoke, socket on the other", streamer.wantClosed(4403, "revoked").Sub(began))
		ended := carol.await("live.ended", 1)
		took.add("revoke, live.ended", ended.at.Sub(began))
		if ended.Reason != presence.ReasonRevoked {
			t.Errorf("the broadcast ended with %s", ended.Reason)
		}
		if _, err := other.Heartbeat(within(t, 20*time.Second)); err != nil {
			t.Errorf("the other token's socket: %v", err)
		}
		n2.eventually("the token is refused there", inForceWithin, func() bool { r, _ := n2.get("/v1/validate", stolen); return r.StatusCode == 401 })
		if i < 2 {
			s.wantUnknown("just revoked", user, stolen)
		}
	}
	for i := range 5 {
		user := fmt.Sprint("mallory-", i)
		open := deaf[1].nodes[0].dial(user)
		began := time.Now()
		deaf[0].nodes[0].ask("POST", "/v1/revocations", `{"sub":"`+user+`"}`, http.StatusCreated)
		took.add("revoke, no message", open.wantClosed(4403, "revoked").Sub(began))
	}
	n1.ask("POST", "/v1/revocations", `{"sub":"kim","expires_at":"`+time.Now().Add(time.Second).UTC().Format(presence.TimeLayout)+`"}`, http.StatusCreated)
	s.restart()
	s.wantUnknown("after a restart", "eve-0", tokenNamed(t, "eve-0", "eve-0/t1", hourAgo))
	s.wantUnknown("after a restart", "eve-1", tokenNamed(t, "eve-1", "another", hourAgo))
	s.wantUnknown("after a restart", "mallory-0", token(t, "mallory-0"))
	for _, p := range s.nodes {
		p.dial("eve-0", by(tokenNamed(t, "eve-0", "eve-0/t2", time.Now())))
		p.dial("eve-1", by(tokenNamed(t, "eve-1", "eve-1/t1", time.Now())))
		p.eventually("what was revoked for a moment is good again", 5*time.Second, func() bool { r, _ := p.get("/v1/validate", token(t, "kim")); return r.StatusCode == 200 })
	}
	s.nodes[0].ask("DELETE", "/v1/revocations/sub:mallory-0", "", http.StatusNoContent)
	s.nodes[1].eventually("restored", inForceWithin, func() bool { r, _ := s.nodes[1].get("/v1/validate", token(t, "mallory-0")); return r.StatusCode == 200 })
	for what := range took {
		if worst := took.quantile(what, 1); worst > inForceWithin {
			t.Errorf("%s took %s", what, worst)
		}
	}
	t.Logf("\n%s", took.table())
}
