package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// TestInternalListen sees that what operators alone need is where only they are, and everything else is on both.
func TestInternalListen(t *testing.T) {
	t.Parallel()
	p := start(t, "--internal-listen", "127.0.0.1:0")
	found := regexp.MustCompile(`serving operators.*address=(\S+)`).FindStringSubmatch(p.err.String())
	if found == nil {
		t.Fatalf("the log does not say where operators are served: %s", p.err.String())
	}
	inside := found[1]
	get := func(addr, path string) (int, string) {
		request, err := http.NewRequestWithContext(within(t, 20*time.Second), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token(t, "root", admin))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap", "/v1/nodes", "/v1/audit", "/v1/webhooks", "/v1/revocations", "/admin"} {
		if status, body := get(p.addr, path); status != http.StatusNotFound || !strings.Contains(body, `"not_found"`) {
			t.Errorf("%s for everybody: %d %.200s, want 404", path, status, body)
		}
		if status, body := get(inside, path); status != http.StatusOK {
			t.Errorf("%s for operators: %d %.200s", path, status, body)
		}
	}
	for _, path := range []string{"/v1/live", "/v1/rooms/r", "/v1/broadcasts", "/v1/validate", "/healthz", "/readyz", "/openapi.yaml", "/", "/watch/r", "/studio/r"} {
		for _, addr := range []string{p.addr, inside} {
			if status, body := get(addr, path); status != http.StatusOK {
				t.Errorf("%s at %s: %d %.200s", path, addr, status, body)
			}
		}
	}

	alone := start(t)
	for path, want := range map[string]int{"/metrics": 200, "/v1/nodes": 200, "/admin": 200, "/debug/pprof/": 404, "/debug/pprof/heap": 404} {
		if status, _ := get(alone.addr, path); status != want {
			t.Errorf("%s without an address for operators: %d, want %d", path, status, want)
		}
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	wantRefused(t, "serve --dev --listen 127.0.0.1:0 --internal-listen "+taken.Addr().String(), "--internal-listen")
}

// The dashboard at the operators' address is of one origin with the API there, sockets included.
func TestSocketAtTheInternalAddress(t *testing.T) {
	t.Parallel()
	p := start(t, "--internal-listen", "127.0.0.1:0")
	found := regexp.MustCompile(`serving operators.*address=(\S+)`).FindStringSubmatch(p.err.String())
	public := p.addr
	p.addr = found[1]
	c := p.dial("alice")
	if err := c.tryJoin("alice", auth.RoleViewer); err != nil {
		t.Error(err)
	}
	p.addr = public
}
