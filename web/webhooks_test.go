package web

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/rooms"
)

func (w *world) createWebhook(token, body string) Webhook {
	w.t.Helper()
	a := w.do("POST", "/v1/webhooks", token, body)
	a.wantStatus(w.t, body, http.StatusCreated)
	return decode[Webhook](w.t, a)
}

// happened writes events that an endpoint is to be told of.
func (w *world) happened(n int) {
	w.t.Helper()
	tx, err := w.cfg.Webhooks.DB.BeginTx(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback()
	if err := write(w, tx, n); err != nil {
		w.t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

func write(w *world, tx *sql.Tx, n int) error {
	now := presence.MillisOf(time.Now())
	o, err := webhook.NewOutbox(w.t.Context(), tx, now)
	for i := 0; i < n && err == nil; i++ {
		err = o.Add(w.t.Context(), webhook.Event{ID: fmt.Sprint("evt_", i), Type: webhook.RoomOccupied, Subject: "#studio", At: now, Data: struct{}{}})
	}
	if err == nil {
		_, err = o.Close(w.t.Context())
	}
	return err
}

func TestWebhooks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeService)
		due := 0
		w.due = func() { due++ }
		made := w.createWebhook(token, `{"url":"https://example.com/hook"}`)
		if !strings.HasPrefix(made.Secret, "whsec_") || len(made.Events) != 7 || made.State != webhook.StateActive || made.CreatedBy != "somebody" {
			t.Errorf("made %+v", made)
		}
		time.Sleep(time.Millisecond)
		chat := w.createWebhook(token, `{"url":"https://example.com/chat","events":["chat.message","room.occupied","chat.message"]}`)
		if fmt.Sprint(chat.Events) != "[room.occupied chat.message]" {
			t.Errorf("it is told of %v", chat.Events)
		}
		list := decode[WebhookList](t, w.get("/v1/webhooks", token)).Data
		if len(list) != 2 || list[0].ID != made.ID || list[0].Secret != "" || list[1].ID != chat.ID {
			t.Errorf("listed %+v", list)
		}
		w.happened(3)
		one := decode[Webhook](t, w.get("/v1/webhooks/"+made.ID, token))
		if one.Waiting != 3 || one.Secret != "" {
			t.Errorf("one is %+v", one)
		}
		page := decode[DeliveryPage](t, w.get("/v1/webhooks/"+made.ID+"/deliveries?first=2&state=pending", token))
		if len(page.Data) != 2 || page.Next == "" || page.Data[0].Event != "evt_2" || page.Data[0].Type != webhook.RoomOccupied || page.Data[0].AttemptedAt != 0 {
			t.Errorf("deliveries %+v", page)
		}
		rest := decode[DeliveryPage](t, w.get("/v1/webhooks/"+made.ID+"/deliveries?first=2&after="+page.Next, token))
		if len(rest.Data) != 1 || rest.Next != "" || rest.Data[0].Event != "evt_0" {
			t.Errorf("then %+v", rest)
		}
		w.do("POST", "/v1/webhooks/"+made.ID+"/deliveries/"+rest.Data[0].ID+"/retry", token, "").wantStatus(t, "retry", http.StatusNoContent)
		w.do("POST", "/v1/webhooks/"+made.ID+"/resume", token, "").wantStatus(t, "resume", http.StatusNoContent)
		a := w.do("POST", "/v1/webhooks/"+made.ID+"/replay", token, `{"from":"1999-01-01T00:00:00Z","to":"2040-01-01T00:00:00Z","all":true}`)
		a.wantStatus(t, "replay", http.StatusAccepted)
		if got := decode[Replayed](t, a); got.Deliveries != 0 { // all still wait
			t.Errorf("replayed %+v", got)
		}
		if due != 3 {
			t.Errorf("told %d times that something is due", due)
		}
		w.do("DELETE", "/v1/webhooks/"+made.ID, token, "").wantStatus(t, "delete", http.StatusNoContent)
		if list := decode[WebhookList](t, w.get("/v1/webhooks", token)).Data; len(list) != 1 {
			t.Errorf("left are %+v", list)
		}
		var acts []string
		for _, a := range decode[AuditPage](t, w.get("/v1/audit", w.scoped(auth.ScopeAdmin))).Data {
			if acts = append(acts, a.Action); a.Actor != "somebody" || a.Target != made.ID && a.Target != chat.ID {
				t.Errorf("in the audit: %+v", a)
			}
		}
		if fmt.Sprint(acts) != "[webhook.delete webhook.replay webhook.resume webhook.replay webhook.create webhook.create]" {
			t.Errorf("in the audit: %q", acts)
		}
	})
}

