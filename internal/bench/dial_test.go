package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]target{
		"ws://localhost:8080":           {address: "localhost:8080", host: "localhost:8080", path: "/v1/ws"},
		"http://localhost:8080/":        {address: "localhost:8080", host: "localhost:8080", path: "/v1/ws"},
		"ws://live.example.com":         {address: "live.example.com:80", host: "live.example.com", path: "/v1/ws"},
		"wss://live.example.com/a?b=c":  {address: "live.example.com:443", host: "live.example.com", path: "/a?b=c"},
		"https://[::1]:8443/live/v1/ws": {address: "[::1]:8443", host: "[::1]:8443", path: "/live/v1/ws"},
	} {
		got, err := parseTarget(text)
		if secure := strings.HasPrefix(text, "wss") || strings.HasPrefix(text, "https"); (got.tls != nil) != secure {
			t.Errorf("%s: TLS %t", text, got.tls != nil)
		}
		got.tls, want.url = nil, text
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "localhost:8080", "ftp://localhost", "ws://", "ws://:8080", "::"} {
		if got, err := parseTarget(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestHandshakeThatIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer token" {
			t.Errorf("Authorization is %q", got)
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"code":"unavailable","detail":"draining"}`))
	}))
	defer server.Close()
	at, err := parseTarget(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&dialer{targets: []target{at}}).dial(t.Context(), 0, "token")
	got, ok := errors.AsType[*refused](err)
	if want := (refused{503, "unavailable", "draining", 7 * time.Second}); !ok || *got != want {
		t.Errorf("got %v, want %v", err, want)
	}
	if kindOf(err) != "503" {
		t.Errorf("it counts as %q", kindOf(err))
	}
}

func TestHandshakeWithSomethingElse(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":           "SSH-2.0-OpenSSH_9.6\r\n\r\n",
		"another's sum":     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
		"nothing but ended": "",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		}()
		at, err := parseTarget("ws://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if s, err := (&dialer{targets: []target{at}}).dial(t.Context(), 0, "token"); err == nil {
			s.drop()
			t.Errorf("%s: the handshake succeeded", name)
		}
		_ = l.Close()
	}
}

func TestDialTakesNodesAndSourcesInTurn(t *testing.T) {
	seen := make(chan [2]string, 1)
	listen := func(name string) target {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, _, _ := net.SplitHostPort(r.RemoteAddr)
			seen <- [2]string{name, from}
			w.WriteHeader(http.StatusForbidden)
		}))
		t.Cleanup(server.Close)
		at, err := parseTarget(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	d := &dialer{targets: []target{listen("a"), listen("b")}}
	second := "127.0.0.2"
	if l, err := net.Listen("tcp", second+":0"); err != nil {
		second = "127.0.0.1" // Linux alone has the whole network
	} else {
		_ = l.Close()
	}
	for _, source := range []string{"127.0.0.1", second} {
		d.sources = append(d.sources, &net.TCPAddr{IP: net.ParseIP(source)})
	}
	for n, want := range [][2]string{{"a", "127.0.0.1"}, {"b", "127.0.0.1"}, {"a", second}, {"b", second}, {"a", "127.0.0.1"}} {
		_, _ = d.dial(t.Context(), n, "token")
		if got := <-seen; got != want {
			t.Errorf("number %d: got %v, want %v", n, got, want)
		}
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096)) // and no answer
		cancel()
		_, _ = conn.Read(make([]byte, 1)) // until the other side goes
	}()
	at, err := parseTarget("ws://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&dialer{targets: []target{at}}).dial(ctx, 0, "token"); err == nil {
		t.Error("the handshake succeeded")
	}
}
