package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

// listener is a member that keeps what it hears.
type listener struct {
	member
	heard   []rooms.EventMessage
	reacted []rooms.ReactionsMessage
}

func (l *listener) Signal(message []byte) error {
	var m rooms.ReactionsMessage
	if json.Unmarshal(message, &m) == nil && m.Type == "reactions" {
		l.reacted = append(l.reacted, m)
	}
	return nil
}

func (l *listener) Send(message []byte) {
	var e rooms.EventMessage
	if json.Unmarshal(message, &e) == nil && e.Type == "event" {
		l.heard = append(l.heard, e)
	}
}

// listen returns a viewer of a room.
func (w *world) listen(name, room string) *listener {
	w.t.Helper()
	l := &listener{member: member{name}}
	if err := w.cfg.Hub.Join(w.t.Context(), l, rooms.Join{Room: room, Role: auth.RoleViewer}); err != nil {
		w.t.Fatal(err)
	}
	return l
}

const hello = `{"event":"chat","data":{"text":"hello"}}`

func (w *world) publish(room, token, body string, header ...string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, "/v1/rooms/"+room+"/events", token, body, header...)
}

func TestPublish(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bob := w.listen("bob", "stage")
		for _, tt := range []struct {
			name, token, body string
			from              *rooms.Sender
			event, data       string
		}{
			{"backend", w.scoped(auth.ScopeService), hello, nil, "chat", `{"text":"hello"}`},
			{"admin", w.scoped(auth.ScopeAdmin), `{"event":"x.poll","data":[1, 2]}`, nil, "x.poll", `[1,2]`},
			{"no data", w.scoped(auth.ScopeService), `{"event":"x.poll","note":"unknown"}`, nil, "x.poll", `{}`},
			{"viewer", w.granted("carol", "*", auth.RoleViewer), hello, &rooms.Sender{ID: "carol", Name: "CAROL", Role: auth.RoleViewer}, "chat", `{"text":"hello"}`},
			{"moderator", w.granted("carol", "stage", auth.RoleModerator), hello, &rooms.Sender{ID: "carol", Name: "CAROL", Role: auth.RoleModerator}, "chat", `{"text":"hello"}`},
			{"the highest of two roles", w.token(auth.Claims{User: "dave", Grants: []auth.Grant{{Room: "stage", Role: auth.RoleViewer}, {Room: "st*", Role: auth.RoleStreamer}}}),
				hello, &rooms.Sender{ID: "dave", Name: "dave", Role: auth.RoleStreamer}, "chat", `{"text":"hello"}`},
			{"the highest that may", w.token(auth.Claims{User: "dave", Grants: []auth.Grant{{Room: "stage", Role: auth.RoleViewer}, {Room: "*", Role: auth.RoleModerator, Can: []string{"x.*"}}}}),
				hello, &rooms.Sender{ID: "dave", Name: "dave", Role: auth.RoleViewer}, "chat", `{"text":"hello"}`},
		} {
			bob.heard = nil
			a := w.publish("stage", tt.token, tt.body)
			a.wantStatus(t, tt.name, http.StatusCreated)
			if len(bob.heard) != 1 {
				t.Errorf("%s: bob heard %d events, want 1", tt.name, len(bob.heard))
				continue
			}
			e := bob.heard[0]
			if e.Event != tt.event || string(e.Data) != tt.data || (e.From == nil) != (tt.from == nil) || e.From != nil && *e.From != *tt.from {
				t.Errorf("%s: bob heard %s %s from %+v, want %s %s from %+v", tt.name, e.Event, e.Data, e.From, tt.event, tt.data, tt.from)
			}
			if got := decode[rooms.Position](t, a); got != e.Position {
				t.Errorf("%s: got position %+v, bob %+v", tt.name, got, e.Position)
			}
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bob := w.listen("bob", "stage")
		service := w.scoped(auth.ScopeService)
		for _, tt := range []struct {
			name, token, body string
			status            int
			code              rooms.Code
			mention           string
		}{
			{"nobody", "", hello, 401, "unauthorized", "Authorization"},
			{"bad token", "a.b.c", hello, 401, "unauthorized", ""},
			{"other room", w.granted("carol", "balcony", auth.RoleStreamer), hello, 403, "forbidden", "chat"},
			{"narrowed", w.granted("carol", "stage", auth.RoleViewer, "x.*"), hello, 403, "forbidden", "chat"},
			{"who may only read", w.scoped(auth.ScopeDirectory), hello, 403, "forbidden", "scope"},
			{"no body", service, "", 400, "bad_request", "body"},
			{"not JSON", service, `{"event":`, 400, "bad_request", "not JSON"},
			{"two objects", service, hello + hello, 400, "bad_request", "at byte 41"},
			{"not UTF-8", service, "{\"event\":\"x.a\",\"data\":\"\xff\"}", 400, "bad_request", "UTF-8"},
			{"a list", service, `[]`, 400, "bad_request", "object"},
			{"null", service, `null`, 400, "bad_request", "event"},
			{"event a number", service, `{"event":1}`, 400, "bad_request", "event"},
			{"no event", service, `{}`, 400, "bad_request", "event"},
			{"event of the service", service, `{"event":"live.started","data":{}}`, 400, "bad_request", "live.started"},
			{"event with a bad name", service, `{"event":"x.a b","data":{}}`, 400, "bad_request", "x.a b"},
			{"chat without text", service, `{"event":"chat","data":{}}`, 400, "bad_request", "text"},
			{"chat with another text", service, `{"event":"chat","data":{"text":1}}`, 400, "bad_request", "text"},
			{"long chat", service, `{"event":"chat","data":{"text":"` + strings.Repeat("a", 501) + `"}}`, 413, "too_large", "500"},
			{"big data", service, `{"event":"x.a","data":"` + strings.Repeat("a", 8<<10) + `"}`, 413, "too_large", "8192"},
			{"big body", service, `{"event":"x.a","data":"` + strings.Repeat("a", 64<<10) + `"}`, 413, "too_large", "65536"},
		} {
			w.publish("stage", tt.token, tt.body).wantProblem(t, tt.name, tt.status, tt.code, tt.mention)
		}
		w.publish("a%20b", service, hello).wantProblem(t, "bad room", 400, "bad_request", "room id")
		if len(bob.heard) != 0 {
			t.Errorf("bob heard %+v, want nothing", bob.heard)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bob := w.listen("bob", "stage")
		service, carol := w.scoped(auth.ScopeService), w.granted("carol", "*", auth.RoleViewer)
		first := w.publish("stage", service, hello, "Idempotency-Key", "k1")
		first.wantStatus(t, "first", http.StatusCreated)
		again := w.publish("stage", service, hello, "Idempotency-Key", "k1")
		again.wantStatus(t, "again", http.StatusCreated)
		if string(first.body) != string(again.body) || len(bob.heard) != 1 {
			t.Errorf("got %s and %s, bob heard %d; want the same and 1", first.body, again.body, len(bob.heard))
		}
		w.publish("stage", service, `{"event":"x.other"}`, "Idempotency-Key", "k1").wantProblem(t, "for another event", 409, "conflict", "Idempotency-Key")
		w.publish("stage", service, hello, "Idempotency-Key", strings.Repeat("k", 256)).wantProblem(t, "long", 400, "bad_request", "256")
		w.publish("stage", service, hello, "Idempotency-Key", "k1", "Idempotency-Key", "k2").wantProblem(t, "two", 400, "bad_request", "more than one")

		bob.heard = nil
		w.publish("stage", carol, hello, "Idempotency-Key", "k1").wantStatus(t, "another user's", http.StatusCreated)
		w.publish("stage", service, hello, "Idempotency-Key", strings.Repeat("k", 255)).wantStatus(t, "255", http.StatusCreated)
		w.publish("stage", service, hello, "Idempotency-Key", "").wantStatus(t, "empty is none", http.StatusCreated)
		w.publish("stage", service, hello, "Idempotency-Key", "").wantStatus(t, "empty is none", http.StatusCreated)
		if len(bob.heard) != 4 {
			t.Errorf("bob heard %d, want 4", len(bob.heard))
		}
	})
}

