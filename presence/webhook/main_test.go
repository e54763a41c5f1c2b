package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func openStore(t *testing.T, database string) *Store {
	t.Helper()
	db, dialect, err := migrations.Open(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := migrations.Up(context.Background(), db, dialect); err != nil {
		t.Fatal(err)
	}
	return &Store{DB: db}
}

func openSQLite(t *testing.T) *Store {
	return openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "tallylight.db"))
}

// eachDatabase runs a test on empty tables of either kind.
func eachDatabase(t *testing.T, test func(*testing.T, *Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, openSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, openStore(t, testserver.Postgres(t))) })
}

// happened writes events of a subject, called by it and a number, in one
// transaction each.
func happened(t *testing.T, s *Store, subject string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		err := inTx(s, func(tx *sql.Tx) error {
			o, err := NewOutbox(t.Context(), tx, presence.MillisOf(time.Now()))
			if err == nil {
				err = o.Add(t.Context(), Event{
					ID: fmt.Sprintf("evt_%s_%d", subject, n), Type: StreamOnline, Subject: subject, At: presence.MillisOf(time.Now()), Data: n,
				})
			}
			if err == nil {
				_, err = o.Close(t.Context())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func inTx(s *Store, do func(*sql.Tx) error) error {
	tx, err := s.DB.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// receiver is an endpoint that remembers what it was sent, and checks that by the
// library of the Standard Webhooks scheme.
type receiver struct {
	t      *testing.T
	host   string
	secret string
	answer func(w http.ResponseWriter, r *http.Request, event string) // nil: 204

	mu    sync.Mutex
	got   []string // events that were taken
	tried map[string][]time.Time
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // it was broken off
	}
	key, err := standardwebhooks.NewWebhook(r.secret)
	if err == nil {
		err = key.Verify(body, req.Header)
	}
	var parsed struct {
		Type      Type
		Timestamp time.Time
		Data      int
	}
	if err == nil {
		err = json.Unmarshal(body, &parsed)
	}
	event := req.Header.Get("webhook-id")
	if err != nil || parsed.Type != StreamOnline || !strings.HasSuffix(event, fmt.Sprint("_", parsed.Data)) || req.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("%s was sent %s with %v: %v", r.host, body, req.Header, err)
	}
	r.mu.Lock()
	r.tried[event] = append(r.tried[event], time.Now())
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req, event)
		if rec := w.(*statusWriter); rec.status >= 300 {
			return
		}
	}
	r.mu.Lock()
	r.got = append(r.got, event)
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// attempts returns when an event was sent.
func (r *receiver) attempts(event string) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tried[event])
}

// wantGot checks which events were taken, in which order.
func (r *receiver) wantGot(when string, want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.got, want) {
		r.t.Errorf("%s: %s got %q, want %q", when, r.host, r.got, want)
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = max(w.status, status)
	w.ResponseWriter.WriteHeader(status)
}

// net is a network without wires: what is dialled is the receiver of that name.
type network struct {
	t *testing.T

	mu    sync.Mutex
	hosts map[string]chan net.Conn
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, hosts: make(map[string]chan net.Conn)}
}

func (n *network) dial(_ context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	n.mu.Lock()
	conns := n.hosts[host]
	n.mu.Unlock()
	if conns == nil {
		return nil, fmt.Errorf("there is no %s", host)
	}
	ours, theirs := net.Pipe()
	conns <- theirs
	return ours, nil
}

type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// receive makes an endpoint of that name in the store, and serves it.
func (n *network) receive(s *Store, host string) *receiver {
	n.t.Helper()
	e, err := s.Create(n.t.Context(), "http://"+host+"/hook", Types, "admin", presence.MillisOf(time.Now()))
	if err != nil {
		n.t.Fatal(err)
	}
	r := &receiver{t: n.t, host: e.ID, secret: e.Secret, tried: make(map[string][]time.Time)}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	n.hosts[host] = l.conns
	n.mu.Unlock()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.ServeHTTP(&statusWriter{ResponseWriter: w}, req) })}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	n.t.Cleanup(func() { server.Close(); serving.Wait() })
	return r
}

const day = 20 * time.Minute

// send runs a sender on the network until the test ends, or it is stopped.
// A day is 20 minutes there: it looks 86,400 times in a real one.
func (n *network) send(s *Store) (sender *Sender, stop func()) {
	sender = NewSender(Config{Store: s, Logger: quiet, AllowPrivate: true, RetryFor: day, PauseAfter: day})
	sender.client.http.Transport.(*http.Transport).DialContext = n.dial
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { sender.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	n.t.Cleanup(stop)
	return sender, stop
}
