package signalling

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// handshake is that of RFC 6455 §1.3, whose answer is known.
const handshake = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tallylight.v1\r\n\r\n"

// answered has a handshake answered by a server that then does something, and returns what its client reads until the
// connection ends.
func answered(t *testing.T, request string, then func(*socket, *websocket.Conn)) (*http.Response, *bufio.Reader) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Own", "kept")
		s := &socket{}
		conn, err := websocket.Accept(&upgrade{ResponseWriter: w, socket: s}, r, &websocket.AcceptOptions{Subprotocols: []string{Subprotocol}})
		if err != nil {
			return // and the client was told
		}
		then(s, conn)
		_ = conn.CloseNow()
	}))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewReader(conn)
	response, err := http.ReadResponse(read, nil)
	if err != nil {
		t.Fatal(err)
	}
	return response, read
}

// Whatever is written first takes the answer to the handshake along, and nothing does so twice.
func TestUpgradeAnswersFirst(t *testing.T) {
	frame := appendPing(nil)
	closing := []byte{0x88, 2, 1000 >> 8, 1000 & 0xff}
	for name, test := range map[string]struct {
		then func(*socket, *websocket.Conn)
		want []byte
	}{
		"alone":                {func(s *socket, _ *websocket.Conn) { _ = s.flushAnswer(); _ = s.flushAnswer() }, nil},
		"with a frame":         {func(s *socket, _ *websocket.Conn) { _, _ = s.attempt(frame); _ = s.flushAnswer() }, frame},
		"with one that waited": {func(s *socket, _ *websocket.Conn) { _ = s.finish(frame); _, _ = s.attempt(frame) }, append(frame, frame...)},
		"with a close frame":   {func(s *socket, _ *websocket.Conn) { _, _ = s.Write(closing); _ = s.flushAnswer() }, closing},
		"with the library's": {func(_ *socket, c *websocket.Conn) {
			go func() { _, _, _ = c.Read(context.Background()) }()
			time.AfterFunc(100*time.Millisecond, func() { _ = c.CloseNow() }) // its client never answers
			_ = c.Close(websocket.StatusNormalClosure, "")
		}, closing},
	} {
		t.Run(name, func(t *testing.T) {
			response, read := answered(t, handshake, test.then)
			for header, want := range map[string]string{
				"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
				"Sec-Websocket-Protocol": Subprotocol, "X-Own": "kept",
			} {
				if got := response.Header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if response.Status != "101 Switching Protocols" || response.Proto != "HTTP/1.1" {
				t.Errorf("%s %s", response.Proto, response.Status)
			}
			if rest, _ := io.ReadAll(read); !bytes.Equal(rest, test.want) {
				t.Errorf("then %x, want %x", rest, test.want)
			}
		})
	}
}

// What is no handshake is answered as before.
func TestUpgradeRefused(t *testing.T) {
	response, _ := answered(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(*socket, *websocket.Conn) { t.Error("it was accepted") })
	if body, err := io.ReadAll(response.Body); response.StatusCode != http.StatusUpgradeRequired || len(body) == 0 || err != nil {
		t.Errorf("%s %q, %v", response.Status, body, err)
	}
}

// A client that need not wait for the answer sends its first messages with the request. net/http has read them by the
// time that the connection is ours, and who gave it the connection may have read more.
func TestUpgradeKeepsEarlyMessages(t *testing.T) {
	t.Run("read by net/http", func(t *testing.T) { keepsEarlyMessages(t, 20, httptest.NewServer) })
	t.Run("read before", func(t *testing.T) {
		keepsEarlyMessages(t, 90, func(h http.Handler) *httptest.Server {
			server := httptest.NewUnstartedServer(h)
			server.Listener = begunListener{server.Listener}
			server.Start()
			return server
		})
	})
}

// begunListener reads some of what its connections say, more than net/http has a buffer for.
type begunListener struct{ net.Listener }

func (l begunListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	b := &begunConn{Conn: conn, begun: make([]byte, 6<<10)}
	_, err = io.ReadFull(conn, b.begun)
	return b, err
}

type begunConn struct {
	net.Conn
	begun []byte
}

func (b *begunConn) Read(p []byte) (int, error) {
	if len(b.begun) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.begun)
	b.begun = b.begun[n:]
	return n, nil
}

func (b *begunConn) Unwrap() (net.Conn, []byte) { return b.Conn, b.begun }

func keepsEarlyMessages(t *testing.T, n int, serve func(http.Handler) *httptest.Server) {
	messages := make(chan string, 100)
	server := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &socket{}
		conn, err := websocket.Accept(&upgrade{ResponseWriter: w, socket: s}, r, nil)
		if err == nil {
			err = s.flushAnswer()
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for {
			_, m, err := conn.Read(context.Background())
			if err != nil {
				close(messages)
				return
			}
			messages <- string(m)
		}
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var all bytes.Buffer
	all.WriteString(handshake)
	var want []string
	for k := range n {
		m := strings.Repeat(string(rune('!'+k)), 100)
		want = append(want, m)
		all.Write([]byte{0x81, 0x80 | 100, 0, 0, 0, 0}) // masked, with a mask that changes nothing
		all.WriteString(m)
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", response, err)
	}
	for _, m := range want {
		if got := <-messages; got != m {
			t.Fatalf("got %q, want %q", got, m)
		}
	}
}

// A peer that does not read costs no more than was said: what the kernel keeps for it is bounded as well.
func TestUpgradeBoundsWhatTheKernelKeeps(t *testing.T) {
	took := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &socket{}
		conn, err := websocket.Accept(&upgrade{ResponseWriter: w, socket: s}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		frame, all := make([]byte, 4<<10), 0
		for full := 0; full < 20; time.Sleep(10 * time.Millisecond) { // the peer's kernel takes some of it, a little later
			rest, err := s.attempt(frame)
			for ; err == nil && len(rest) == 0; rest, err = s.attempt(frame) {
				all += len(frame)
				full = 0
			}
			if s.half {
				all += len(frame) - len(rest)
				break // the rest of it would have to follow
			}
			full++
		}
		took <- all
	}))
	defer server.Close()
	var dialer net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return conn, err
	}}
	conn, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if all := <-took; all > 8*kernelBuffer {
		t.Errorf("%d bytes were taken for a peer that reads nothing", all)
	} else {
		t.Log(all, "bytes")
	}
}
