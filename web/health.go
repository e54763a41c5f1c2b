package web

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// pingTimeout is how long the database and others may take to answer: balancers
// ask every few seconds.
const pingTimeout = time.Second

// Health says that the process serves.
type Health struct {
	Status string `json:"status"` // "ok"
	Node   string `json:"node"`
}

// Readiness says whether the node should be sent newcomers. Each check is "ok"
// or says in a few words what is missing; the log knows more. All but that of
// the database must be "ok".
type Readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

// checkDatabase is reported, and no reason to send newcomers elsewhere: all
// nodes share the database, and presence goes on without it. Were it one, a
// database that is away would take every node out of the balancer at once, and
// stop all that still works.
const checkDatabase = "database"

const (
	checkOK       = "ok"
	checkNoAnswer = "no answer"
)

func (s *server) healthz(w http.ResponseWriter, r *http.Request) error {
	return s.ok(w, r, Health{Status: checkOK, Node: s.cfg.Node})
}

func (s *server) readyz(w http.ResponseWriter, r *http.Request) error {
	answer := Readiness{Ready: true, Checks: s.ask(r.Context())}
	answer.Checks["admission"] = s.checkAdmission()
	answer.Checks["directory"] = s.checkDirectory()
	answer.Checks["keys"] = s.checkKeys()
	answer.Checks["moderation"] = s.checkModeration()
	for name, result := range answer.Checks {
		answer.Ready = answer.Ready && (result == checkOK || name == checkDatabase)
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

// checkKeys keeps newcomers away while nobody knows whether their tokens are good.
func (s *server) checkKeys() string {
	if s.cfg.Verifier.Ready() != nil {
		return "loading"
	}
	return checkOK
}

// checkModeration keeps newcomers away while nobody knows who is banned, unless
// that takes too long.
func (s *server) checkModeration() string {
	if !s.cfg.Book.Ready() {
		return "loading"
	}
	return checkOK
}

// ask runs the checks that may take a while, all at once.
func (s *server) ask(ctx context.Context) map[string]string {
	checks := make(map[string]func(context.Context) error)
	maps.Copy(checks, s.cfg.Checks)
	checks[checkDatabase] = s.cfg.Records.DB.PingContext
	var asking sync.WaitGroup
	var mu sync.Mutex
	results := make(map[string]string)
	for name, check := range checks {
		asking.Go(func() {
			result := s.askOne(ctx, name, check)
			mu.Lock()
			defer mu.Unlock()
			results[name] = result
		})
	}
	asking.Wait()
	return results
}

// askOne runs a check, for no longer than it may take. One that ignores its
// context is left behind but not started again before it has returned:
// otherwise each request would leave one more.
func (s *server) askOne(ctx context.Context, name string, check func(context.Context) error) string {
	waiting, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	answered := s.asking.DoChan(name, func() (any, error) {
		// Others may wait for the same answer when this client has gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		if err := check(ctx); err != nil {
			return nil, err
		}
		return nil, ctx.Err() // good news that comes too late is none
	})
	var err error
	select {
	case result := <-answered:
		err = result.Err
	case <-waiting.Done():
		err = waiting.Err()
	}
	if err == nil {
		return checkOK
	}
	if ctx.Err() == nil { // the client is still there, so it is not about it
		s.cfg.Logger.Warn("web: a check failed", "check", name, "error", err)
	}
	return checkNoAnswer
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Metrics == nil {
		return notFound("this node has no metrics")
	}
	promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}
