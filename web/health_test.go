package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// The database is shared by all nodes, and none of them needs it for who is live.
func TestReadyWithoutDatabase(t *testing.T) {
	var trouble error
	inWorld(t, func(t *testing.T, w *world) {
		w.withoutDB()
		for name, redis := range map[string]error{"alone": nil, "with something that is needed": errors.New("on fire")} {
			trouble = redis
			a := w.get("/readyz", "")
			status := http.StatusOK
			if redis != nil {
				status = http.StatusServiceUnavailable
			}
			a.wantStatus(t, name, status)
			if got := decode[Readiness](t, a); got.Ready != (redis == nil) || got.Checks["database"] != "no answer" {
				t.Errorf("%s: got %+v", name, got)
			}
		}
		if log := w.log.String(); !strings.Contains(log, "check=database") {
			t.Errorf("the log does not say what is wrong:\n%s", log)
		}
	}, checking("redis", func(context.Context) error { return trouble }))
}

// checking makes a node check one thing more.
func checking(name string, check func(context.Context) error) func(*Config) {
	return func(c *Config) {
		if c.Checks == nil {
			c.Checks = make(map[string]func(context.Context) error)
		}
		c.Checks[name] = check
	}
}

// wantRedis asks whether the node is ready, and checks what it says of Redis
// and how long it takes to say it.
func (w *world) wantRedis(name, want string, within time.Duration) {
	w.t.Helper()
	start := time.Now()
	a := w.get("/readyz", "")
	status := http.StatusOK
	if want != "ok" {
		status = http.StatusServiceUnavailable
	}
	a.wantStatus(w.t, name, status)
	got := decode[Readiness](w.t, a)
	if got.Checks["redis"] != want || got.Checks["database"] != "ok" || got.Ready != (want == "ok") {
		w.t.Errorf("%s: got %+v, want redis %s", name, got, want)
	}
	if took := time.Since(start); took != within {
		w.t.Errorf("%s: took %s, want %s", name, took, within)
	}
}

func TestFailingCheck(t *testing.T) {
	var trouble error
	inWorld(t, func(t *testing.T, w *world) {
		w.wantRedis("at first", "ok", 0)
		trouble = errors.New("redis at 10.1.2.3 is on fire")
		w.wantRedis("on fire", "no answer", 0)
		if log := w.log.String(); !strings.Contains(log, "check=redis") || !strings.Contains(log, "10.1.2.3 is on fire") {
			t.Errorf("the log does not say what is wrong:\n%s", log)
		}
		if a := w.get("/readyz", ""); strings.Contains(string(a.body), "fire") {
			t.Errorf("the client is told of it: %s", a.body)
		}
		trouble = nil
		w.wantRedis("well again", "ok", 0)
	}, checking("redis", func(context.Context) error { return trouble }))
}

// Checks have a second together, not each.
func TestSlowChecks(t *testing.T) {
	after := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	inWorld(t, func(t *testing.T, w *world) {
		start := time.Now()
		resp := w.open(http.MethodGet, "/readyz", "", "") // the contract does not have all of these
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := decode[Readiness](t, answer{body: body}).Checks
		if got["slow"] != "ok" || got["slower"] != "ok" || got["slowest"] != "no answer" {
			t.Errorf("got %v", got)
		}
		if took := time.Since(start); took != pingTimeout {
			t.Errorf("took %s, want %s", took, pingTimeout)
		}
	}, checking("slow", after(600*time.Millisecond)), checking("slower", after(900*time.Millisecond)), checking("slowest", after(time.Minute)))
}

// A check that does not even look at its context must neither keep the answer
// back nor pile up with each request. The bubble sees to it that nothing is
// left behind once it has returned.
func TestHangingCheck(t *testing.T) {
	var started atomic.Int32
	var hanging chan struct{}
	inWorld(t, func(t *testing.T, w *world) {
		hanging = make(chan struct{})  // of the bubble
		w.client.Timeout = time.Minute // or a failure would be waited for in vain
		for _, name := range []string{"first", "second", "third"} {
			w.wantRedis(name, "no answer", pingTimeout)
		}
		if got := started.Load(); got != 1 {
			t.Errorf("%d checks hang, want 1", got)
		}
		time.AfterFunc(pingTimeout/2, func() { close(hanging) })
		w.wantRedis("returns far too late", "no answer", pingTimeout/2)
		w.wantRedis("well again", "ok", 0)
	}, checking("redis", func(context.Context) error {
		started.Add(1)
		<-hanging
		return nil
	}))
}

// Who asks at the same time as somebody else who goes away gets an answer.
func TestCheckOutlivesItsClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node.test/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, leave)
		left := make(chan struct{})
		go func() {
			defer close(left)
			if resp, err := w.client.Do(req); err == nil {
				resp.Body.Close()
				t.Error("the first client was answered before it left")
			}
		}()
		synctest.Wait()
		w.wantRedis("the second client", "ok", 500*time.Millisecond)
		<-left
		if log := w.log.String(); strings.Contains(log, "a check failed") {
			t.Errorf("a client that leaves is reported as a failure:\n%s", log)
		}
	}, checking("redis", func(ctx context.Context) error {
		select {
		case <-time.After(500 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
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
