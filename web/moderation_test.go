package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

// act makes a request that moderates.
func (w *world) act(method, path, token, body string) answer {
	w.t.Helper()
	return w.do(method, "/v1/rooms/"+path, token, body)
}

func TestBans(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mod, service := w.granted("mod", "stage", auth.RoleModerator), w.scoped(auth.ScopeService)
		until := time.Now().Add(time.Hour).UTC().Format(presence.TimeLayout)
		a := w.act(http.MethodPost, "stage/bans", mod, `{"user":"eve","reason":"spam","expires_at":"`+until+`"}`)
		a.wantStatus(t, "ban", http.StatusCreated)
		got := decode[Sanction](t, a)
		if got.Room != "stage" || got.User != "eve" || got.Target != "eve" || got.Reason != "spam" || got.Actor != "mod" || got.CreatedAt == 0 || got.ExpiresAt == 0 {
			t.Errorf("made %+v", got)
		}
		for _, ip := range []string{"192.0.2.1", "2001:db8::7"} {
			w.act(http.MethodPost, "stage/bans", service, `{"ip":"`+ip+`"}`).wantStatus(t, ip, http.StatusCreated)
		}
		for _, path := range []string{"*/bans", "%2A/bans"} {
			w.act(http.MethodPost, path, service, `{"user":"mallory"}`).wantStatus(t, path, http.StatusCreated)
		}
		list := func(path, token string) (all []string) {
			t.Helper()
			for after := ""; ; {
				page := decode[SanctionPage](t, w.act(http.MethodGet, path+"?first=2&after="+after, token, ""))
				for _, s := range page.Data {
					all = append(all, strings.Trim(s.Target+"="+s.User+s.IP, "="))
				}
				if after = page.Next; after == "" {
					return all
				}
				after = strings.ReplaceAll(after, "/", "%2F")
			}
		}
		want := "[eve=eve ip:192.0.2.1/32=192.0.2.1 ip:2001:db8::/64=2001:db8::/64]"
		if got := fmt.Sprint(list("stage/bans", mod)); got != want {
			t.Errorf("listed %s, want %s", got, want)
		}
		for _, path := range []string{"*/bans", "%2A/bans"} {
			if got := list(path, service); fmt.Sprint(got) != "[mallory=mallory]" {
				t.Errorf("%s lists %s", path, got)
			}
		}
		w.do(http.MethodGet, "/v1/validate", w.token(auth.Claims{User: "mallory"}), "").wantProblem(t, "validate", http.StatusForbidden, rooms.CodeForbidden, "you are banned")
		w.get("/v1/validate", w.token(auth.Claims{User: "eve"})).wantStatus(t, "validate of who is banned from one room", http.StatusOK)
		w.publish("stage", w.granted("eve", "stage", auth.RoleViewer), hello).wantProblem(t, "publish", http.StatusForbidden, rooms.CodeForbidden, "spam")
		for _, target := range []string{"eve", "eve", "ip:192.0.2.1", "ip:2001:db8::%2F64"} {
			token := mod
			if target != "eve" {
				token = service
			}
			w.act(http.MethodDelete, "stage/bans/"+target, token, "").wantStatus(t, "unban "+target, http.StatusNoContent)
		}
		w.act(http.MethodDelete, "*/bans/mallory", service, "").wantStatus(t, "unban", http.StatusNoContent)
		if got := append(list("stage/bans", mod), list("*/bans", service)...); len(got) != 0 {
			t.Errorf("still banned: %v", got)
		}
	})
}

func TestModerationRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mod, service := w.granted("mod", "stage", auth.RoleModerator), w.scoped(auth.ScopeService)
		for _, tt := range []struct {
			method, path, token, body string
			status                    int
			mention                   string
		}{
			{"POST", "stage/bans", "", `{"user":"eve"}`, 401, ""},
			{"POST", "stage/bans", w.granted("bob", "*", auth.RoleViewer), `{"user":"eve"}`, 403, "grant"},
			{"POST", "*/bans", mod, `{"user":"eve"}`, 403, "scope"},
			{"GET", "*/bans", w.granted("super", "*", auth.RoleModerator), "", 403, "scope"},
			{"GET", "stage/bans", w.granted("bob", "*", auth.RoleViewer), "", 403, "grant"},
			{"POST", "stage/bans", mod, `{"ip":"192.0.2.1"}`, 403, "scope"},
			{"POST", "stage/bans", service, `{"ip":"192.0.2.0/24"}`, 400, "address"},
			{"POST", "stage/bans", mod, `{}`, 400, "either"},
			{"POST", "stage/bans", mod, `{"user":"eve","ip":"192.0.2.1"}`, 400, "either"},
			{"POST", "stage/bans", mod, `{"user":"e/ve"}`, 400, "user"},
			{"POST", "stage/bans", mod, `{"user":"mod"}`, 400, "yourself"},
			{"POST", "stage/bans", mod, `{"user":"eve","expires_at":"2000-01-01T00:00:00Z"}`, 400, "future"},
			{"POST", "stage/bans", mod, `{"user":"eve","expires_at":"1970-01-01T00:00:00Z"}`, 400, "future"}, // not without an end
			{"POST", "stage/bans", mod, `{"user":"eve","expires_at":"soon"}`, 400, ""},
			{"POST", "no%20room/bans", service, `{"user":"eve"}`, 400, "room"},
			{"DELETE", "stage/bans/e%20ve", mod, "", 400, "ip:"},
			{"POST", "stage/kick", mod, `{}`, 400, "kick needs a user"},
			{"POST", "stage/mute", mod, `{"user":"eve","seconds":-1}`, 400, "seconds"},
			{"POST", "stage/mute", mod, `{"user":"ip:192.0.2.1/32"}`, 400, "user"},
			{"POST", "stage/mute", mod, `{"user":"eve","reason":"` + strings.Repeat("x", 201) + `"}`, 413, "201"},
			{"PUT", "stage/settings", mod, `{}`, 400, "slow_seconds"},
			{"PUT", "stage/settings", mod, `{"slow_seconds":3601}`, 400, "3600"},
			{"PUT", "*/settings", service, `{"slow_seconds":1}`, 400, "room"},
			{"GET", "stage/settings", w.granted("bob", "attic", auth.RoleViewer), "", 403, "grant"},
			{"DELETE", "stage/events/0", mod, "", 400, "offset"},
			{"DELETE", "stage/events/x", mod, "", 400, "offset"},
			{"DELETE", "stage/events/7", mod, "", 404, "7"},
		} {
			code := map[int]rooms.Code{400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 413: "too_large"}[tt.status]
			w.act(tt.method, tt.path, tt.token, tt.body).wantProblem(t, tt.method+" "+tt.path+" "+tt.body, tt.status, code, tt.mention)
			time.Sleep(time.Second) // for the limit of moderators
		}
	})
}

func TestMuteKickAndSettings(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mod, eve := w.granted("mod", "stage", auth.RoleModerator), w.granted("eve", "stage", auth.RoleViewer)
		w.act(http.MethodPost, "stage/mute", mod, `{"user":"eve","seconds":60}`).wantStatus(t, "mute", http.StatusCreated)
		w.publish("stage", eve, hello).wantProblem(t, "muted", http.StatusForbidden, rooms.CodeForbidden, "you are muted until")
		if page := decode[SanctionPage](t, w.act(http.MethodGet, "stage/mutes", mod, "")); len(page.Data) != 1 || page.Data[0].User != "eve" {
			t.Errorf("muted are %+v", page)
		}
		w.act(http.MethodDelete, "stage/mutes/eve", mod, "").wantStatus(t, "unmute", http.StatusNoContent)
		w.publish("stage", eve, hello).wantStatus(t, "unmuted", http.StatusCreated)

		put := w.act(http.MethodPut, "stage/settings", mod, `{"slow_seconds":30}`)
		put.wantStatus(t, "settings", http.StatusOK)
		if got := decode[Settings](t, w.act(http.MethodGet, "stage/settings", eve, "")); got.SlowSeconds != 30 {
			t.Errorf("the room is slow by %d", got.SlowSeconds)
		}
		time.Sleep(time.Second)
		w.publish("stage", eve, hello).wantStatus(t, "the first line", http.StatusCreated)
		a := w.publish("stage", eve, hello)
		a.wantProblem(t, "the second", http.StatusTooManyRequests, rooms.CodeRateLimited, "slow")
		if got := a.header.Get("Retry-After"); got != "30" {
			t.Errorf("to be tried again after %q", got)
		}
		w.publish("stage", mod, hello).wantStatus(t, "a moderator", http.StatusCreated)
		w.publish("stage", mod, hello).wantStatus(t, "a moderator again", http.StatusCreated)

		w.act(http.MethodPost, "stage/kick", mod, `{"user":"eve","reason":"calm down"}`).wantStatus(t, "kick", http.StatusNoContent)
		w.act(http.MethodDelete, "stage/events/2", mod, "").wantStatus(t, "delete", http.StatusNotFound) // member.unmuted
		w.act(http.MethodDelete, "stage/events/3", mod, "").wantStatus(t, "delete", http.StatusNoContent)
	})
}

// A flood of acts is held back, but for a backend's.
func TestModeratingTooMuch(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mod, service := w.granted("mod", "stage", auth.RoleModerator), w.scoped(auth.ScopeService)
		for n := range actBurst + 1 {
			want := http.StatusNoContent
			if n == actBurst {
				want = http.StatusTooManyRequests
			}
			w.act(http.MethodDelete, "stage/mutes/eve", mod, "").wantStatus(t, fmt.Sprint(n), want)
			w.act(http.MethodDelete, "stage/mutes/eve", service, "").wantStatus(t, fmt.Sprint(n), http.StatusNoContent)
		}
	})
}

