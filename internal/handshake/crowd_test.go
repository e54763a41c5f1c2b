package handshake

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const most = 3

func crowded(t *testing.T, exempt func(netip.Addr) bool) *served {
	return serve(t, true, time.Minute, func(c *Config) { c.PerAddress, c.Exempt = most, exempt })
}

// closed reports whether the server closes a connection at once; false: it has not within a while.
func closed(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	wait, ok := err.(net.Error)
	return !ok || !wait.Timeout()
}

func (s *served) counted() int {
	s.inside.crowd.mu.Lock()
	defer s.inside.crowd.mu.Unlock()
	n := 0
	for _, k := range s.inside.crowd.from {
		n += k
	}
	return n
}

func (s *served) wantCounted(when string, want int) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.counted() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %d are counted, want %d", when, s.counted(), want)
		}
	}
}

// Connections that say nothing, or never come to the end of it, are few from one address.
func TestCrowd(t *testing.T) {
	s := crowded(t, nil)
	var open []net.Conn
	for _, said := range []string{"", "GET / HT", ask} {
		conn := s.dial()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	s.wantCounted("three are open", most)
	if conn := s.dial(); !closed(t, conn) {
		t.Error("the fourth is not closed")
	}
	for i, conn := range open {
		_ = conn.Close()
		s.wantCounted("one has gone", most-1-i)
	}
	for range 2 * most { // requests that are over don't count
		if got := s.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "GET /") {
			t.Error(got)
		}
		if got := s.say(ask + "\r\n"); !strings.Contains(got, "GET /v1/ws") {
			t.Error(got)
		}
		s.wantCounted("all were answered", 0)
	}
}

// Sockets are counted elsewhere, whichever way they came.
func TestCrowdWithoutSockets(t *testing.T) {
	s := crowded(t, nil)
	for range 2 * most {
		conn := s.dial()
		if _, err := io.WriteString(conn, "GET /v1/ws?then=echo HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 101"))); err != nil {
			t.Fatal(err)
		}
		slow := s.dial()
		for _, part := range []string{"GET /v1/ws?then=echo HTTP/1.1\r\nHo", "st: x\r\n\r\n"} {
			if _, err := io.WriteString(slow, part); err != nil {
				t.Fatal(err)
			}
			if part[0] == 'G' {
				s.wantCounted("one has begun", 1)
			}
		}
		if _, err := io.ReadFull(slow, make([]byte, len("HTTP/1.1 101"))); err != nil {
			t.Fatal(err)
		}
		s.wantCounted("it is a socket", 0)
	}
}

func TestCrowdOfAProxy(t *testing.T) {
	s := crowded(t, func(addr netip.Addr) bool { return addr == netip.MustParseAddr("127.0.0.1") })
	for range 3 * most {
		if conn := s.dial(); closed(t, conn) {
			t.Fatal("a proxy's connection is closed")
		}
	}
}
