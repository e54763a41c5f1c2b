package web

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

func TestUnknownRoutesAndMethods(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			method, path string
			status       int
			code         rooms.Code
			mention      string
			allow        string
		}{
			{"GET", "/nothing", 404, "not_found", "/nothing", ""},
			{"GET", "/v1", 404, "not_found", "/v1", ""},
			{"GET", "/v1/live/", 404, "not_found", "/v1/live/", ""},
			{"GET", "/v2/live", 404, "not_found", "/v2/live", ""},
			{"GET", "/v1/rooms/a/events/1/2", 404, "not_found", "", ""},
			{"POST", "/nothing", 404, "not_found", "", ""},
			{"BREW", "/nothing", 404, "not_found", "", ""},
			{"POST", "/v1/live", 405, "bad_request", "GET, HEAD", "GET, HEAD"},
			{"DELETE", "/v1/streamers/a%7Cb", 405, "bad_request", "GET, HEAD", "GET, HEAD"},
			{"GET", "/v1/rooms/a/events", 405, "bad_request", "POST", "POST"},
			{"POST", "/", 405, "bad_request", "GET, HEAD", "GET, HEAD"},
			{"OPTIONS", "/v1/live", 405, "bad_request", "GET, HEAD", "GET, HEAD"},
			{"BREW", "/v1/live", 405, "bad_request", "GET, HEAD", "GET, HEAD"},
		} {
			a := w.do(tt.method, tt.path, "", "")
			a.wantProblem(t, tt.method+" "+tt.path, tt.status, tt.code, tt.mention)
			if got := a.header.Get("Allow"); got != tt.allow {
				t.Errorf("%s %s: got Allow %q, want %q", tt.method, tt.path, got, tt.allow)
			}
		}
	})
}

// The socket takes the connection over, so it must get it as it is.
func TestSocketIsNotWrapped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		resp := w.open("GET", "/v1/ws", "", "", "Origin", "https://a.example")
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); string(got) != "taken over" {
			t.Errorf("got %q, %v", got, err)
		}
	}, func(c *Config) {
		c.Origins = origins("https://a.example")
		c.Socket = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\ntaken over")
		})
	})
}

func TestHeadIsLikeGet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, path := range []string{"/v1/live", "/v1/live/stream", "/healthz", "/readyz"} {
			if a := w.do(http.MethodHead, path, w.scoped(auth.ScopeAdmin), ""); a.status != http.StatusOK || len(a.body) != 0 {
				t.Errorf("HEAD %s: got %d %q", path, a.status, a.body)
			}
		}
		if a := w.do(http.MethodHead, "/nothing", "", ""); a.status != http.StatusNotFound || strings.TrimSpace(string(a.body)) != "" {
			t.Errorf("HEAD /nothing: got %d %q", a.status, a.body)
		}
	})
}
