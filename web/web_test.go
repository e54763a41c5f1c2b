package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret for tests, 32 bytes or more"

// world is one whole node but for its sockets, in a bubble where time stands
// still while anything happens. Each answer is held against openapi.yaml.
type world struct {
	t         *testing.T
	cfg       Config
	store     *presence.Memory
	listener  *pipeListener
	client    *http.Client
	contract  contract
	log       *lockedBuffer
	done      chan struct{}
	draining  atomic.Bool
	due       func() // called when webhooks may have something due
	withoutDB func() // takes the database away
}

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(t *testing.T, w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		synctest.Wait() // the directory is loaded
		test(t, w)
	})
}

func public(c *Config) { c.PublicDirectory = true }

func newWorld(t *testing.T, change ...func(*Config)) *world {
	w := &world{t: t, due: func() {}, done: make(chan struct{}), log: &lockedBuffer{}, contract: loadContract(t), listener: newPipeListener()}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, dialect, err := migrations.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.withoutDB = func() { db.Close() }
	if err := migrations.Up(t.Context(), db, dialect); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	w.store = presence.NewMemory(rooms.PresenceFollower, record.Follower)
	directory := presence.NewDirectory(w.store, logger)
	relay := rooms.NewMemory(w.store, w.store)
	records := &record.Store{DB: db}
	book := moderation.NewBook(&moderation.Store{DB: db}, logger)
	w.cfg = Config{
		Node: "n1", Store: w.store, Directory: directory, Records: records, Webhooks: &webhook.Store{DB: db}, Verifier: verifier, Logger: logger, Book: book,
		Hub:      rooms.NewHub(rooms.Config{Node: "n1", Store: w.store, Relay: relay, Directory: directory, Logger: logger, Book: book}),
		Socket:   http.NotFoundHandler(),
		Draining: w.draining.Load, Done: w.done, Metrics: prometheus.NewRegistry(),
		WebhookDue: func() { w.due() },
	}
	for _, c := range change {
		c(&w.cfg)
	}
	recorder := record.New(record.Config{Store: records, Log: w.store, Notes: w.store, Directory: w.cfg.Directory, Logger: logger, Figures: w.cfg.Hub.Figures})
	sweeper := presence.Sweeper{Store: w.store, Logger: logger}
	w.run(directory.Run, w.cfg.Hub.Run, recorder.Run, sweeper.Run, book.Run)
	w.serve()
	return w
}

// run starts workers that end with the test.
func (w *world) run(workers ...func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, work := range workers {
		running.Go(func() { work(ctx) })
	}
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

func (w *world) serve() {
	server := &http.Server{Handler: New(w.cfg), ErrorLog: slog.NewLogLogger(w.cfg.Logger.Handler(), slog.LevelError)}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return w.listener.dial() }}
	w.client = &http.Client{Transport: transport}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(w.listener) })
	w.t.Cleanup(func() { transport.CloseIdleConnections(); server.Close(); serving.Wait() })
}

// token returns a token that lasts an hour.
func (w *world) token(c auth.Claims) string {
	w.t.Helper()
	if c.Expires.IsZero() {
		c.Expires = time.Now().Add(time.Hour)
	}
	token, err := auth.Mint(secret, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// scoped returns the token of somebody with a scope.
func (w *world) scoped(scope auth.Scope) string {
	return w.token(auth.Claims{User: "somebody", Scopes: []auth.Scope{scope}})
}

// granted returns the token of a user with a role in a room.
func (w *world) granted(user, room string, role auth.Role, can ...string) string {
	return w.token(auth.Claims{User: user, Name: strings.ToUpper(user), Grants: []auth.Grant{{Room: room, Role: role, Can: can}}})
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (w *world) get(path, token string, header ...string) answer {
	w.t.Helper()
	return w.do(http.MethodGet, path, token, "", header...)
}

// do makes a request; header is names and values in turn, Host among them.
func (w *world) do(method, path, token, body string, header ...string) answer {
	w.t.Helper()
	resp := w.open(method, path, token, body, header...)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{resp.StatusCode, resp.Header, got}
	w.contract.check(w.t, method, path, a)
	return a
}

func (w *world) open(method, path, token, body string, header ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://node.test"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host // where the client looks for it
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("got %q: %v", a.body, err)
	}
	return v
}

// wantProblem checks that an answer is a refusal which mentions something.
func (a answer) wantProblem(t *testing.T, name string, status int, code rooms.Code, mention string) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: got %d %s %.100q, want a problem document", name, a.status, got, a.body)
		return
	}
	p := decode[Problem](t, a)
	if a.status != status || p.Status != status || p.Code != code || !strings.Contains(p.Detail, mention) {
		t.Errorf("%s: got %d %+v, want %d %s with %q", name, a.status, p, status, code, mention)
	}
}

func (a answer) wantStatus(t *testing.T, name string, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: got %d %.200q, want %d", name, a.status, a.body, status)
	}
}

// streamer is somebody who holds a room.
type streamer struct {
	w         *world
	hold      presence.Hold
	broadcast *presence.Broadcast
}

// online makes a user the streamer of a room.
func (w *world) online(user, room string) *streamer {
	w.t.Helper()
	claimed, err := w.store.Claim(w.t.Context(), presence.Claim{
		Room: room, User: presence.User{ID: user, Name: strings.ToUpper(user)}, Connection: "n1-" + user + room, Node: "n1",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return &streamer{w: w, hold: presence.Hold{Room: room, Fence: claimed.Lease.Fence}}
}

// live makes a user live in the room of the same name. Time moves on a little,
// so that starts have an order.
func (w *world) live(user string, d presence.Details) *streamer {
	w.t.Helper()
	return w.online(user, user).start(d)
}

func (s *streamer) start(d presence.Details) *streamer {
	s.w.t.Helper()
	time.Sleep(time.Millisecond)
	lease, err := s.w.store.Start(s.w.t.Context(), s.hold, presence.Start{Details: d})
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.broadcast = lease.Broadcast
	synctest.Wait()
	return s
}

func (s *streamer) update(title string) {
	s.w.t.Helper()
	if _, err := s.w.store.Update(s.w.t.Context(), s.hold, presence.Changes{Title: &title}); err != nil {
		s.w.t.Fatal(err)
	}
	synctest.Wait()
}

func (s *streamer) end() {
	s.w.t.Helper()
	if _, err := s.w.store.End(s.w.t.Context(), s.hold, presence.ReasonEndedByStreamer); err != nil {
		s.w.t.Fatal(err)
	}
	synctest.Wait()
}

// drop loses the streamer's connection.
func (s *streamer) drop() {
	s.w.t.Helper()
	if err := s.w.store.Release(s.w.t.Context(), s.hold, presence.ReasonConnectionLost); err != nil {
		s.w.t.Fatal(err)
	}
	synctest.Wait()
}

// watched says how many viewers the streamer has.
func (s *streamer) watched(viewers int) *streamer {
	s.w.cfg.Directory.SetViewers(s.hold.Room, viewers)
	return s
}

// pipeListener accepts connections that exist only in memory, so that time in
// a bubble stands still until both ends wait.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipeListener() *pipeListener {
	closed := make(chan struct{})
	return &pipeListener{conns: make(chan net.Conn), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, errors.New("closed")
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.close(); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
