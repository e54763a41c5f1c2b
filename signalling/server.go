package signalling

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Server accepts connections and knows those that are open.
type Server struct {
	cfg     Config
	wheel   wheel
	metrics metrics

	// sessions counts those that are not finished; they outlive their requests.
	sessions sync.WaitGroup
	writers  *writers
	gate     *gate
	accounts *accounts
	draining atomic.Bool
	leaving  sync.Once // everybody was told to

	mu   sync.Mutex
	open map[*session]struct{}
}

// NewServer returns a server; Run must run while it serves.
func NewServer(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, wheel: wheel{every: cfg.tick()}, writers: newWriters(), gate: newGate(cfg.Admit, cfg.AdmitFrom), accounts: &accounts{rules: cfg.Rules}, open: make(map[*session]struct{})}
	s.metrics = newMetrics(cfg.Metrics)
	return s
}

// Run looks after the deadlines of all sessions until the context ends.
func (s *Server) Run(ctx context.Context) {
	s.wheel.run(ctx, s.wheel.tick)
}

// Draining reports whether the server refuses newcomers.
func (s *Server) Draining() bool { return s.draining.Load() }

// Open returns how many sockets are open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// ServeHTTP upgrades a request to a session, or refuses it with a problem
// document. It returns as soon as the session runs.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, problem := s.admit(r)
	if problem != nil {
		s.metrics.turnedAway.WithLabelValues(string(problem.Code)).Inc()
		s.cfg.Logger.Info("signalling: handshake refused", "remote", r.RemoteAddr, "code", problem.Code, "reason", problem.Detail)
		problem.write(w)
		return
	}
	session := newSession(s, s.cfg.Node+"-"+randomID(), r.RemoteAddr)
	session.visitors, session.account = in.visitors, in.account
	conn, err := websocket.Accept(&upgrade{ResponseWriter: w, socket: &session.sock}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // admit has looked at the origin
		OnPingReceived:     session.pinged,
		OnPongReceived:     func(context.Context, []byte) { session.life.pong(s.wheel.now()) },
	})
	if err != nil {
		s.letGo(in, sent{})
		s.cfg.Logger.Info("signalling: handshake failed", "remote", r.RemoteAddr, "error", err)
		return
	}
	conn.SetReadLimit(MaxFrame)
	session.conn = conn
	s.begin(session, in.identity)
}

// Full says why a handshake from this address (ip:port) would be refused now, whatever is in it, and when one may be let
// in again; "": it would not be. It does not block.
func (s *Server) Full(remote string) (why string, after time.Duration) {
	if s.draining.Load() {
		return leaving.why, leaving.after
	}
	if f := s.gate.ask(remote); f != nil {
		return f.why, f.after
	}
	return "", 0
}

// leaving is why a node that drains lets nobody in.
var leaving = &full{code: CodeUnavailable, why: "this node is draining; come back to another one", after: time.Second}

// admission is what is counted of a handshake that was admitted.
type admission struct {
	visitors *visitors
	identity *auth.Identity // nil: hello follows
	account  *account       // nil likewise
}

// admit decides on a handshake before anything is kept for it. Who is admitted has entered the gate, and their account or
// the strangers there.
func (s *Server) admit(r *http.Request) (in admission, _ *problem) {
	if s.draining.Load() {
		return in, leaving.problem()
	}
	var f *full
	if in.visitors, f = s.gate.enter(r.RemoteAddr); f != nil {
		return in, f.problem()
	}
	identity, problem := s.check(r)
	if problem == nil {
		if identity == nil {
			f = s.gate.stranger(in.visitors)
		} else if in.account = s.accounts.enter(identity.User); in.account == nil {
			f = s.tooManyOf()
		}
		in.identity = identity
		if f != nil {
			problem = f.problem()
		}
	}
	if problem != nil {
		s.gate.leave(in.visitors)
	}
	return in, problem
}

// letGo takes back what admit has counted, or hello.
func (s *Server) letGo(in admission, much sent) {
	if in.account != nil {
		s.accounts.leave(in.identity.User, in.account, much)
	} else {
		s.gate.know(in.visitors)
	}
	s.gate.leave(in.visitors)
}

// tooManyOf is why a user gets no further connection.
func (s *Server) tooManyOf() *full {
	return &full{code: CodeRateLimited, after: longestWait / 3, why: fmt.Sprintf("you have %d connections here, which is the bound", s.cfg.Rules.UserConnections)}
}

