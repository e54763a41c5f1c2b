package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/signalling"
)

// run executes a command line in this process.
func run(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = execute(args, &o, &e)
	return code, o.String(), e.String()
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	t.Chdir(t.TempDir())
	for _, test := range []struct {
		name string
		args string
		code int
		says string
	}{
		{"an unknown flag", "serve --lisen :8080", exitUsage, "--lisen"},
		{"an unknown command", "sevre", exitUsage, "sevre"},
		{"a duration without unit", "serve --dev --drain 20", exitUsage, "--drain"},
		{"no secret", "serve", exitUsage, "--jwt-secret"},
		{"a short secret", "serve --jwt-secret short", exitUsage, "--jwt-secret"},
		{"a secret's file that is not there", "serve --jwt-secret @nowhere", exitUsage, "nowhere"},
		{"a negative drain", "serve --dev --drain=-1s", exitUsage, "--drain"},
		{"no heartbeat", "serve --dev --heartbeat-interval 0s", exitUsage, "--heartbeat-interval"},
		{"a negative ping", "serve --dev --ping-interval=-1s", exitUsage, "--ping-interval"},
		{"fewer sockets than none", "serve --dev --max-connections=-1", exitUsage, "--max-connections"},
		{"fewer of an address", "serve --dev --max-connections-per-ip=-1", exitUsage, "--max-connections-per-ip"},
		{"fewer handshakes than none", "serve --dev --max-handshakes=-1", exitUsage, "--max-handshakes"},
		{"fewer of an address, too", "serve --dev --max-handshakes-per-ip=-1", exitUsage, "--max-handshakes-per-ip"},
		{"no peers", "serve --dev --max-peers 0", exitUsage, "--max-peers"},
		{"what is no STUN server", "serve --dev --stun-url stun.example.com", exitUsage, "--stun-url"},
		{"a TURN server as a STUN server", "serve --dev --stun-url turn:example.com", exitUsage, "--stun-url"},
		{"what is no TURN server", "serve --dev --turn-secret x --turn-url turn://example.com", exitUsage, "--turn-url"},
		{"a TURN server over nothing", "serve --dev --turn-secret x --turn-url turn:example.com?transport=sctp", exitUsage, "--turn-url"},
		{"a TURN server without a secret", "serve --dev --turn-url turn:example.com", exitUsage, "--turn-secret"},
		{"a secret for no TURN server", "serve --dev --turn-secret x", exitUsage, "--turn-url"},
		{"three secrets", "serve --dev --turn-url turn:e --turn-secret a --turn-secret b --turn-secret c", exitUsage, "--turn-secret"},
		{"credentials that end at once", "serve --dev --turn-url turn:e --turn-secret a --turn-life 1s", exitUsage, "--turn-life"},
		{"an origin with a path", "serve --dev --allowed-origin https://example.com/live", exitUsage, "--allowed-origin"},
		{"a node's name with a brace", "serve --dev --node n{1}", exitUsage, "--node"},
		{"an unknown database", "serve --dev --database mysql://x", exitFailure, "--database"},
		{"a port in use", "serve --dev --listen " + taken.Addr().String(), exitFailure, taken.Addr().String()},
		{"no address", "serve --dev --listen nowhere", exitFailure, "--listen nowhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errOut := run(strings.Fields(test.args)...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(errOut, test.says) || strings.Count(errOut, "\n") != 1 {
				t.Errorf("it says %q, want one line that names %q", errOut, test.says)
			}
			if out != "" {
				t.Errorf("it prints %q", out)
			}
		})
	}
	left, err := os.ReadDir(".")
	if err != nil || len(left) > 0 {
		t.Errorf("these were left behind: %v, %v", left, err)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"serve", "--help"}} {
		code, out, errOut := run(args...)
		if code != exitOK || !strings.Contains(out, "Usage: tallylight") || errOut != "" {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, errOut)
		}
	}
}

// node is a node in this process, so that goroutines can be counted.
func serveHere(t *testing.T, cfg serveCmd) (addr string, stop, halt context.CancelFunc, ended <-chan error) {
	t.Helper()
	return serveLogged(t, cfg, slog.New(slog.DiscardHandler))
}

func serveLogged(t *testing.T, cfg serveCmd, logger *slog.Logger) (addr string, stop, halt context.CancelFunc, ended <-chan error) {
	t.Helper()
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	stopping, stop := context.WithCancel(context.Background())
	halting, halt := context.WithCancel(context.Background())
	ready, end := make(chan string, 1), make(chan error, 1)
	go func() {
		end <- serve(lifetime{stopping, halting}, cfg, logger, func(a net.Addr) { ready <- a.String() })
	}()
	select {
	case addr = <-ready:
	case err := <-end:
		t.Fatalf("serve: %v", err)
	}
	return addr, stop, halt, end
}

func devConfig(drain time.Duration) serveCmd {
	return serveCmd{
		Listen: "127.0.0.1:0", Dev: true, Migrate: true, keyFlags: keyFlags{JWTSecret: []secret{testSecret}},
		HeartbeatInterval: 50 * time.Second, PingInterval: 20 * time.Second, Drain: drain, MaxPeers: 8,
	}
}