func TestWebhooksRefuse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeService)
		for body, mention := range map[string]string{
			"":                                       "no body",
			"[]":                                     "object",
			`{"url":7}`:                              "url",
			`{}`:                                     "url",
			`{"url":"http://example.com/"}`:          "--webhook-allow-private",
			`{"url":"https://127.0.0.1/"}`:           "private",
			`{"url":"https://e.com","events":"x"}`:   "events",
			`{"url":"https://e.com","events":["x"]}`: "stream.online",
		} {
			w.do("POST", "/v1/webhooks", token, body).wantProblem(t, body, 400, rooms.CodeBadRequest, mention)
		}
		one := w.createWebhook(token, `{"url":"https://example.com/hook"}`)
		path := "/v1/webhooks/" + one.ID
		for _, body := range []string{`{}`, `{"from":"2026-01-01T00:00:00Z"}`, `{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}`, `{"from":"x","to":"y"}`} {
			w.do("POST", path+"/replay", token, body).wantProblem(t, body, 400, rooms.CodeBadRequest, "")
		}
		for query, mention := range map[string]string{"state=lost": "parked", "after=x": "after", "after=0": "after", "first=0": "first"} {
			w.get(path+"/deliveries?"+query, token).wantProblem(t, query, 400, rooms.CodeBadRequest, mention)
		}
		all := [][2]string{
			{"GET", "/v1/webhooks/none"}, {"DELETE", "/v1/webhooks/none"}, {"POST", "/v1/webhooks/none/resume"},
			{"GET", "/v1/webhooks/none/deliveries"}, {"POST", path + "/deliveries/12/retry"}, {"POST", path + "/deliveries/x/retry"},
		}
		for _, r := range all {
			w.do(r[0], r[1], token, "").wantProblem(t, r[1], 404, rooms.CodeNotFound, "there is no such")
		}
		for _, r := range append(all, [2]string{"GET", "/v1/webhooks"}, [2]string{"POST", "/v1/webhooks"}, [2]string{"POST", path + "/replay"}) {
			w.do(r[0], r[1], "", "").wantProblem(t, r[1], 401, "unauthorized", "Authorization")
			w.do(r[0], r[1], w.scoped(auth.ScopeDirectory), "").wantProblem(t, r[1], 403, "forbidden", "service")
			w.do(r[0], r[1], w.granted("alice", "*", auth.RoleModerator), "").wantProblem(t, r[1], 403, "forbidden", "service")
		}
		for range maxWebhooks - 1 {
			w.createWebhook(token, `{"url":"https://example.com/hook"}`)
		}
		w.do("POST", "/v1/webhooks", token, `{"url":"https://example.com/hook"}`).wantProblem(t, "one more", 409, rooms.CodeConflict, "100")
		w.withoutDB()
		for _, r := range append(all[:4:4], [2]string{"GET", "/v1/webhooks"}) {
			w.do(r[0], r[1], token, "").wantProblem(t, r[1], 503, "unavailable", "webhooks")
		}
		// PostgreSQL fails over ids that are no text as if it were away: nobody is asked about them.
		for _, r := range [][2]string{{"DELETE", "/v1/webhooks/%00"}, {"GET", "/v1/webhooks/%FF/deliveries"}, {"GET", "/v1/webhooks/a%00"}} {
			w.do(r[0], r[1], token, "").wantProblem(t, r[1], 404, rooms.CodeNotFound, "there is no such")
		}
	}, public)
}
