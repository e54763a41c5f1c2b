package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/auth"
)

func origins(patterns ...string) auth.Origins {
	list, err := auth.ParseOrigins(patterns)
	if err != nil {
		panic(err)
	}
	return list
}

func TestCORS(t *testing.T) {
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key", "Origin"}
	from := func(origin string) []string { return append(preflight, origin) }
	allowed := func(c *Config) { c.Origins = origins("https://a.example", "http://b.example:8080/") }
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeAdmin)
		for _, origin := range []string{"https://a.example", "http://b.example:8080", "https://A.example"} {
			a := w.do(http.MethodOptions, "/v1/rooms/r/events", "", "", from(origin)...)
			a.wantStatus(t, "preflight of "+origin, http.StatusNoContent)
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "POST, PUT, DELETE", "Vary": "Origin",
				"Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
			} {
				if got := a.header.Get(name); !strings.Contains(got, want) {
					t.Errorf("preflight of %s: got %s %q, want %q", origin, name, got, want)
				}
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed: there are none")
			}
			for _, path := range []string{"/v1/live", "/v1/streamers/a%20b", "/v1/nothing"} { // problems must be readable, too
				if a := w.get(path, token, "Origin", origin); a.header.Get("Access-Control-Allow-Origin") != origin {
					t.Errorf("%s from %s: got %d %v", path, origin, a.status, a.header)
				}
			}
		}
		for _, origin := range []string{"https://evil.example", "https://a.example.evil.example", "http://a.example", "null"} {
			a := w.do(http.MethodOptions, "/v1/live", "", "", from(origin)...)
			a.wantProblem(t, "preflight of "+origin, http.StatusForbidden, "forbidden", "--allowed-origin")
			get := w.get("/v1/live", token, "Origin", origin)
			get.wantStatus(t, origin, http.StatusOK)
			if a.header.Get("Access-Control-Allow-Origin")+get.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s is allowed", origin)
			}
			if get.header.Get("Vary") != "Origin" {
				t.Errorf("%s: a cache would give this answer to others", origin)
			}
		}
		if a := w.get("/healthz", "", "Origin", "https://a.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("more than the API is open to other pages")
		}
	}, allowed)
	inWorld(t, func(t *testing.T, w *world) {
		a := w.get("/v1/live", w.scoped(auth.ScopeAdmin), "Origin", "https://a.example")
		if a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("no origins: got %d %v", a.status, a.header)
		}
		w.do(http.MethodOptions, "/v1/live", "", "", from("https://a.example")...).wantProblem(t, "no origins", http.StatusMethodNotAllowed, "bad_request", "GET")
	})
}

// Balancers rewrite Host: it must neither let a page in nor keep one out.
func TestOriginsWhateverTheHost(t *testing.T) {
	preflight := []string{"Access-Control-Request-Method", "GET"}
	inWorld(t, func(t *testing.T, w *world) {
		for _, host := range []string{"a.example", "evil.example", "10.0.0.7:8080"} {
			from := func(origin string) []string { return append(preflight, "Host", host, "Origin", origin) }
			good := w.do(http.MethodOptions, "/v1/live", "", "", from("https://a.example")...)
			good.wantStatus(t, "allowed, on host "+host, http.StatusNoContent)
			bad := w.do(http.MethodOptions, "/v1/live", "", "", from("https://evil.example")...)
			bad.wantProblem(t, "another, on host "+host, http.StatusForbidden, "forbidden", "--allowed-origin")
			get := w.get("/v1/live", "", "Host", host, "Origin", "https://evil.example")
			if got := get.header.Get("Access-Control-Allow-Origin"); get.status != http.StatusOK || got != "" {
				t.Errorf("another, on host %s: got %d and allowed origin %q", host, get.status, got)
			}
		}
	}, public, func(c *Config) { c.Origins = origins("https://a.example") })
}

func TestRequestsAreLoggedWithoutSecrets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeAdmin)
		w.get("/v1/live?category=hush", token)
		w.get("/v1/rooms/a/events?token=hush", token)
		w.get("/v1/live?sort=hush", token)
		log := w.log.String()
		for _, want := range []string{"method=GET path=/v1/live route=/v1/live status=200", "path=/v1/rooms/a/events", "status=400"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		if strings.Contains(log, token) || strings.Contains(log, "hush") {
			t.Errorf("the log holds a secret:\n%s", log)
		}
	})
}

func TestPanics(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := &server{cfg: w.cfg}
		serve := func(h http.HandlerFunc) (rec *httptest.ResponseRecorder, aborted bool) {
			rec = httptest.NewRecorder()
			defer func() { aborted = recover() == http.ErrAbortHandler }()
			s.observe(h).ServeHTTP(rec, httptest.NewRequest("GET", "/v1/live?token=hush", nil))
			return rec, false
		}
		rec, _ := serve(func(http.ResponseWriter, *http.Request) { panic("a bug") })
		a := answer{rec.Code, rec.Result().Header, rec.Body.Bytes()}
		a.wantProblem(t, "panic", http.StatusInternalServerError, "internal", "logged")
		if strings.Contains(rec.Body.String(), "a bug") {
			t.Errorf("the client is told of it: %s", rec.Body)
		}
		if log := w.log.String(); !strings.Contains(log, "a bug") || !strings.Contains(log, "middleware_test.go") || strings.Contains(log, "hush") {
			t.Errorf("the log lacks the panic or its stack, or holds the query:\n%s", log)
		}
		if _, aborted := serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("half")); panic("late") }); !aborted {
			t.Error("half an answer passes for a whole one")
		}
		if _, aborted := serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }); !aborted {
			t.Error("an abort is swallowed")
		}
	})
}

// What we did not foresee is our fault: the log has it, the client does not.
func TestInternalErrors(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := &server{cfg: w.cfg}
		rec := httptest.NewRecorder()
		s.handle(func(http.ResponseWriter, *http.Request) error { return errors.New("disk on fire") }).
			ServeHTTP(rec, httptest.NewRequest("GET", "/v1/live", nil))
		a := answer{rec.Code, rec.Result().Header, rec.Body.Bytes()}
		a.wantProblem(t, "internal", http.StatusInternalServerError, "internal", "logged")
		if strings.Contains(rec.Body.String(), "fire") || !strings.Contains(w.log.String(), "disk on fire") {
			t.Errorf("got %s, log %s", rec.Body, w.log)
		}
	})
}
