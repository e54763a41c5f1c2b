package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/handshake"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// Run serves until the first signal, then drains; the second signal stops at
// once.
func (c *serveCmd) Run(life lifetime, out io.Writer, errOut terminal) error {
	if err := c.check(); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(errOut, nil))
	saveMemory()
	return serve(life, *c, logger, func(addr net.Addr) {
		if c.Dev {
			printLinks(out, addr, *c)
		}
	})
}

// serve runs one node. ready is called once it listens. It returns when all
// that it started has ended.
func serve(life lifetime, cfg serveCmd, logger *slog.Logger, ready func(net.Addr)) (err error) {
	n, err := newNode(life.stop, cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	listener, err := listen(life.stop, cfg)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", cfg.Listen, err)
	}
	if cfg.InternalListen != "" {
		internal, err := net.Listen("tcp", cfg.InternalListen)
		if err != nil {
			return errors.Join(fmt.Errorf("--internal-listen %s: %w", cfg.InternalListen, err), listener.Close())
		}
		n.startInternal(internal)
		logger.Info("serving operators", "node", n.id, "address", internal.Addr().String())
	}
	n.start(listener, life.halt, cfg.Drain)
	logger.Info("serving", "node", n.id, "address", listener.Addr().String())
	ready(listener.Addr())
	select {
	case <-life.stop.Done():
	case failed := <-n.failed:
		err = fmt.Errorf("serving on %s: %w", cfg.Listen, failed)
	}
	return errors.Join(err, n.stop(life.halt, cfg.Drain))
}

// listen does without TCP's own keep-alives while we ping: to set them up takes four system calls for each newcomer. Plain
// requests have timeouts, and streams of events are written to all the time.
func listen(ctx context.Context, cfg serveCmd) (net.Listener, error) {
	var l net.ListenConfig
	if cfg.PingInterval > 0 {
		l.KeepAlive = -1
	}
	return l.Listen(ctx, "tcp", cfg.Listen)
}

// node is everything that one process serves with, in the order in which it is
// built; it is stopped in the reverse order.
type node struct {
	id      string
	began   time.Time
	logger  *slog.Logger
	proxies []netip.Prefix
	// strangers is how many connections from one address may be open that are no sockets.
	strangers int
	records   *database
	backend   *backend
	recorder  *record.Recorder
	sender    *webhook.Sender
	sockets   *signalling.Server
	http      *http.Server
	internal  *http.Server  // nil unless operators have an address of their own
	asked     chan struct{} // holds one element once a command asked for a drain
	leave     sync.Once     // closes draining
	draining  chan struct{} // closed when the drain begins
	failed    chan error    // what ended the HTTP server, unless we did

	directory *presence.Directory
	hub       *rooms.Hub
	book      *moderation.Book
	keys      *auth.Verifier
	work      workers // what the sessions need
	inside    workers // the server for operators
	recording workers // what must go on until the last transition is made
}

// requestWithin is how long a client may take to make its request.
const requestWithin = 10 * time.Second

// newNode builds a node that does not run yet. If it fails, nothing is left.
func newNode(ctx context.Context, cfg serveCmd, logger *slog.Logger) (*node, error) {
	verifier, err := cfg.verifier(logger)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	n := &node{id: cfg.nodeID(), began: time.Now(), logger: logger, proxies: cfg.proxies, strangers: cfg.Limits.MaxUnauthenticatedPerIP, records: db, failed: make(chan error, 2), asked: make(chan struct{}, 1), draining: make(chan struct{})}
	if n.backend, err = openBackend(ctx, cfg, n.id, logger); err != nil {
		return nil, errors.Join(err, db.close())
	}
	metrics := newRegistry()
	store := n.backend.store
	n.directory = presence.NewDirectory(store, logger)
	n.sender = webhook.NewSender(webhook.Config{Store: db.hooks, Logger: logger, AllowPrivate: cfg.WebhookAllowPrivate})
	n.book = moderation.NewBook(&moderation.Store{DB: db.db}, logger)
	n.hub = rooms.NewHub(rooms.Config{
		Noted: n.noted,
		Node:  n.id, Store: store, Relay: n.backend.relay, Directory: n.directory, Logger: logger,
		Stale: n.backend.stale, Drain: n.beginDrain, Living: n.backend.nodes, MaxPeers: cfg.MaxPeers,
		Rank: n.backend.rank, Book: n.book,
	})
	n.recorder = record.New(record.Config{
		Store: db.records, Log: store, Notes: store, Directory: n.directory, Logger: logger,
		Figures: n.hub.Figures, Mine: n.backend.mine, Written: n.sender.Wake, Keep: cfg.KeepRecords,
	})
	n.resume(ctx)
	n.keys = verifier
	n.backend.connect(n.directory, n.hub)
	metrics.MustRegister(n.directory, n.hub, n.recorder, n.sender)
	metrics.MustRegister(n.backend.metrics...)
	admit, admitFrom := cfg.admission()
	n.sockets = signalling.NewServer(signalling.Config{
		Node: n.id, Admit: admit, AdmitFrom: admitFrom, Hub: n.hub, Verifier: verifier, Logger: logger, Metrics: metrics,
		Heartbeat: cfg.HeartbeatInterval, Ping: pingOrNever(cfg.PingInterval), Origins: cfg.origins,
		ICE: cfg.ice(), Rules: cfg.Limits.rules(),
	})
	pages := web.Config{
		Node: n.id, Hub: n.hub, Store: store, Directory: n.directory, Records: db.records, Book: n.book,
		Webhooks: db.hooks, WebhookPrivate: cfg.WebhookAllowPrivate, WebhookDue: n.sender.Wake,
		Verifier: verifier, Socket: n.sockets, Draining: n.sockets.Draining, Full: n.sockets.Full, Done: n.draining,
		Metrics: metrics, PublicDirectory: cfg.PublicDirectory, Rates: cfg.Limits.rates(), Origins: cfg.origins, Logger: logger,
		TrustedProxies: cfg.proxies, Checks: n.backend.checks, Nodes: n.backend.nodes,
		Report: n.backend.describe(n.report), Reports: n.backend.reports,
	}
	if cfg.InternalListen == "" {
		n.http = n.server(web.New(pages))
		return n, nil
	}
	public, internal := web.Split(pages)
	n.http, n.internal = n.server(public), n.server(internal)
	return n, nil
}

