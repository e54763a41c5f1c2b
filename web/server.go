// Package web is the front door for everything that is not a socket: the HTTP
// API that openapi.yaml describes, the pages, and what operators ask a node.
//
// Who is live is answered from the node's own directory: such a request waits
// for nobody. Only what is written, and the history of broadcasts, blocks on a
// store. Tokens come in the Authorization header and never in the URL.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// SocketPath is where sockets are asked for.
const SocketPath = "/v1/ws"

// Config is what the front door is made of.
type Config struct {
	Node      string              // this node's id
	Hub       *rooms.Hub          // required
	Store     presence.Store      // required
	Directory *presence.Directory // required
	Records   *record.Store       // required
	Webhooks  *webhook.Store      // required
	Verifier  *auth.Verifier      // required
	Book      *moderation.Book    // the hub's; nil: nobody can be moderated
	Logger    *slog.Logger        // required

	// Socket serves /v1/ws; it gets the connection unwrapped. Required.
	Socket http.Handler
	// Nodes returns the ids of all nodes that live, in order; nil: there is only
	// this one.
	Nodes func() []string
	// Report says how this node does, and Reports what the living ones say of
	// themselves, which blocks; nil: nothing is said.
	Report  func() presence.NodeReport
	Reports func(context.Context) (map[string]presence.NodeReport, error)
	// Draining reports whether the node admits nobody any more; nil: never.
	Draining func() bool
	// Full says why a socket from an address (ip:port) would not be admitted
	// now, and when one may be again; nil, or "": it would be.
	Full func(remote string) (why string, after time.Duration)
	// Done, if not nil, is closed when the node begins to stop: streams of
	// events then end, or the server would wait for them for ever.
	Done <-chan struct{}
	// Metrics are served at /metrics; nil: there is no such page.
	Metrics prometheus.Gatherer
	// WebhookPrivate lets webhooks be at private addresses, and without TLS.
	WebhookPrivate bool
	// WebhookDue is called when there may be something to deliver; nil: nobody is.
	// It must not block.
	WebhookDue func()
	// PublicDirectory lets anybody ask who is live.
	PublicDirectory bool
	// Origins are the origins of pages that may use the API beside the node's own.
	Origins auth.Origins
	// Rates are how much a user may publish.
	Rates Rates
	// TrustedProxies are the proxies whose X-Forwarded-For is believed; empty:
	// nobody's. Whoever has one of these addresses may claim to be anybody, so
	// they should be no client's.
	TrustedProxies []netip.Prefix
	// Checks are further things that must work for newcomers to be sent here,
	// by name, such as redis. Each must answer within a second or counts as
	// failed; several requests may share an answer. What it returns goes to the
	// log, the client sees only "no answer". The names of our own checks
	// (admission, directory, keys, database, moderation) are taken.
	Checks map[string]func(context.Context) error
}

type server struct {
	cfg    Config
	site   site
	limits limits
	asking singleflight.Group // the checks that run, by name
}

// New returns the handler of everything that a node serves, but for profiles.
func New(cfg Config) http.Handler {
	s := newServer(cfg)
	return s.handler(s.open, s.operations)
}

// Split returns two handlers in its place. What operators alone need is on the
// internal one, where all the rest is, too: metrics, profiles, nodes, webhooks,
// revocations, the audit and the dashboard. It is for an address that only they
// can reach; profiles and metrics take no token.
func Split(cfg Config) (public, internal http.Handler) {
	s := newServer(cfg)
	return s.handler(s.open), s.handler(s.open, s.operations, profiles)
}

func newServer(cfg Config) *server {
	if cfg.WebhookDue == nil {
		cfg.WebhookDue = func() {}
	}
	return &server{cfg: cfg, site: loadSite(pages), limits: limits{rates: cfg.Rates}}
}

// handler serves some of the routes. Those of the API are in openapi.yaml as
// well.
func (s *server) handler(groups ...func(chi.Router)) http.Handler {
	r := chi.NewRouter()
	r.Use(s.clientAddr, middleware.GetHead, s.cors)
	r.NotFound(secure(s.observe(s.handle(s.notFound))).ServeHTTP)
	r.MethodNotAllowed(secure(s.observe(s.handle(methodNotAllowed(r)))).ServeHTTP)

	// The upgrade takes the connection over: nothing may wrap it.
	r.Method(http.MethodGet, SocketPath, s.cfg.Socket)

	r.Group(func(r chi.Router) {
		r.Use(secure, s.observe)
		for _, add := range groups {
			add(r)
		}
	})
	return r
}