// TestStop sees that a node that was told to stop tells everybody, ends within
// the drain's time, and leaves nothing behind; and that whoever was live goes on
// when it is there again.
func TestStop(t *testing.T) {
	before := goleak.IgnoreCurrent()
	cfg := devConfig(3 * time.Second)
	cfg.Database = "sqlite:" + t.TempDir() + "/records.db"
	addr, stop, halt, ended := serveHere(t, cfg)
	defer halt()
	ctx := within(t, 30*time.Second)
	clients := make([]*client, 50)
	for i := range clients {
		c := &client{t: t}
		var err error
		c.Client, err = signalling.Dial(ctx, "ws://"+addr+"/v1/ws", signalling.ClientConfig{Token: token(t, "alice"), OnMessage: c.note})
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = c
	}
	if _, err := clients[0].Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer}); err != nil {
		t.Fatal(err)
	}
	b, err := clients[0].Start(ctx, signalling.LiveStart{Room: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	for _, c := range clients {
		c.waitType(t, "reconnect")
		<-c.Done()
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if took := time.Since(began); took > cfg.Drain+time.Second {
		t.Errorf("stopping took %s with --drain %s", took, cfg.Drain)
	}
	goleak.VerifyNone(t, before)

	addr, stop, halt, ended = serveHere(t, cfg)
	defer halt()
	c, err := signalling.Dial(ctx, "ws://"+addr+"/v1/ws", signalling.ClientConfig{Token: token(t, "alice")})
	if err != nil {
		t.Fatal(err)
	}
	j, err := c.Join(ctx, signalling.Join{Room: "alice", Role: auth.RoleStreamer})
	if err != nil || j.Streamer.State != presence.StateLive || j.Streamer.Broadcast.ID != b.ID {
		t.Errorf("back again, alice is %+v, %v", j.Streamer, err)
	}
	if err := c.End(ctx, "alice"); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	if rec, ok, err := db.records.Get(ctx, b.ID); err != nil || !ok || rec.State != record.Ended || rec.Reason != presence.ReasonEndedByStreamer {
		t.Errorf("the record of what was live is %+v, %t, %v", rec, ok, err)
	}
}

// TestStopAtOnce sees that a second signal does not wait for anybody.
func TestStopAtOnce(t *testing.T) {
	p := start(t, "--drain=1m")
	for range 20 {
		p.dial("bob")
	}
	p.signal(syscall.SIGTERM)
	p.wantLogged("draining; a second signal stops at once")
	if _, err := p.tryDial("bob"); !refusedWith(err, 503) {
		t.Errorf("a newcomer while draining: %v", err)
	}
	if r, _ := p.get("/readyz", ""); r.StatusCode != 503 {
		t.Errorf("/readyz while draining: %d", r.StatusCode)
	}
	if r, _ := p.get("/healthz", ""); r.StatusCode != 200 {
		t.Errorf("/healthz while draining: %d", r.StatusCode)
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(exitFailure, 3*time.Second)
}

// A browser opens connections for later and sends nothing over them: no stop waits for those.
func TestStopDespiteMuteConnections(t *testing.T) {
	p := start(t)
	for range 3 {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if r, _ := p.get("/healthz", ""); r.StatusCode != 200 { // accepted after the others
		t.Errorf("/healthz: %d", r.StatusCode)
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(exitOK, 2*time.Second)
}

func (p *process) wantLogged(line string) {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(p.err.String(), line); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not logged: %q", line)
		}
	}
}

func refusedWith(err error, status int) bool {
	var refused *signalling.HandshakeError
	return errors.As(err, &refused) && refused.Status == status && refused.Code != "" && (status != 503 || refused.RetryAfter != "")
}

// TestHandshakeRefused sees that a refusal comes before the upgrade and says
// why, to the client, in the log and from /v1/validate.
func TestHandshakeRefused(t *testing.T) {
	t.Parallel()
	p := start(t, "--allowed-origin=https://good.example")
	inHeader := func(token string) func(*signalling.ClientConfig) {
		return func(c *signalling.ClientConfig) { c.Token, c.InHeader = token, true }
	}
	expired := token(t, "bob", func(c *auth.Claims) { c.Expires = time.Now().Add(-time.Hour) })
	for name, bad := range map[string]string{"malformed": "nonsense", "expired": expired} {
		if _, err := p.tryDial("bob", inHeader(bad)); !refusedWith(err, 401) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s token: %v", name, err)
		}
		p.wantLogged(name)
		r, body := p.get("/v1/validate", bad)
		if r.StatusCode != 401 || !strings.Contains(body, name) {
			t.Errorf("/v1/validate of a token that is %s: %d %s", name, r.StatusCode, body)
		}
		if strings.Contains(p.err.String(), bad) {
			t.Errorf("the log shows the token")
		}
	}
	for _, test := range []struct {
		origin, protocol string
		status           int
	}{
		{"", "", 101},
		{"https://good.example", "tallylight.v1", 101},
		{"https://good.example", "chat, tallylight.v1", 101},
		{"https://bad.example", "", 403},
		{"http://" + p.addr, "", 403}, // with a list, Host counts for nothing
		{"", "chat", 400},
	} {
		status := p.handshake(test.origin, test.protocol)
		if status != test.status {
			t.Errorf("origin %q, subprotocol %q: %d, want %d", test.origin, test.protocol, status, test.status)
		}
	}
}

// handshake asks for an upgrade and returns the answer's status.
func (p *process) handshake(origin, protocol string) int {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	head := "GET /v1/ws HTTP/1.1\r\nHost: " + p.addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if origin != "" {
		head += "Origin: " + origin + "\r\n"
	}
	if protocol != "" {
		head += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	if _, err := conn.Write([]byte(head + "\r\n")); err != nil {
		p.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode
}
