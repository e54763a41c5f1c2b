package signalling

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

func (n *node) revoke(a moderation.Act) {
	n.t.Helper()
	a.Actor, a.Action = "backend", moderation.Revoke
	if _, err := n.hub.Revoke(context.Background(), a); err != nil {
		n.t.Fatal(err)
	}
}

// named gives the connection a token with an id.
func (n *node) named(user, jti string) func(*ClientConfig) {
	return func(c *ClientConfig) {
		c.Token = n.token(auth.Claims{User: user, TokenID: jti, IssuedAt: time.Now(), Grants: []auth.Grant{{Room: user, Role: auth.RoleStreamer}}})
	}
}

func TestRevokedTokenIsCut(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		alice, other := n.connect("alice", n.named("alice", "t1")), n.connect("alice", n.named("alice", "t2"))
		alice.golive()
		n.revoke(moderation.Act{Target: moderation.TargetOfToken("t1")})
		alice.wantClosed(4403, time.Second)
		alice.wantReason("revoked")
		other.wantOpen()
		synctest.Wait()
		if l, _ := n.store.Get(t.Context(), "alice"); l.State != presence.StateOffline {
			t.Errorf("the broadcast is %s, want it over", l.State)
		}
		_, err := n.tryConnect("alice", n.named("alice", "t1"))
		if got := websocket.CloseStatus(err); got != 4403 {
			t.Errorf("hello with the revoked token: %v, want 4403", err)
		}
		_, err = n.tryConnect("alice", n.named("alice", "t1"), func(c *ClientConfig) { c.InHeader = true })
		if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("a handshake with the revoked token: %v, want 401", err)
		}
		again := n.connect("alice", n.named("alice", "t3"))
		again.golive()
	})
}

// Whoever refreshes by another token is not cut with the old one, and can't refresh by one that was revoked.
func TestRevokeAndRefresh(t *testing.T) {
	onModeratedNode(t, func(t *testing.T, n *node) {
		alice := n.connect("alice", n.named("alice", "t1"))
		token := func(jti string) string {
			var c ClientConfig
			n.named("alice", jti)(&c)
			return c.Token
		}
		if _, err := alice.Refresh(context.Background(), token("t2")); err != nil {
			t.Fatal(err)
		}
		n.revoke(moderation.Act{Target: moderation.TargetOfToken("t1")})
		alice.wantOpen()
		_, err := alice.Refresh(context.Background(), token("t1"))
		wantCode(t, "refresh by a revoked token", err, CodeUnauthorized, "revoked")
		alice.wantOpen()
		n.revoke(moderation.Act{Target: moderation.TargetOfTokens("alice"), Details: moderation.Details{IssuedBefore: presence.MillisOf(time.Now().Add(time.Second))}})
		alice.wantClosed(4403, time.Second)
		time.Sleep(2 * time.Second)
		n.connect("alice", n.named("alice", "t3"))
	})
}
