package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/signalling"
)

// TestKeepAlive holds four sockets behind nginx whose clients otherwise do nothing. Whoever lets nginx hear something
// from the node now and then is kept; the one who does not is cut when nginx' patience ends. In make soak that is the
// shipped configuration with its 60 s, untouched, for five minutes; otherwise everything is ten times as fast.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	patience, beat, ping, last := 6*time.Second, 5*time.Second, 2*time.Second, 20*time.Second
	amend := func(conf string) string {
		return replaceOnce(t, conf, "proxy_http_version 1.1;", "proxy_http_version 1.1; proxy_read_timeout 6s;")
	}
	if soak() {
		patience, beat, ping, last = time.Minute, 50*time.Second, 20*time.Second, 5*time.Minute
		amend = func(conf string) string { return conf }
	}
	clients := []struct {
		name    string
		silent  bool
		flags   []string
		cut     bool
		client  *client
		cutAt   time.Duration
		address string
	}{
		{name: "beats and pings", flags: []string{"--ping-interval", ping.String(), "--heartbeat-interval", beat.String()}},
		{name: "beats only", flags: []string{"--ping-interval", "0s", "--heartbeat-interval", beat.String()}},
		{name: "pings only", silent: true, flags: []string{"--ping-interval", ping.String(), "--heartbeat-interval", beat.String()}},
		// Beats are asked for so seldom that the node itself does not miss them.
		{name: "neither", silent: true, cut: true, flags: []string{"--ping-interval", "0s", "--heartbeat-interval", "1h"}},
	}
	begun := time.Now()
	for i := range clients {
		c := &clients[i]
		s := startService(t, 1, c.flags...)
		front := s.behind(testserver.Nginx(t, amend(s.shippedConf())).Addr)
		begun = time.Now()
		c.client = front.dial("bob", func(cfg *signalling.ClientConfig) { cfg.Silent = c.silent })
		if _, err := c.client.Join(within(t, 10*time.Second), signalling.Join{Room: "alice"}); err != nil {
			t.Fatal(err)
		}
		if c.cut {
			select {
			case <-c.client.Done():
				c.cutAt = time.Since(begun)
			case <-time.After(last):
			}
		}
	}
	// The one that is cut came last, so the others have been there for longer.
	time.Sleep(time.Until(begun.Add(last)))
	for _, c := range clients {
		err := c.client.Err()
		switch {
		case c.cut && (err == nil || c.cutAt < patience-patience/20 || c.cutAt > patience+4*time.Second):
			t.Errorf("%s: cut after %s (%v), want %s", c.name, c.cutAt, err, patience)
		case !c.cut && err != nil:
			t.Errorf("%s: cut although nginx heard of it: %v", c.name, err)
		case !c.silent && c.client.answers() < int(last/beat)-1:
			// This nginx takes the beats themselves for life as well; a stricter balancer hears only the answers.
			t.Errorf("%s: %d heartbeats were answered in %s, one is sent every %s", c.name, c.client.answers(), last, beat)
		case c.cut:
			t.Logf("%-15s cut after %s", c.name, c.cutAt.Round(10*time.Millisecond))
		default:
			t.Logf("%-15s open after %s", c.name, last)
		}
	}
}

// answers counts the heartbeats that the client was sent.
func (c *client) answers() (n int) {
	for _, m := range c.all() {
		if m.Type == "heartbeat" {
			n++
		}
	}
	return n
}

// TestHostRewriting connects through a balancer that rewrites Host: pages of allowed origins get in, others do not, and
// the node knows its clients by their own addresses.
func TestHostRewriting(t *testing.T) {
	t.Parallel()
	s := startService(t, 1, "--allowed-origin", "https://good.example", "--trusted-proxy", "127.0.0.1")
	conf := replaceOnce(t, s.shippedConf(), "proxy_set_header Host $http_host;", "proxy_set_header Host backend.internal;")
	front := s.behind(testserver.Nginx(t, conf).Addr)
	for _, test := range []struct {
		origin string
		status int
	}{
		{"https://good.example", 101},
		{"https://bad.example", 403},
		{"http://backend.internal", 403}, // as the node is asked for, which counts for nothing
		{"http://" + front.addr, 403},
		{"", 101}, // no browser
	} {
		if status := front.handshake(test.origin, "tallylight.v1"); status != test.status {
			t.Errorf("origin %q: %d, want %d", test.origin, status, test.status)
		}
	}

	// A bad token is logged with where it came from. What the client itself claims to have been forwarded for is not
	// believed.
	remote := func(from, forged string) {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(context.Background(), "tcp", front.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		request := "GET /v1/validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer nonsense-of-" + from + "\r\n"
		if forged != "" {
			request += "X-Forwarded-For: " + forged + "\r\n"
		}
		if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != 401 {
			t.Fatalf("got %v, %v, want 401", response, err)
		}
		p := s.nodes[0]
		p.eventually("the refusal is logged for "+from, 10*time.Second, func() bool {
			return regexp.MustCompile(`token refused.* remote=` + regexp.QuoteMeta(from) + `:`).MatchString(p.err.String())
		})
	}
	remote("127.0.0.9", "")
	remote("127.0.0.10", "127.0.0.77")
	if strings.Contains(s.nodes[0].err.String(), "127.0.0.77") {
		t.Error("the node believed an address that its client made up")
	}
	// A client that does not come through the proxy is not believed either.
	status := func() string {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.11")}}).DialContext(context.Background(), "tcp", s.nodes[0].addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /v1/validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer x\r\nX-Forwarded-For: 127.0.0.78\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return line
	}
	if got := status(); !strings.Contains(got, "401") {
		t.Errorf("got %q", got)
	}
	s.nodes[0].wantLogged("remote=127.0.0.11:")
}
