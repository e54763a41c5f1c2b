package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

func TestValidate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		expires := time.Now().Add(time.Minute)
		a := w.get("/v1/validate", w.token(auth.Claims{
			User: "alice", Name: "Alice", Expires: expires, Scopes: []auth.Scope{"directory", "openid"},
			Grants: []auth.Grant{{Room: "alice", Role: auth.RoleStreamer}, {Room: "*", Role: auth.RoleViewer, Can: []string{"chat"}}},
		}))
		a.wantStatus(t, "good", http.StatusOK)
		got := decode[Validity](t, a)
		want := "{true {alice Alice} [{alice streamer []} {* viewer [chat]}] [directory openid] " + fmt.Sprint(Time(presence.MillisOf(expires))) + "}"
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		a = w.get("/v1/validate", w.token(auth.Claims{User: "bob"}))
		if !strings.Contains(string(a.body), `"grants":[],"scopes":[]`) {
			t.Errorf("got %s, want empty lists", a.body)
		}
	})
}

func TestValidateRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other, err := auth.Mint("another secret for tests, 32 bytes or more", auth.Claims{User: "alice", Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, token string
			reason      auth.Reason
		}{
			{"nobody", "", auth.ReasonMissing},
			{"not a token", "nonsense", auth.ReasonMalformed},
			{"another secret", other, auth.ReasonSignature},
			{"expired", w.token(auth.Claims{User: "alice", Expires: time.Now().Add(-auth.Leeway)}), auth.ReasonExpired},
			{"not yet valid", w.token(auth.Claims{User: "alice", NotBefore: time.Now().Add(time.Hour)}), auth.ReasonNotYetValid},
		} {
			a := w.get("/v1/validate", tt.token)
			a.wantProblem(t, tt.name, http.StatusUnauthorized, "unauthorized", "")
			if p := decode[Problem](t, a); p.Reason != tt.reason || p.Detail == "" {
				t.Errorf("%s: got %+v, want reason %s", tt.name, p, tt.reason)
			}
			if a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: no WWW-Authenticate", tt.name)
			}
			if tt.reason != auth.ReasonMissing && !strings.Contains(w.log.String(), "reason="+string(tt.reason)) {
				t.Errorf("%s: the log does not say why", tt.name)
			}
		}
		if strings.Contains(w.log.String(), other) || strings.Contains(w.log.String(), "nonsense") {
			t.Errorf("the log holds a token:\n%s", w.log)
		}
	})
}

func TestValidateWhileFull(t *testing.T) {
	asked := ""
	inWorld(t, func(t *testing.T, w *world) {
		a := w.get("/v1/validate", w.token(auth.Claims{User: "alice"}))
		a.wantProblem(t, "full", http.StatusServiceUnavailable, "unavailable", "")
		if p := decode[Problem](t, a); p.Detail != "there is no room" || a.header.Get("Retry-After") != "2" || asked == "" {
			t.Errorf("got %+v, Retry-After %q; asked about %q", p, a.header.Get("Retry-After"), asked)
		}
	}, func(c *Config) {
		c.Full = func(remote string) (string, time.Duration) {
			asked = remote
			return "there is no room", 1500 * time.Millisecond
		}
	})
}

func TestValidateWhileDraining(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.draining.Store(true)
		a := w.get("/v1/validate", w.token(auth.Claims{User: "alice"}))
		a.wantProblem(t, "draining", http.StatusServiceUnavailable, "unavailable", "stopping")
	})
}