func TestModerationWithoutADatabase(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		service, admin := w.scoped(auth.ScopeService), w.scoped(auth.ScopeAdmin)
		w.act(http.MethodPost, "stage/bans", service, `{"user":"eve"}`)
		w.withoutDB()
		w.act(http.MethodPost, "stage/bans", service, `{"user":"bob"}`).wantStatus(t, "ban", http.StatusServiceUnavailable)
		for _, path := range []string{"/v1/rooms/stage/bans", "/v1/rooms/stage/mutes", "/v1/rooms/stage/settings", "/v1/audit"} {
			w.get(path, admin).wantStatus(t, path, http.StatusServiceUnavailable)
		}
		w.publish("stage", w.granted("eve", "stage", auth.RoleViewer), hello).wantStatus(t, "eve", http.StatusForbidden)
		w.publish("stage", w.granted("bob", "stage", auth.RoleViewer), hello).wantStatus(t, "bob", http.StatusCreated)
		w.do(http.MethodPost, "/v1/nodes/n1/drain", admin, "").wantStatus(t, "a drain waits for nobody", http.StatusAccepted)
	})
}

func TestAudit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mod, service, admin := w.granted("mod", "stage", auth.RoleModerator), w.scoped(auth.ScopeService), w.scoped(auth.ScopeAdmin)
		for _, token := range []string{mod, service} {
			w.get("/v1/audit", token).wantProblem(t, "who may", http.StatusForbidden, rooms.CodeForbidden, "admin")
		}
		w.act(http.MethodPost, "stage/bans", mod, `{"user":"eve","reason":"spam"}`)
		w.act(http.MethodPost, "stage/bans", service, `{"ip":"192.0.2.1"}`)
		w.act(http.MethodPut, "stage/settings", mod, `{"slow_seconds":9}`)
		w.do(http.MethodPost, "/v1/nodes/n1/drain", admin, "")
		w.do(http.MethodPost, "/v1/streamers/alice/end", service, `{"room":"alice","reason":"time is up"}`)
		list := func(query string) (all []string) {
			t.Helper()
			for after := ""; ; {
				a := w.get("/v1/audit?first=2"+query+after, admin)
				a.wantStatus(t, query, http.StatusOK)
				page := decode[AuditPage](t, a)
				for _, e := range page.Data {
					all = append(all, strings.TrimSpace(fmt.Sprint(e.Seq, " ", e.Actor, " ", e.Action, " ", e.Room, " ", e.Target)))
				}
				if page.Next == "" {
					return all
				}
				after = "&after=" + page.Next
			}
		}
		for query, want := range map[string]string{
			"":                      "[5 somebody end alice alice 4 somebody drain  n1 3 mod slow stage 2 somebody ban stage ip:192.0.2.1/32 1 mod ban stage eve]",
			"&room=stage":           "[3 mod slow stage 2 somebody ban stage ip:192.0.2.1/32 1 mod ban stage eve]",
			"&actor=mod&action=ban": "[1 mod ban stage eve]",
			"&target=ip:192.0.2.1":  "[2 somebody ban stage ip:192.0.2.1/32]",
			"&target=nobody":        "[]",
			"&room=*":               "[]",
		} {
			if got := fmt.Sprint(list(query)); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		w.get("/v1/audit?after=x", admin).wantProblem(t, "a bad cursor", http.StatusBadRequest, rooms.CodeBadRequest, "after")
	})
}

func TestEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		service := w.scoped(auth.ScopeService)
		alice := w.live("alice", presence.Details{})
		end := func(body string) answer {
			t.Helper()
			return w.do(http.MethodPost, "/v1/streamers/alice/end", service, body)
		}
		w.do(http.MethodPost, "/v1/streamers/alice/end", w.granted("alice", "alice", auth.RoleStreamer), "").wantProblem(t, "herself", http.StatusForbidden, rooms.CodeForbidden, "scope")
		if got := decode[EndedList](t, end(`{"room":"attic"}`)); len(got.Data) != 0 {
			t.Errorf("ended elsewhere: %+v", got)
		}
		a := end("")
		a.wantStatus(t, "end", http.StatusOK)
		if got := decode[EndedList](t, a); len(got.Data) != 1 || got.Data[0] != (Ended{Room: "alice", Broadcast: alice.broadcast.ID}) {
			t.Errorf("ended %+v", got)
		}
		synctest.Wait()
		if got := decode[Room](t, w.get("/v1/rooms/alice", service)); got.State != presence.StateOnline {
			t.Errorf("the streamer is %s", got.State)
		}
		if got := decode[Record](t, w.get("/v1/broadcasts/"+alice.broadcast.ID, service)); got.Reason != presence.ReasonEndedByAdmin {
			t.Errorf("recorded: %+v", got)
		}
	})
}