// ended is for what must not wait: handshakes are answered a few at a time. A token whose key is still to be fetched is put
// off, and good when its owner comes back.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// check looks at what is in a handshake.
func (s *Server) check(r *http.Request) (*auth.Identity, *problem) {
	if offered := r.Header.Values("Sec-WebSocket-Protocol"); len(offered) > 0 && !offers(offered, Subprotocol) {
		return nil, &problem{Status: http.StatusBadRequest, Code: CodeBadRequest, Detail: "offer the subprotocol " + Subprotocol + ", or none"}
	}
	if !s.allowsOrigin(r) {
		return nil, &problem{Status: http.StatusForbidden, Code: CodeForbidden, Detail: "pages of this origin may not connect; see --allowed-origin"}
	}
	token, present, err := auth.Bearer(r)
	if err == nil && !present {
		return nil, nil // hello follows
	}
	var identity *auth.Identity
	if err == nil {
		identity, err = s.cfg.Verifier.Verify(ended, token)
	}
	if err == nil {
		err = s.cfg.Hub.Recognizes(identity)
	}
	if errors.Is(err, auth.ErrKeysAway) {
		return nil, &problem{Status: http.StatusServiceUnavailable, Code: CodeUnavailable, Detail: err.Error(), after: time.Second}
	}
	if err != nil {
		return nil, &problem{Status: http.StatusUnauthorized, Code: CodeUnauthorized, Detail: err.Error()}
	}
	if err := s.cfg.Hub.Admits(moderation.Everywhere, identity.User, addrOf(r.RemoteAddr)); err != nil {
		return nil, &problem{Status: http.StatusForbidden, Code: CodeForbidden, Detail: err.Error()}
	}
	return identity, nil
}

// offers looks for a name in a header that may come as one list or as several.
func offers(headers []string, want string) bool {
	for _, header := range headers {
		for name := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(name) == want {
				return true
			}
		}
	}
	return false
}

// allowsOrigin keeps foreign pages out. Balancers rewrite Host, so with a list
// of origins Host counts for nothing. What is no browser sends no Origin.
func (s *Server) allowsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if len(s.cfg.Origins) > 0 {
		return s.cfg.Origins.Allow(origin)
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// begin starts the session, unless draining has begun since it was admitted:
// under the lock either Drain sees the session, or we see the drain. It is
// authenticated before it reads, because a client need not wait for welcome.
func (s *Server) begin(session *session, identity *auth.Identity) {
	s.cfg.Hub.Register(session)
	if identity != nil {
		session.authenticate(identity, "") // whose welcome takes the answer to the handshake along
	} else if err := session.sock.flushAnswer(); err != nil {
		session.end(causeGone)
	}
	if !s.add(session) {
		go s.turnAway(session) // others wait for their handshakes
	}
}

// turnAway ends a session that came too late, and waits for that.
func (s *Server) turnAway(session *session) {
	session.end(causeRestart)
	session.finished.Wait()
	s.forget(session)
}

func (s *Server) add(session *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.open[session] = struct{}{}
	s.metrics.open.Set(float64(len(s.open)))
	s.wheel.look(session)
	s.sessions.Add(1)
	go session.await()
	return true
}

func (s *Server) remove(session *session) {
	s.mu.Lock()
	delete(s.open, session)
	s.metrics.open.Set(float64(len(s.open)))
	s.mu.Unlock()
	s.forget(session)
}

// forget is the end of a session, open or not.
func (s *Server) forget(session *session) {
	session.gone.Store(true)
	s.wheel.look(session)
	s.letGo(admission{session.visitors, session.identity.Load(), session.account}, session.sent())
}

func (s *Server) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	sessions := make([]*session, 0, len(s.open))
	for session := range s.open {
		sessions = append(sessions, session)
	}
	return sessions
}

// problem is an RFC 9457 problem document: why a handshake was refused.
type problem struct {
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Code   Code          `json:"code"`
	Detail string        `json:"detail"`
	after  time.Duration // when it may be otherwise; 0: never, as it is
}

func (p *problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	if p.after > 0 {
		w.Header().Set("Retry-After", retryAfter(p.after))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone; there is nobody else to tell
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
