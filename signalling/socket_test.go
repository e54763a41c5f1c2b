package signalling

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// pair is a TCP connection: our socket, and the peer's end.
func pair(t *testing.T) (*socket, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	own, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := &socket{Conn: own}
	if s.raw, err = own.(*net.TCPConn).SyscallConn(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close(); _ = peer.Close() })
	return s, peer.(*net.TCPConn)
}

// What the kernel takes no more must be left, byte by byte, to whoever waits; and no control frame may come in between.
func TestSocketSplitsAFrameOnly(t *testing.T) {
	s, peer := pair(t)
	frame := make([]byte, 16<<20) // more than the kernel buffers
	_, _ = rand.Read(frame)
	rest, err := s.attempt(newTry(), frame)
	if err != nil || len(rest) == 0 || len(rest) == len(frame) {
		t.Fatalf("of %d bytes, %d are left, %v", len(frame), len(rest), err)
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		if _, err := s.Write([]byte("control")); err != nil {
			t.Error(err)
		}
	})
	writing.Go(func() {
		if err := s.finish(rest); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(frame)+len("control"))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	writing.Wait()
	if want := append(bytes.Clone(frame), "control"...); !bytes.Equal(got, want) {
		t.Error("the peer has read something else")
	}
}

// While somebody writes, nobody else waits for that: the rest is everything.
func TestSocketDoesNotWaitForAWriter(t *testing.T) {
	s, _ := pair(t)
	s.mu.Lock()
	rest, err := s.attempt(newTry(), []byte("frame"))
	if string(rest) != "frame" || err != nil {
		t.Errorf("%q is left, %v", rest, err)
	}
	s.mu.Unlock()
	if rest, err = s.attempt(newTry(), []byte("frame")); len(rest) > 0 || err != nil {
		t.Errorf("%q is left, %v", rest, err)
	}
}

// RFC 6455 §5.5.1: nothing follows a close frame, also where the library has sent it.
func TestSocketSendsNothingAfterAClose(t *testing.T) {
	s, peer := pair(t)
	if _, err := s.Write([]byte{0x88, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.attempt(newTry(), []byte("frame")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("attempt: %v", err)
	}
	if err := s.finish([]byte("frame")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("finish: %v", err)
	}
	_ = s.Close()
	if got, _ := io.ReadAll(peer); len(got) != 2 {
		t.Errorf("the peer has read % x", got)
	}
}

func TestSocketOfAPeerThatIsGone(t *testing.T) {
	s, peer := pair(t)
	_ = peer.SetLinger(0)
	_ = peer.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := s.attempt(newTry(), []byte("frame")); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("writing to it goes well")
		}
	}
}

func TestTryDoesNotAllocate(t *testing.T) {
	s, peer := pair(t)
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	attempt, frame := newTry(), make([]byte, 200)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.attempt(attempt, frame) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A client that need not wait for the answer sends its first messages with the request. net/http has read them by the
// time that the connection is ours.
func TestUpgradeKeepsEarlyMessages(t *testing.T) {
	messages := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(&upgrade{w, &socket{}}, r, nil)
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
	all.WriteString("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	var want []string
	for k := range 20 {
		m := strings.Repeat(string(rune('a'+k)), 100)
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
