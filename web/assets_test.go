package web

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

// built replaces the pages by ones that a test knows.
var built = fstest.MapFS{
	"dist/index.html":         {Data: []byte("<p>index")},
	"dist/watch.html":         {Data: []byte("<p>watch")},
	"dist/studio.html":        {Data: []byte("<p>studio")},
	"dist/admin.html":         {Data: []byte("<p>admin")},
	"dist/favicon.svg":        {Data: []byte("<svg/>")},
	"dist/assets/app-1a2b.js": {Data: []byte("run()")},
}

func TestPages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const pagesFresh, assetsKept = "no-cache", "public, max-age=31536000, immutable"
		for _, tt := range []struct{ path, body, mime, cache string }{
			{"/", "<p>index", "text/html; charset=utf-8", pagesFresh},
			{"/?token=x", "<p>index", "text/html; charset=utf-8", pagesFresh},
			{"/watch/demo", "<p>watch", "text/html; charset=utf-8", pagesFresh},
			{"/studio/demo", "<p>studio", "text/html; charset=utf-8", pagesFresh},
			{"/admin", "<p>admin", "text/html; charset=utf-8", pagesFresh},
			{"/favicon.svg", "<svg/>", "image/svg+xml", pagesFresh},
			{"/assets/app-1a2b.js", "run()", "text/javascript; charset=utf-8", assetsKept},
		} {
			a := w.get(tt.path, "")
			a.wantStatus(t, tt.path, http.StatusOK)
			if string(a.body) != tt.body {
				t.Errorf("%s: got %q, want %q", tt.path, a.body, tt.body)
			}
			for name, want := range map[string]string{
				"Content-Type": tt.mime, "Cache-Control": tt.cache, "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "Content-Security-Policy": pagePolicy,
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: got %s %q, want %q", tt.path, name, got, want)
				}
			}
			again := w.get(tt.path, "", "If-None-Match", a.header.Get("ETag"))
			if again.status != http.StatusNotModified || len(again.body) != 0 {
				t.Errorf("%s again: got %d %q, want 304", tt.path, again.status, again.body)
			}
			head := w.do(http.MethodHead, tt.path, "", "")
			if head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("ETag") == "" {
				t.Errorf("HEAD %s: got %d %v", tt.path, head.status, head.header)
			}
		}
		for _, path := range []string{"/index.html", "/watch.html", "/watch", "/watch/", "/watch/a/b", "/assets/", "/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/index.html", "/dist/index.html", "/openapi.json"} {
			w.get(path, "").wantProblem(t, path, http.StatusNotFound, "not_found", "")
		}
	}, func(c *Config) { withPages(t) })
}

// withPages serves the pages of this file until the test ends.
func withPages(t *testing.T) {
	t.Helper()
	before := pages
	pages = built
	t.Cleanup(func() { pages = before })
}

// What is embedded must have all that is routed.
func TestEmbeddedPages(t *testing.T) {
	s := loadSite(dist)
	for _, name := range []string{"index.html", "watch.html", "studio.html", "admin.html"} {
		if len(s[name].body) == 0 {
			t.Errorf("dist/%s is missing", name)
		}
		if strings.Contains(string(s[name].body), "<script>") {
			t.Errorf("dist/%s has an inline script, which its policy forbids", name)
		}
	}
	for name, file := range s {
		if file.mime == "application/octet-stream" {
			t.Errorf("dist/%s has no type: browsers may refuse it", name)
		}
	}
}

func TestContractIsServed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.get("/openapi.yaml", "")
		a.wantStatus(t, "openapi.yaml", http.StatusOK)
		if string(a.body) != string(openapi) || a.header.Get("Content-Type") != "application/yaml" {
			t.Errorf("got %s %.50q", a.header.Get("Content-Type"), a.body)
		}
	})
}
