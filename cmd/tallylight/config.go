package main

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"regexp"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// serveCmd is the configuration of a node; there is no other.
type serveCmd struct {
	Listen         string `default:":8080" placeholder:"ADDRESS" help:"Address to serve on, such as :8080 or 127.0.0.1:0."`
	InternalListen string `placeholder:"ADDRESS" help:"Address for operators alone, such as 127.0.0.1:9090: metrics, the dashboard, nodes, webhooks, revocations and the audit are only there then, and so are profiles (/debug/pprof), which otherwise are nowhere."`
	Node           string `placeholder:"NAME" help:"Name of this node; a random part is added, because a node's id is new at every start."`
	Database       string `placeholder:"URL" help:"Where records are kept: sqlite:FILE or postgres://… (default: sqlite:tallylight.db)."`
	Migrate        bool   `default:"true" negatable:"" help:"Bring the database's schema up to date at start; without, refuse to start where \"tallylight migrate up\" is still to be run."`

	Redis       secret `placeholder:"URL" help:"Redis that nodes share: redis://[user:password@]host:port/db, rediss:// or unix://, or @FILE (default: none, this node runs alone)."`
	RedisPrefix string `default:"tallylight" placeholder:"NAME" help:"What all keys in Redis begin with."`

	keyFlags

	AllowedOrigin   []string `placeholder:"ORIGIN" help:"Origin of pages that may connect, such as https://example.com or https://*.example.com:*; * for every page (default: only pages of the host they connect to)."`
	TrustedProxy    []string `placeholder:"CIDR" help:"Network of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8 or one address (default: none)."`
	PublicDirectory bool     `help:"Let anybody ask who is live, without a token."`

	MaxConnections      int `default:"0" placeholder:"N" help:"Sockets that may be open at a time (default: as many as the limit of open files allows)."`
	MaxHandshakes       int `default:"0" placeholder:"N" help:"Sockets that may come each second (default: 1000 for each processor)."`
	MaxConnectionsPerIP int `name:"max-connections-per-ip" default:"5000" placeholder:"N" help:"Sockets that may be open from one address, or from one /64 of IPv6; 0 any number."`
	MaxHandshakesPerIP  int `name:"max-handshakes-per-ip" default:"100" placeholder:"N" help:"Sockets that may come each second from one address, ten times as many at once; 0 any number."`

	Limits limitFlags `embed:""`

	STUNURL    []string      `name:"stun-url" placeholder:"URL" sep:"none" help:"STUN server for peers, such as stun:stun.example.com; several are allowed."`
	TURNURL    []string      `name:"turn-url" placeholder:"URL" sep:"none" help:"TURN server for peers, such as turn:turn.example.com:3478?transport=udp; several are allowed, and need --turn-secret."`
	TURNSecret []secret      `name:"turn-secret" placeholder:"SECRET" sep:"none" help:"Secret shared with the TURN servers (coturn: static-auth-secret), or @FILE; twice while secrets are rotated: credentials are made with the first."`
	TURNLife   time.Duration `name:"turn-life" default:"1h" help:"How long credentials for the TURN servers are good for; connections get new ones before."`
	MaxPeers   int           `default:"8" placeholder:"N" help:"Signalling sessions that a streamer may have open: viewers who get the stream from the streamer directly."`

	HeartbeatInterval   time.Duration `default:"50s" help:"How often clients send a heartbeat; a streamer silent for two and a half of these is gone."`
	PingInterval        time.Duration `default:"20s" help:"How often the server pings; 0 never."`
	KeepRecords         time.Duration `default:"0" help:"How long broadcasts are kept on record after their end, such as 8760h; 0 for ever."`
	WebhookAllowPrivate bool          `help:"Let webhooks be at private and loopback addresses, and without TLS."`

	Drain time.Duration `default:"20s" help:"Time over which clients are sent away on SIGTERM."`

	Dev bool `help:"Everything in memory (but for --redis), a secret of its own, and ready-made links: to try it out."`

	proxies []netip.Prefix // TrustedProxy, once checked
	origins auth.Origins   // AllowedOrigin, likewise
}

// check finds what the parser can't see, and fills in what depends on --dev.
func (c *serveCmd) check() error {
	if c.Dev {
		if len(c.JWTSecret) == 0 { // beside keys: the links are signed with it
			c.JWTSecret = []secret{secret(randomHex(32))}
		}
		c.PublicDirectory = true
	}
	switch {
	case c.Dev && c.Database == "" && !c.Migrate:
		return usagef("--no-migrate needs --database: the one that --dev makes by itself is empty")
	case !c.given():
		return usagef("--jwt-secret is missing: at least 32 bytes, or @FILE to read it from a file; or --jwt-key, or --jwks-url; --dev makes its own")
	case c.HeartbeatInterval <= 0:
		return usagef("--heartbeat-interval must be above 0, not %s", c.HeartbeatInterval)
	case c.PingInterval < 0:
		return usagef("--ping-interval must not be below 0; 0 turns pings off")
	case c.KeepRecords < 0:
		return usagef("--keep-records must not be below 0, not %s; 0 is for ever", c.KeepRecords)
	case c.Drain < 0:
		return usagef("--drain must not be below 0, not %s", c.Drain)
	case c.MaxConnections < 0:
		return usagef("--max-connections must not be below 0, not %d", c.MaxConnections)
	case c.MaxHandshakes < 0:
		return usagef("--max-handshakes must not be below 0, not %d", c.MaxHandshakes)
	case c.MaxConnectionsPerIP < 0:
		return usagef("--max-connections-per-ip must not be below 0, not %d; 0 is any number", c.MaxConnectionsPerIP)
	case c.MaxHandshakesPerIP < 0:
		return usagef("--max-handshakes-per-ip must not be below 0, not %d; 0 is any number", c.MaxHandshakesPerIP)
	case c.MaxPeers < 1:
		return usagef("--max-peers must be at least 1, not %d", c.MaxPeers)
	case c.Node != "" && !validName.MatchString(c.Node):
		return usagef("--node %q must be 1 to 64 of A-Z a-z 0-9 . _ -", c.Node)
	case (c.Redis != "" || c.RedisPrefix != "") && !validName.MatchString(c.RedisPrefix):
		return usagef("--redis-prefix %q must be 1 to 64 of A-Z a-z 0-9 . _ -", c.RedisPrefix)
	}
	if err := c.Limits.check(); err != nil {
		return err
	}
	if err := c.parseProxies(); err != nil {
		return err
	}
	if err := c.checkICE(); err != nil {
		return err
	}
	var err error
	if c.origins, err = auth.ParseOrigins(c.AllowedOrigin); err != nil {
		return usagef("--allowed-origin %w", err)
	}
	return nil
}

// validName is for what becomes a part of keys and channels in Redis: their hash tags, which are in braces, must stay the
// only ones, and what is said there is taken apart at spaces.
var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// parseProxies takes networks and single addresses.
func (c *serveCmd) parseProxies() error {
	c.proxies = nil
	for _, text := range c.TrustedProxy {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil {
				network, err = addr.Prefix(addr.BitLen())
			}
		}
		if err != nil {
			return usagef("--trusted-proxy %q is not a network such as 10.0.0.0/8, nor an address", text)
		}
		c.proxies = append(c.proxies, network.Masked())
	}
	return nil
}

// nodeID returns a node id that was never used before.
func (c *serveCmd) nodeID() string {
	if c.Node == "" {
		return "n" + randomHex(4)
	}
	return c.Node + "-" + randomHex(4)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
