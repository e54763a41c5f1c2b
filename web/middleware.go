package web

import (
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// cors lets pages of the configured origins use the API. There are no cookies,
// so that a foreign page can do nothing without a token of its own; the list
// is what such a page needs, not what protects us. It does not wrap w.
func (s *server) cors(next http.Handler) http.Handler {
	if len(s.cfg.Origins) == 0 {
		return next // same origin only, which takes no headers
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		allowed := s.cfg.Origins.Allow(origin)
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Retry-After")
		}
		if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if !allowed {
			s.fail(w, r, forbidden("pages of origin %.100q may not use this API; see --allowed-origin", origin))
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "7200") // Chrome keeps it no longer
		noContent(w)
	})
}

// bodyTimeout is how long a request may take to send its body, whether anybody
// reads it or not: net/http waits for the rest of it before it answers.
const bodyTimeout = 10 * time.Second

// answerTimeout is how long an answer may take in all, so that nobody keeps one
// for ever by reading it byte by byte. Streams have a deadline of their own.
const answerTimeout = time.Minute

// observe logs requests and survives bugs in their handlers. The query stays
// out of the log: what people put there by mistake may be secret.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		start := time.Now()
		_ = http.NewResponseController(w).SetWriteDeadline(start.Add(answerTimeout)) // not supported: a test
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(start.Add(bodyTimeout)) // not supported: a test
		}
		defer func() {
			value := recover()
			s.cfg.Logger.Debug("web: request", "method", r.Method, "path", r.URL.Path, "route", r.Pattern,
				"status", rec.status, "took", time.Since(start), "remote", r.RemoteAddr)
			if value == http.ErrAbortHandler {
				panic(value)
			}
			if value != nil {
				s.panicked(rec, r, value, debug.Stack())
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers the status of an answer, 0 until it has begun.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is what http.ResponseController looks for.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