const heart = `{"event":"reaction","data":{"kind":"heart"}}`

// A reaction has no position. It is told with others, whoever they are of.
func TestPublishReaction(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bob := w.listen("bob", "stage")
		service, carol := w.scoped(auth.ScopeService), w.granted("carol", "*", auth.RoleViewer)
		for name, token := range map[string]string{"backend": service, "viewer": carol, "who may only react": w.granted("dave", "*", auth.RoleViewer, "react")} {
			a := w.publish("stage", token, heart)
			a.wantStatus(t, name, http.StatusAccepted)
			if got := strings.TrimSpace(string(a.body)); got != "{}" {
				t.Errorf("%s: got %s", name, got)
			}
		}
		w.publish("stage", service, heart, "Idempotency-Key", "").wantStatus(t, "empty is none", http.StatusAccepted)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(bob.heard) != 0 || len(bob.reacted) != 1 || bob.reacted[0].Room != "stage" || !maps.Equal(bob.reacted[0].Counts, map[string]int{"heart": 4}) {
			t.Errorf("bob heard %+v and %+v", bob.heard, bob.reacted)
		}

		w.publish("stage", service, heart, "Idempotency-Key", "k1").wantProblem(t, "with a key", 400, "bad_request", "Idempotency-Key")
		w.publish("stage", "", heart).wantProblem(t, "nobody", 401, "unauthorized", "Authorization")
		w.publish("stage", w.granted("dave", "*", auth.RoleViewer, "chat", "reaction"), heart).wantProblem(t, "narrowed", 403, "forbidden", "react")
		w.publish("stage", service, `{"event":"reaction"}`).wantProblem(t, "no kind", 400, "bad_request", "kind")
		w.publish("stage", service, `{"event":"reaction","data":{"kind":"a heart"}}`).wantProblem(t, "with a space", 400, "bad_request", "white space")
		for i := range rooms.MaxReactionKinds - 1 {
			w.publish("stage", service, fmt.Sprintf(`{"event":"reaction","data":{"kind":"%d"}}`, i)).wantStatus(t, "another kind", http.StatusAccepted)
		}
		w.publish("stage", service, `{"event":"reaction","data":{"kind":"more"}}`).wantProblem(t, "the 17th kind", 400, "bad_request", "16 kinds")
		for range eventsBurst * defaultEvents {
			w.publish("stage", carol, heart).wantStatus(t, "burst", http.StatusAccepted)
		}
		w.publish("stage", carol, heart).wantProblem(t, "one more", http.StatusTooManyRequests, "rate_limited", "")
		w.publish("stage", carol, hello).wantStatus(t, "chat has a limit of its own", http.StatusCreated)
	})
}

