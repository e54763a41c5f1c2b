package web

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// pingTimeout is how long the database may take to answer: balancers ask every
// few seconds.
const pingTimeout = time.Second

// Health says that the process serves.
type Health struct {
	Status string `json:"status"` // "ok"
	Node   string `json:"node"`
}

// Readiness says whether the node should be sent newcomers. Each check is "ok"
// or says in a few words what is missing; the log knows more.
type Readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

const checkOK = "ok"

func (s *server) healthz(w http.ResponseWriter, r *http.Request) error {
	return s.ok(w, r, Health{Status: checkOK, Node: s.cfg.Node})
}

func (s *server) readyz(w http.ResponseWriter, r *http.Request) error {
	answer := Readiness{Ready: true, Checks: map[string]string{
		"admission": s.checkAdmission(),
		"directory": s.checkDirectory(),
		"database":  s.checkDatabase(r.Context()),
	}}
	for _, result := range answer.Checks {
		answer.Ready = answer.Ready && result == checkOK
	}
	if !answer.Ready {
		return s.notReady(w, r, answer)
	}
	return s.ok(w, r, answer)
}

func (s *server) checkAdmission() string {
	if s.draining() {
		return "draining"
	}
	return checkOK
}

func (s *server) checkDirectory() string {
	if _, err := s.loaded(); err != nil {
		return "loading"
	}
	return checkOK
}

func (s *server) checkDatabase(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := s.cfg.Records.DB.PingContext(ctx); err != nil {
		s.cfg.Logger.Warn("web: the database does not answer", "error", err)
		return "no answer"
	}
	return checkOK
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Metrics == nil {
		return notFound("this node has no metrics")
	}
	promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}
