package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

func TestRevocations(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		service := w.scoped(auth.ScopeService)
		stolen := w.token(auth.Claims{User: "eve", TokenID: "a/b", Scopes: []auth.Scope{auth.ScopeDirectory}})
		listening := w.stream(stolen)
		listening.wantSnapshot("")
		until := time.Now().Add(time.Hour).UTC().Format(presence.TimeLayout)
		before := time.Now().Add(-time.Hour).UTC().Format(presence.TimeLayout)
		for _, body := range []string{
			`{"jti":"a/b","reason":"stolen","expires_at":"` + until + `"}`, `{"sub":"mallory"}`, `{"sub":"carol","issued_before":"` + before + `"}`,
		} {
			a := w.do(http.MethodPost, "/v1/revocations", service, body)
			a.wantStatus(t, body, http.StatusCreated)
			got := decode[Revocation](t, a)
			if got.CreatedAt == 0 || got.Actor == "" || strings.Contains(body, got.JTI+got.Sub) == false || (got.IssuedBefore != 0) != (got.Sub == "carol") || (got.ExpiresAt != 0) != (got.JTI != "") {
				t.Errorf("%s made %+v", body, got)
			}
		}
		for what, token := range map[string]string{
			"by its id": stolen, "by its user": w.token(auth.Claims{User: "mallory"}),
			"by its age": w.token(auth.Claims{User: "carol", IssuedAt: time.Now().Add(-2 * time.Hour)}), "without an age": w.token(auth.Claims{User: "carol"}),
		} {
			for _, path := range []string{"/v1/validate", "/v1/live", "/v1/rooms/stage"} {
				a := w.get(path, token)
				a.wantProblem(t, what+": "+path, http.StatusUnauthorized, rooms.CodeUnauthorized, "revoked")
				if p := decode[Problem](t, a); p.Reason != auth.ReasonRevoked {
					t.Errorf("%s: %s: reason %q", what, path, p.Reason)
				}
			}
		}
		w.get("/v1/validate", w.token(auth.Claims{User: "carol", IssuedAt: time.Now()})).wantStatus(t, "a younger token", http.StatusOK)
		if took := listening.wantEnd(); took > time.Second {
			t.Errorf("the stream ended after %s", took)
		}

		list := func() (ids []string) {
			for after := ""; ; {
				page := decode[RevocationPage](t, w.get("/v1/revocations?first=2&after="+after, service))
				for _, r := range page.Data {
					ids = append(ids, r.ID)
				}
				if after = page.Next; after == "" {
					return ids
				}
			}
		}
		if got, want := fmt.Sprint(list()), "[jti:a/b sub:carol sub:mallory]"; got != want {
			t.Errorf("listed %s, want %s", got, want)
		}
		for _, id := range []string{"jti:a%2Fb", "sub:mallory", "sub:mallory"} {
			w.do(http.MethodDelete, "/v1/revocations/"+id, service, "").wantStatus(t, "restore "+id, http.StatusNoContent)
		}
		w.get("/v1/validate", stolen).wantStatus(t, "restored", http.StatusOK)
		if got := fmt.Sprint(list()); got != "[sub:carol]" {
			t.Errorf("in the end %s", got)
		}
	})
}

func TestRevocationsRefuse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		service, directory := w.scoped(auth.ScopeService), w.scoped(auth.ScopeDirectory)
		for _, tt := range []struct {
			method, path, token, body string
			status                    int
			mention                   string
		}{
			{"POST", "", "", `{"jti":"x"}`, 401, ""},
			{"POST", "", directory, `{"jti":"x"}`, 403, "scope service or admin"},
			{"GET", "", directory, "", 403, "scope service or admin"},
			{"DELETE", "/jti:x", directory, "", 403, "scope service or admin"},
			{"POST", "", service, `{}`, 400, "either a jti or a sub"},
			{"POST", "", service, `{"jti":"x","sub":"y"}`, 400, "either a jti or a sub"},
			{"POST", "", service, `{"sub":"a b"}`, 400, "user id"},
			{"POST", "", service, `{"jti":"` + strings.Repeat("x", 300) + `"}`, 400, "256"},
			{"POST", "", service, `{"jti":"x","issued_before":"2026-01-01T00:00:00Z"}`, 400, "issued_before"},
			{"POST", "", service, `{"sub":"x","issued_before":"1970-01-01T00:00:00Z"}`, 400, "1970"},
			{"POST", "", service, `{"sub":"x","issued_before":"yesterday"}`, 400, ""},
			{"POST", "", service, `{"sub":"x","expires_at":"2020-01-01T00:00:00Z"}`, 400, "future"},
			{"POST", "", service, `{"sub":"x","expires_at":"1970-01-01T00:00:00Z"}`, 400, "future"},
			{"POST", "", service, `{"jti":"a\u0000b"}`, 400, "jti"},
			{"DELETE", "/jti:a%00b", service, "", 400, "jti:"},
			{"DELETE", "/jti:a%FFb", service, "", 400, "jti:"},
			{"DELETE", "/x", service, "", 400, "jti:"},
		} {
			a := w.do(tt.method, "/v1/revocations"+tt.path, tt.token, tt.body)
			if a.status != tt.status || !strings.Contains(string(a.body), tt.mention) {
				t.Errorf("%s %s %s: %d %s, want %d and %q", tt.method, tt.path, tt.body, a.status, a.body, tt.status, tt.mention)
			}
		}
	})
}