// HTTP must not be the way around the limits of a socket.
func TestPublishLimits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		carol := w.granted("carol", "*", auth.RoleViewer)
		for range chatBurst {
			w.publish("stage", carol, hello).wantStatus(t, "burst", http.StatusCreated)
		}
		refused := w.publish("balcony", carol, hello)
		refused.wantProblem(t, "one more", http.StatusTooManyRequests, "rate_limited", "")
		if got := refused.header.Get("Retry-After"); got != "1" {
			t.Errorf("got Retry-After %q, want 1", got)
		}
		w.publish("stage", carol, `{"event":"x.a"}`).wantStatus(t, "another event", http.StatusCreated)
		w.publish("stage", w.granted("dave", "*", auth.RoleViewer), hello).wantStatus(t, "another user", http.StatusCreated)
		for range 3 * chatBurst {
			w.publish("stage", w.scoped(auth.ScopeService), hello).wantStatus(t, "backend", http.StatusCreated)
		}
		time.Sleep(time.Second)
		w.publish("stage", carol, hello).wantStatus(t, "a second later", http.StatusCreated)
	})
}

// A request that never sends its body must not be waited for.
func TestSlowBody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conn, err := w.listener.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = conn.Write([]byte("POST /v1/rooms/stage/events HTTP/1.1\r\nHost: node.test\r\nContent-Length: 100\r\nAuthorization: Bearer " +
			w.scoped(auth.ScopeService) + "\r\n\r\n{"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 400") || time.Since(start) != bodyTimeout {
			t.Errorf("after %s: got %q, %v, want 400 after %s", time.Since(start), buf[:n], err, bodyTimeout)
		}
	})
}
