package signalling

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// network is an in-memory network, so that servers and clients can live in a
// synctest bubble, where a heartbeat of 50 s takes no time at all.
type network struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*network)(nil)

func newNetwork() *network {
	return &network{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *network) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// cable is the client's end of a connection. When it is cut, nothing goes
// through any more in either direction and nobody is told.
type cable struct {
	net.Conn
	cut chan struct{}
}

func (c *cable) Cut() { close(c.cut) }

func (c *cable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case <-c.cut:
		_, _ = io.Copy(io.Discard, c.Conn) // swallowed until the other side gives up
		return 0, io.EOF
	default:
		return n, err
	}
}

func (c *cable) Write(b []byte) (int, error) {
	select {
	case <-c.cut:
		return len(b), nil
	default:
		return c.Conn.Write(b)
	}
}

// client returns an HTTP client on the network. dialed, if not nil, gets every
// cable, to be cut.
func (n *network) client(t testing.TB, dialed func(*cable)) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		select {
		case n.accept <- server:
			wire := &cable{Conn: client, cut: make(chan struct{})}
			if dialed != nil {
				dialed(wire)
			}
			return wire, nil
		case <-n.closed:
			return nil, errors.New("nobody listens")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// dial connects a client. It returns the cable, to be cut.
func (n *network) dial(t testing.TB, cfg ClientConfig) (*Client, *cable, error) {
	t.Helper()
	var wire *cable
	cfg.HTTP = n.client(t, func(c *cable) { wire = c })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := Dial(ctx, "ws://pipe/v1/ws", cfg)
	return c, wire, err
}

// handshake asks for an upgrade with these headers, empty ones left out, and
// returns the answer's status.
func (n *node) handshake(t testing.TB, headers map[string]string) int {
	t.Helper()
	request, err := http.NewRequest("GET", "http://pipe/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for name, value := range headers {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := n.net.client(t, nil).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
