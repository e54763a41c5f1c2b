package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallylight/tallylight/presence"
)

func TestHealth(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ready := func(name string, status int, check, want string) {
			t.Helper()
			a := w.get("/readyz", "")
			a.wantStatus(t, name, status)
			if got := decode[Readiness](t, a); got.Ready != (status == http.StatusOK) || got.Checks[check] != want {
				t.Errorf("%s: got %+v, want %s %s", name, got, check, want)
			}
		}
		ready("at first", http.StatusOK, "database", "ok")
		w.draining.Store(true)
		ready("draining", http.StatusServiceUnavailable, "admission", "draining")
		w.draining.Store(false)
		close(w.done)
		ready("stopping", http.StatusServiceUnavailable, "admission", "draining")
		w.withoutDB()
		ready("no database", http.StatusServiceUnavailable, "database", "no answer")
		a := w.get("/healthz", "")
		a.wantStatus(t, "alive whatever happens", http.StatusOK)
		if got := decode[Health](t, a); got != (Health{Status: "ok", Node: "n1"}) {
			t.Errorf("got %+v", got)
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		a := w.get("/readyz", "")
		a.wantStatus(t, "directory not loaded", http.StatusServiceUnavailable)
		if got := decode[Readiness](t, a); got.Checks["directory"] != "loading" || got.Checks["database"] != "ok" {
			t.Errorf("directory not loaded: got %+v", got)
		}
	}, func(c *Config) { c.Directory = presence.NewDirectory(c.Store, c.Logger) })
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	lit := prometheus.NewGauge(prometheus.GaugeOpts{Name: "lamps_lit"})
	registry.MustRegister(lit)
	lit.Set(3)
	inWorld(t, func(t *testing.T, w *world) {
		a := w.get("/metrics", "")
		a.wantStatus(t, "metrics", http.StatusOK)
		if !strings.Contains(string(a.body), "lamps_lit 3") {
			t.Errorf("got %s", a.body)
		}
	}, func(c *Config) { c.Metrics = registry })
	inWorld(t, func(t *testing.T, w *world) {
		w.get("/metrics", "").wantProblem(t, "no metrics", http.StatusNotFound, "not_found", "")
	}, func(c *Config) { c.Metrics = nil })
}