// maxHeader is how many bytes the header of a request may have: a token of 8 KiB, and cookies.
const maxHeader = 32 << 10

// server serves HTTP. How long a body and an answer may take is the handler's business.
func (n *node) server(handler http.Handler) *http.Server {
	return &http.Server{
		ReadHeaderTimeout: requestWithin,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(n.logger.Handler(), slog.LevelDebug),
		Handler:           handler,
	}
}

// resumeWithin bounds the wait for the record at the start.
const resumeWithin = 10 * time.Second

// resume takes up what was running when this node was stopped, if it runs alone. Without a database nothing is, and the
// record closes it once it has one.
func (n *node) resume(ctx context.Context) {
	if n.backend.resume == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	if err := n.recorder.Resume(ctx, n.backend.resume); err != nil {
		n.logger.Warn("broadcasts that were running before can't be taken up", "error", err)
	}
}

// noted reports whether an event is to be noted for the record: a line of chat, if
// a webhook wants that.
func (n *node) noted(event string) bool {
	return event == rooms.EventChat && n.sender.Wants(webhook.ChatMessage)
}

// pingOrNever turns the flag, where 0 is never, into a Config's value.
func pingOrNever(every time.Duration) time.Duration {
	if every == 0 {
		return -1
	}
	return every
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// start sets everything going. halt and within are for a drain that a command
// asks for.
func (n *node) start(listener net.Listener, halt context.Context, within time.Duration) {
	handshakesFirst := handshake.Listen(listener, handshake.Config{
		Path: web.SocketPath, Handler: n.http.Handler, Patience: requestWithin, Logger: n.logger,
		PerAddress: n.strangers, Exempt: n.isProxy,
	})
	n.recording.begin(append(n.backend.log, n.directory.Run, n.recorder.Run, n.sender.Run, func(ctx context.Context) {
		n.records.schema.catchUp(ctx, n.logger)
	})...)
	sweeper := presence.Sweeper{Store: n.backend.store, Logger: n.logger, Rank: n.backend.rank}
	n.work.begin(append(n.backend.work, n.hub.Run, n.book.Run, n.keys.Run, n.sockets.Run, sweeper.Run, func(ctx context.Context) {
		select {
		case <-n.asked:
			n.drain(halt, within)
		case <-ctx.Done():
		}
	}, func(context.Context) {
		if err := n.http.Serve(handshakesFirst); !errors.Is(err, http.ErrServerClosed) {
			n.failed <- err
		}
	})...)
}

// isProxy reports whether an address is that of a proxy that is trusted: it has the connections of many.
func (n *node) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(n.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// startInternal serves operators, from before the node does anything until it has ended: they want to see both.
func (n *node) startInternal(listener net.Listener) {
	n.inside.begin(func(context.Context) {
		if err := n.internal.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			n.failed <- err
		}
	})
}

// stop sends the clients away within the given time, or at once when halt
// ends.
func (n *node) stop(halt context.Context, within time.Duration) error {
	n.drain(halt, within)
	if halt.Err() != nil {
		return errors.New("stopped by a second signal, before all clients had left")
	}
	return nil
}

// drain sends everybody away, once, and returns when they have gone. The node
// goes on without them: it is for its operator to stop it.
func (n *node) drain(halt context.Context, within time.Duration) {
	n.leave.Do(func() {
		n.logger.Info("draining; a second signal stops at once", "node", n.id, "within", within)
		close(n.draining)
	})
	n.sockets.Drain(halt, within)
}

// beginDrain has the node drained; it does not wait.
func (n *node) beginDrain() {
	select {
	case n.asked <- struct{}{}:
	default: // asked already
	}
}

// closeWithin bounds the end of a node that has already been drained.
const closeWithin = 3 * time.Second

// close ends what start began, in reverse.
func (n *node) close() error {
	answering, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := n.http.Shutdown(answering) // answers under way are finished; sockets are gone already
	if err != nil {
		err = n.http.Close()
	}
	n.work.end()
	if n.internal != nil {
		err = errors.Join(err, n.internal.Close())
		n.inside.end()
	}
	n.recording.end()
	recording, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	n.recorder.Drain(recording)
	return errors.Join(err, n.backend.close(), n.records.close())
}
