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
	s.take, s.library = s.takeOnce, bufio.NewReaderSize(s, libraryReader)
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

// awaits returns what one await says.
func awaits(s *socket) chan string {
	said := make(chan string, 1)
	go func() {
		frame, err := s.await()
		switch {
		case err != nil:
			said <- "error"
		case frame:
			said <- "frame"
		default:
			said <- "pong"
		}
	}()
	return said
}

// Pongs end where they are awaited; everything else, and what is not all there, is the library's, byte by byte.
func TestSocketAwaits(t *testing.T) {
	const pong, long = "\x8a\x80abcd", "\x8a\x83abcdxyz"
	for _, test := range []struct {
		name, sent string
		want       []string
		left       string
	}{
		{"a pong", pong, []string{"pong"}, ""},
		{"pongs with something in them", long + pong + long, []string{"pong", "pong", "pong"}, ""},
		{"a frame", "\x81\x80abcd", []string{"frame"}, "\x81\x80abcd"},
		{"a pong, then a frame", pong + "\x81\x80abcd", []string{"pong", "frame"}, "\x81\x80abcd"},
		{"a frame, then a pong", "\x81\x80abcd" + pong, []string{"frame"}, "\x81\x80abcd" + pong},
		{"half a pong", long[:7], []string{"frame"}, long[:7]},
		{"the first byte of a pong", long[:1], []string{"frame"}, long[:1]},
		{"a pong that is not masked", "\x8a\x00abcd", []string{"frame"}, "\x8a\x00abcd"},
		{"a pong that is too long", "\x8a\xfe\x00\x7eabcd", []string{"frame"}, "\x8a\xfe\x00\x7eabcd"},
		{"a pong in pieces", "\x0a\x80abcd", []string{"frame"}, "\x0a\x80abcd"},
		{"a pong with a reserved bit", "\xca\x80abcd", []string{"frame"}, "\xca\x80abcd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, peer := pair(t)
			if _, err := peer.Write([]byte(test.sent)); err != nil {
				t.Fatal(err)
			}
			_ = peer.CloseWrite()
			for _, want := range test.want {
				if got := <-awaits(s); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
			if left, err := io.ReadAll(s.library); string(left) != test.left || err != nil {
				t.Errorf("the library reads %q, %v, want %q", left, err, test.left)
			}
			if got := <-awaits(s); got != "error" {
				t.Errorf("after the end: %s", got)
			}
		})
	}
}

// What the library has read beyond one message is a message that nobody need wait for.
func TestSocketAwaitsWhatTheLibraryHolds(t *testing.T) {
	s, peer := pair(t)
	if _, err := peer.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	if b, err := s.library.ReadByte(); b != 'a' || err != nil {
		t.Fatal(b, err)
	}
	if got := <-awaits(s); got != "frame" {
		t.Errorf("got %s", got)
	}
}

// A close handshake is read by the library: nobody else may read then, or take something for it.
func TestSocketReadsThrough(t *testing.T) {
	for name, sent := range map[string]string{"nothing has come": "", "something has come": "\x88\x80abcd"} {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				s, peer := pair(t)
				said := awaits(s)
				var writing sync.WaitGroup
				writing.Go(func() { _, _ = peer.Write([]byte(sent)) })
				s.readThrough()
				if got := <-said; got != "frame" {
					t.Fatalf("who waits is told %s", got)
				}
				if got := <-awaits(s); got != "frame" {
					t.Fatalf("and whoever waits next %s", got)
				}
				writing.Wait()
				_ = peer.CloseWrite()
				if read, err := io.ReadAll(s.library); string(read) != sent || err != nil {
					t.Fatalf("the library reads %q, %v", read, err)
				}
				_ = s.Close()
				_ = peer.Close()
			}
		})
	}
}

// A peer that does not read costs no more than was said: what the kernel keeps for it is bounded as well.
func TestUpgradeBoundsWhatTheKernelKeeps(t *testing.T) {
	took := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &socket{}
		conn, err := websocket.Accept(&upgrade{w, s}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		attempt, frame, all := newTry(), make([]byte, 4<<10), 0
		for full := 0; full < 20; time.Sleep(10 * time.Millisecond) { // the peer's kernel takes some of it, a little later
			rest, err := s.attempt(attempt, frame)
			for ; err == nil && len(rest) == 0; rest, err = s.attempt(attempt, frame) {
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
