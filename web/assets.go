package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// dist is built from ui and sdk, and committed: nobody needs Node.js to run a
// node.
//
//go:embed all:dist
var dist embed.FS

// pages is where New finds the build; tests have their own.
var pages fs.FS = dist

//go:embed openapi.yaml
var openapi []byte

// pagePolicy lets the pages load and reach nothing but the node that they came
// from, and run and show nothing but what was built. The heartbeat's worker is
// made from a blob (web/sdk/src/timers.ts). That 'self' covers sockets is known
// to Chrome since 71, and to Safari since 16.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// caching is a value of Cache-Control.
type caching string

const (
	revalidated caching = "no-cache" // kept, but asked about each time
	immutable   caching = "public, max-age=31536000, immutable"
)

// mimes are the types of what a build makes. The system's table is not asked:
// on some it calls scripts plain text, which browsers then refuse to run.
var mimes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".webmanifest": "application/manifest+json",
	".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".ico": "image/x-icon",
	".md": "text/markdown; charset=utf-8", ".woff2": "font/woff2", ".wasm": "application/wasm", ".txt": "text/plain; charset=utf-8",
}

// site is the built pages by their path below dist.
type site map[string]siteFile

type siteFile struct {
	body []byte
	etag string
	mime string
}

// loadSite reads a build. The build is part of the program: that it can't be
// read is a bug in it.
func loadSite(built fs.FS) site {
	files := make(site)
	err := fs.WalkDir(built, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		mime := mimes[path.Ext(name)]
		if mime == "" {
			mime = "application/octet-stream"
		}
		files[strings.TrimPrefix(name, "dist/")] = siteFile{body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, mime: mime}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("web: reading the embedded pages: %v", err))
	}
	return files
}

// rootFile returns the file at a path outside of the routes. Pages have a route
// each and no other address.
func (s site) rootFile(urlPath string) (name string, ok bool) {
	name = strings.TrimPrefix(urlPath, "/")
	_, ok = s[name]
	return name, ok && path.Ext(name) != ".html"
}

// serve answers with a file, or with 304 to whoever has it.
func (s site) serve(w http.ResponseWriter, r *http.Request, name string, cache caching) error {
	file, ok := s[name]
	if !ok {
		return notFound("there is nothing at %.100q", r.URL.Path)
	}
	h := w.Header()
	h.Set("Content-Type", file.mime)
	h.Set("Cache-Control", string(cache))
	h.Set("ETag", file.etag)
	h.Set("Content-Security-Policy", pagePolicy) // workers have the policy of their own script
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), geolocation=()")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(file.body))
	return nil
}

// page answers with one of the pages, whatever the room in its path: the page
// itself says what is wrong with it.
func (s *server) page(name string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error { return s.site.serve(w, r, name, revalidated) }
}

// asset answers with what the pages load. Its names hold a hash of its content.
func (s *server) asset(w http.ResponseWriter, r *http.Request) error {
	return s.site.serve(w, r, "assets/"+chi.URLParam(r, "*"), immutable)
}

func (s *server) contract(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "application/yaml") // RFC 9512
	h.Set("Cache-Control", string(revalidated))
	http.ServeContent(w, r, "openapi.yaml", time.Time{}, bytes.NewReader(openapi))
	return nil
}
