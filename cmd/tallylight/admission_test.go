package main

import (
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/usage"
	"github.com/tallylight/tallylight/signalling"
)

func TestConnectionsWithin(t *testing.T) {
	for files, want := range map[uint64]int{0: 0, 20: 10, 1023: 523, 1024: 524, 20_000: 19_500, 1 << 40: 0, ^uint64(0): 0} {
		if n := connectionsWithin(files); n != want {
			t.Errorf("%d files are for %d sockets, want %d", files, n, want)
		}
	}
}

func TestAdmissionByDefault(t *testing.T) {
	cfg := serveCmd{MaxConnectionsPerIP: 5000, MaxHandshakesPerIP: 100}
	node, address := cfg.admission()
	if node.PerSecond != handshakesPerProcessor*runtime.GOMAXPROCS(0) || node.Connections != connectionsWithin(usage.OpenFiles()) {
		t.Errorf("the node's bound is %+v", node)
	}
	if want := (signalling.Bound{Connections: 5000, PerSecond: 100, Burst: 1000}); address != want {
		t.Errorf("an address's bound is %+v, want %+v", address, want)
	}
	cfg = serveCmd{MaxConnections: 7, MaxHandshakes: 8}
	if node, address = cfg.admission(); node != (signalling.Bound{Connections: 7, PerSecond: 8}) || address != (signalling.Bound{}) {
		t.Errorf("set otherwise, they are %+v and %+v", node, address)
	}
}

// A node that is full says so, and to a page by the way that a page can read.
func TestFullNode(t *testing.T) {
	p := start(t, "--max-connections=2")
	alice := p.dial("alice")
	p.dial("bob")
	_, err := p.tryDial("carol")
	var refused *signalling.HandshakeError
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || refused.Code != signalling.CodeUnavailable || refused.RetryAfter == "" {
		t.Errorf("the third gets %v", err)
	}
	answer, body := p.get("/v1/validate", token(t, "carol"))
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !strings.Contains(body, "2 connections") {
		t.Errorf("asking why, she gets %s %s", answer.Status, body)
	}
	_ = alice.Close()
	p.eventually("there is room again", 10*time.Second, func() bool { _, err := p.tryDial("carol"); return err == nil })
}
