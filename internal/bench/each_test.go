package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// pair is a TCP connection: the client's end and the server's.
func pair(t *testing.T) (client *socket, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); _ = server.Close() })
	return newSocket(conn, nil), server
}

// follow runs each, and hands over what it takes.
func follow(s *socket) (messages chan string, ended chan error) {
	messages, ended = make(chan string, 1000), make(chan error, 1)
	go func() { ended <- s.each(func(m []byte) { messages <- string(m) }) }()
	return messages, ended
}

func wait[T any](t *testing.T, what string, c chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s within 20 s", what)
	}
	return v
}

// Each message is handed over as it comes, however it is cut, and whether or not it fills the buffer exactly.
func TestEachMessage(t *testing.T) {
	s, server := pair(t)
	messages, ended := follow(s)
	for i, size := range []int{0, 10, smallBuffer - 4, smallBuffer, 3 * smallBuffer, 200_000, 5} {
		want := bytes.Repeat([]byte{byte('a' + i)}, size)
		frame := frameOf(0x80|opText, want)
		for _, part := range [][]byte{frame[:1], frame[1 : 1+len(frame)/2], frame[1+len(frame)/2:]} {
			if _, err := server.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if got := wait(t, "message", messages); got != string(want) {
			t.Fatalf("got %d bytes, want %d", len(got), size)
		}
	}
	if _, err := server.Write(append(frameOf(0x80|opText, []byte("one")), frameOf(0x80|opText, []byte("two"))...)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if got := wait(t, "message", messages); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := server.Write(frameOf(0x80|opClose, []byte{4410 >> 8, 4410 & 0xFF})); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "end", ended); err != error(closed{4410, ""}) {
		t.Errorf("it ended with %v", err)
	}
}

func TestEachEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(s *socket, server net.Conn)
		want error
	}{
		"the server goes": {func(_ *socket, server net.Conn) { _ = server.Close() }, io.EOF},
		"we go":           {func(s *socket, _ net.Conn) { s.drop() }, net.ErrClosed},
	} {
		s, server := pair(t)
		messages, ended := follow(s)
		if _, err := server.Write(frameOf(0x80|opText, []byte("hello"))); err != nil {
			t.Fatal(err)
		}
		wait(t, "message", messages)
		tt.end(s, server)
		if err := wait(t, "end", ended); !errors.Is(err, tt.want) {
			t.Errorf("%s: it ended with %v, want %v", name, err, tt.want)
		}
	}
}

// An end that comes together with the last bytes may not be seen before somebody looks; and looking disturbs nobody.
func TestLookFindsAnEnd(t *testing.T) {
	s, server := pair(t)
	if _, err := server.Write(frameOf(0x80|opText, []byte("hello"))); err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	time.Sleep(50 * time.Millisecond) // for the runtime to hear of both before anybody waits; it is right without that, too
	messages, ended := follow(s)
	wait(t, "message", messages)
	s.look()
	if err := wait(t, "end", ended); !errors.Is(err, io.EOF) {
		t.Errorf("it ended with %v", err)
	}

	s, server = pair(t)
	messages, ended = follow(s)
	for n := range 100 {
		s.look()
		if _, err := server.Write(frameOf(0x80|opText, fmt.Append(nil, n))); err != nil {
			t.Fatal(err)
		}
		if got := wait(t, "message", messages); got != fmt.Sprint(n) {
			t.Fatalf("got %s, want %d", got, n)
		}
		for begin := time.Now(); s.looking.Load(); time.Sleep(time.Millisecond) {
			if time.Since(begin) > 20*time.Second {
				t.Fatal("it looks for 20 s")
			}
		}
	}
	s.drop()
	wait(t, "end", ended)
}
