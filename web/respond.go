package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

// This file alone knows status codes: handlers return values and errors.

var statuses = map[rooms.Code]int{
	rooms.CodeBadRequest:   http.StatusBadRequest,
	rooms.CodeUnauthorized: http.StatusUnauthorized,
	rooms.CodeForbidden:    http.StatusForbidden,
	rooms.CodeNotFound:     http.StatusNotFound,
	rooms.CodeConflict:     http.StatusConflict,
	rooms.CodeTooLarge:     http.StatusRequestEntityTooLarge,
	rooms.CodeRateLimited:  http.StatusTooManyRequests,
	rooms.CodeUnavailable:  http.StatusServiceUnavailable,
	rooms.CodeInternal:     http.StatusInternalServerError,
}

// Problem is an RFC 9457 problem document. Its type is about:blank, which is
// left out; Code is what a program decides by.
type Problem struct {
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Code   rooms.Code  `json:"code"`
	Detail string      `json:"detail"`
	Reason auth.Reason `json:"reason,omitempty"` // why a token is refused
}

// failure is an error of which the client is told.
type failure struct {
	code       rooms.Code
	detail     string
	reason     auth.Reason
	retryAfter time.Duration
	methods    []string // those that the route has, when the one asked for is not among them
	cause      error    // for the log only
}

func (f *failure) Error() string { return f.detail }
func (f *failure) Unwrap() error { return f.cause }

func badRequest(format string, args ...any) error {
	return &failure{code: rooms.CodeBadRequest, detail: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &failure{code: rooms.CodeForbidden, detail: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &failure{code: rooms.CodeConflict, detail: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &failure{code: rooms.CodeNotFound, detail: fmt.Sprintf(format, args...)}
}

// retryLater is for what another node, or this one in a moment, may well do.
func retryLater(cause error, format string, args ...any) error {
	return &failure{code: rooms.CodeUnavailable, detail: fmt.Sprintf(format, args...), retryAfter: time.Second, cause: cause}
}

// full is for what is refused for now, whatever is asked.
func full(wait time.Duration, why string) error {
	return &failure{code: rooms.CodeUnavailable, detail: why, retryAfter: wait}
}

func tooMany(wait time.Duration, format string, args ...any) error {
	return &failure{code: rooms.CodeRateLimited, detail: fmt.Sprintf(format, args...), retryAfter: wait}
}

func wrongMethod(allowed []string) error {
	return &failure{
		code: rooms.CodeBadRequest, methods: allowed,
		detail: "this path takes only " + strings.Join(allowed, ", "),
	}
}

// failureOf is the one place that decides what a client learns of an error.
func failureOf(err error) *failure {
	var f *failure
	var token *auth.Error
	var refusal *rooms.Refusal
	var soon *rooms.TooSoon
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &token):
		return &failure{code: rooms.CodeUnauthorized, detail: token.Detail, reason: token.Reason}
	case errors.As(err, &refusal):
		return &failure{code: refusal.Code, detail: refusal.Message}
	case errors.As(err, &soon):
		return &failure{code: rooms.CodeRateLimited, detail: soon.Error(), retryAfter: max(soon.Wait, time.Millisecond)}
	case errors.As(err, &tooLarge):
		return &failure{code: rooms.CodeTooLarge, detail: fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit)}
	case errors.Is(err, rooms.ErrKeyReused):
		return &failure{code: rooms.CodeConflict, detail: "this Idempotency-Key was used for another event"}
	case errors.Is(err, auth.ErrKeysAway):
		return &failure{code: rooms.CodeUnavailable, detail: auth.ErrKeysAway.Error(), retryAfter: time.Second, cause: err}
	case errors.Is(err, presence.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &failure{code: rooms.CodeUnavailable, detail: "no answer in time, the outcome is unknown: try again", retryAfter: time.Second, cause: err}
	}
	return &failure{code: rooms.CodeInternal, detail: "this is our fault and has been logged", cause: err}
}

func (f *failure) status() int {
	if f.methods != nil {
		return http.StatusMethodNotAllowed
	}
	return statuses[f.code]
}

// handle makes a handler of a function that answers, or says why not.
func (s *server) handle(answer func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail answers with a problem document. Only our own faults are logged loudly.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	log := s.cfg.Logger.With("method", r.Method, "path", r.URL.Path, "code", f.code)
	switch {
	case f.code == rooms.CodeInternal:
		log.Error("web: request failed", "error", err)
	case f.code == rooms.CodeUnavailable && f.cause != nil && r.Context().Err() == nil:
		log.Warn("web: request could not be answered", "error", f.cause)
	case f.code == rooms.CodeUnauthorized && f.reason != auth.ReasonMissing:
		log.Info("web: token refused", "reason", f.reason, "detail", f.detail, "remote", r.RemoteAddr)
	}
	h := w.Header()
	if f.code == rooms.CodeUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	if f.methods != nil {
		h.Set("Allow", strings.Join(f.methods, ", "))
	}
	status := f.status()
	s.write(w, r, status, "application/problem+json", Problem{
		Title: http.StatusText(status), Status: status, Code: f.code, Detail: f.detail, Reason: f.reason,
	})
}

// ok answers with a value.
func (s *server) ok(w http.ResponseWriter, r *http.Request, v any) error {
	s.write(w, r, http.StatusOK, "application/json", v)
	return nil
}

// created answers with what was made of the request.
func (s *server) created(w http.ResponseWriter, r *http.Request, v any) error {
	s.write(w, r, http.StatusCreated, "application/json", v)
	return nil
}

// accepted answers what has begun and goes on without the client.
func (s *server) accepted(w http.ResponseWriter, r *http.Request, v any) error {
	s.write(w, r, http.StatusAccepted, "application/json", v)
	return nil
}

// notReady answers like ok, but with a status that keeps balancers away.
func (s *server) notReady(w http.ResponseWriter, r *http.Request, v any) error {
	w.Header().Set("Retry-After", "1")
	s.write(w, r, http.StatusServiceUnavailable, "application/json", v)
	return nil
}

// done answers what was done and leaves nothing to say, or why it was not.
func (s *server) done(w http.ResponseWriter, err error) error {
	if err == nil {
		noContent(w)
	}
	return err
}

// noContent answers with nothing.
func noContent(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }

func (s *server) write(w http.ResponseWriter, r *http.Request, status int, mime string, v any) {
	body, err := json.Marshal(v)
	if err != nil { // our own types: a bug
		s.cfg.Logger.Error("web: encoding an answer failed", "path", r.URL.Path, "type", fmt.Sprintf("%T", v), "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	s.writeBytes(w, status, mime, append(body, '\n'))
}

func (s *server) writeBytes(w http.ResponseWriter, status int, mime string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mime)
	h.Set("Cache-Control", "no-store") // it depends on the token, and on the moment
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

// panicked tells of a bug in a handler. If the answer has begun, all that is
// left is to break it off, so that nobody takes it for whole.
func (s *server) panicked(w *recorder, r *http.Request, value any, stack []byte) {
	s.cfg.Logger.LogAttrs(r.Context(), slog.LevelError, "web: a handler panicked",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("panic", value), slog.String("stack", string(stack)))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.fail(w, r, &failure{code: rooms.CodeInternal, detail: "this is our fault and has been logged"})
}
