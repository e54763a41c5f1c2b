package signalling

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
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
	s := &socket{}
	if err := s.use(own, nil); err != nil {
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
	rest, err := s.attempt(frame)
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
	rest, err := s.attempt([]byte("frame"))
	if string(rest) != "frame" || err != nil {
		t.Errorf("%q is left, %v", rest, err)
	}
	s.mu.Unlock()
	if rest, err = s.attempt([]byte("frame")); len(rest) > 0 || err != nil {
		t.Errorf("%q is left, %v", rest, err)
	}
}

// RFC 6455 §5.5.1: nothing follows a close frame, also where the library has sent it.
func TestSocketSendsNothingAfterAClose(t *testing.T) {
	s, peer := pair(t)
	if _, err := s.Write([]byte{0x88, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.attempt([]byte("frame")); !errors.Is(err, net.ErrClosed) {
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

// The library closes the socket as well, at any time; the number of its descriptor is another connection's from then on.
func TestSocketWritesNothingOnceItIsClosed(t *testing.T) {
	s, peer := pair(t)
	_ = s.Close()
	next, _ := pair(t)
	if rest, err := s.attempt([]byte("frame")); string(rest) != "frame" || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%q is left, %v", rest, err)
	}
	_ = next.Close()
	if got, err := io.ReadAll(peer); len(got) > 0 || err != nil {
		t.Errorf("the peer has read %q, %v", got, err)
	}
}

func TestSocketOfAPeerThatIsGone(t *testing.T) {
	s, peer := pair(t)
	_ = peer.SetLinger(0)
	_ = peer.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := s.attempt([]byte("frame")); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("writing to it goes well")
		}
	}
}

func TestAttemptDoesNotAllocate(t *testing.T) {
	s, peer := pair(t)
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	frame := make([]byte, 200)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.attempt(frame) }); n > 0 {
		t.Errorf("%v allocations", n)
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
			if left, err := io.ReadAll(s.library); string(left) != test.left || err != io.ErrUnexpectedEOF {
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
				if read, err := io.ReadAll(s.library); string(read) != sent || err != io.ErrUnexpectedEOF {
					t.Fatalf("the library reads %q, %v", read, err)
				}
				_ = s.Close()
				_ = peer.Close()
			}
		})
	}
}