// open are the routes for everybody: each looks at who may.
func (s *server) open(r chi.Router) {
	r.Get("/v1/live", s.handle(s.live))
	r.Get("/v1/live/stream", s.handle(s.stream))
	r.Get("/v1/streamers/{id}", s.handle(s.streamer))
	r.Post("/v1/streamers/query", s.handle(s.queryStreamers))
	r.Post("/v1/streamers/{id}/end", s.handle(s.end))
	r.Get("/v1/rooms/{room}", s.handle(s.room))
	r.Post("/v1/rooms/{room}/events", s.handle(s.publish))
	r.Delete("/v1/rooms/{room}/events/{offset}", s.handle(s.deleteEvent))
	r.Post("/v1/rooms/{room}/kick", s.handle(s.kick))
	r.Post("/v1/rooms/{room}/mute", s.handle(s.mute))
	r.Get("/v1/rooms/{room}/mutes", s.handle(s.mutes))
	r.Delete("/v1/rooms/{room}/mutes/{user}", s.handle(s.unmute))
	r.Get("/v1/rooms/{room}/bans", s.handle(s.bans))
	r.Post("/v1/rooms/{room}/bans", s.handle(s.ban))
	r.Delete("/v1/rooms/{room}/bans/{target}", s.handle(s.unban))
	r.Get("/v1/rooms/{room}/settings", s.handle(s.settings))
	r.Put("/v1/rooms/{room}/settings", s.handle(s.setSettings))
	r.Get("/v1/broadcasts", s.handle(s.broadcasts))
	r.Get("/v1/broadcasts/{id}", s.handle(s.broadcast))
	r.Get("/v1/validate", s.handle(s.validate))

	r.Get("/healthz", s.handle(s.healthz))
	r.Get("/readyz", s.handle(s.readyz))
	r.Get("/openapi.yaml", s.handle(s.contract))

	r.Get("/", s.handle(s.page("index.html")))
	r.Get("/watch/{room}", s.handle(s.page("watch.html")))
	r.Get("/studio/{room}", s.handle(s.page("studio.html")))
	r.Get("/assets/*", s.handle(s.asset))
}

// operations are the routes for operators and their programs.
func (s *server) operations(r chi.Router) {
	r.Get("/v1/audit", s.handle(s.audit))
	r.Get("/v1/webhooks", s.handle(s.webhooks))
	r.Post("/v1/webhooks", s.handle(s.createWebhook))
	r.Get("/v1/webhooks/{id}", s.handle(s.webhook))
	r.Delete("/v1/webhooks/{id}", s.handle(s.deleteWebhook))
	r.Post("/v1/webhooks/{id}/resume", s.handle(s.resumeWebhook))
	r.Post("/v1/webhooks/{id}/replay", s.handle(s.replay))
	r.Get("/v1/webhooks/{id}/deliveries", s.handle(s.deliveries))
	r.Post("/v1/webhooks/{id}/deliveries/{delivery}/retry", s.handle(s.retryDelivery))
	r.Get("/v1/revocations", s.handle(s.revocations))
	r.Post("/v1/revocations", s.handle(s.revoke))
	r.Delete("/v1/revocations/{revocation}", s.handle(s.restore))
	r.Get("/v1/nodes", s.handle(s.nodes))
	r.Post("/v1/nodes/{id}/drain", s.handle(s.drain))

	r.Get("/metrics", s.handle(s.metrics))
	r.Get("/admin", s.handle(s.page("admin.html")))
}

// draining reports whether newcomers should go to another node.
func (s *server) draining() bool {
	select {
	case <-s.cfg.Done: // a nil channel is never ready
		return true
	default:
		return s.cfg.Draining != nil && s.cfg.Draining()
	}
}

// notFound answers what has no route: a file of the pages, such as their icon,
// or nothing.
func (s *server) notFound(w http.ResponseWriter, r *http.Request) error {
	if name, ok := s.site.rootFile(r.URL.Path); ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return s.site.serve(w, r, name, revalidated)
	}
	return notFound("there is nothing at %.100q", r.URL.Path)
}

// methodNotAllowed names the methods that the path does have among these routes.
func methodNotAllowed(routes chi.Routes) func(http.ResponseWriter, *http.Request) error {
	return func(_ http.ResponseWriter, r *http.Request) error {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			if routes.Match(chi.NewRouteContext(), method, path) {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 { // the router does not know the method and so did not look at the path
			return notFound("there is nothing to %.20q at %.100q", r.Method, r.URL.Path)
		}
		if allowed[0] == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
		return wrongMethod(allowed)
	}
}
