package chaos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
)

// echo answers everything with itself.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	return l.Addr().String()
}

func startRelay(t *testing.T, to string) *relay {
	r, err := newRelay(fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func dialRelay(t *testing.T, r *relay) net.Conn {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// say sends a word and waits for its echo.
func say(c net.Conn, word string, within time.Duration) error {
	if _, err := c.Write([]byte(word)); err != nil {
		return err
	}
	return hear(c, word, within)
}

func hear(c net.Conn, word string, within time.Duration) error {
	buf := make([]byte, len(word))
	_ = c.SetReadDeadline(time.Now().Add(within))
	_, err := io.ReadFull(c, buf)
	if err == nil && string(buf) != word {
		err = fmt.Errorf("heard %q, want %q", buf, word)
	}
	return err
}

func TestRelayThatIsCut(t *testing.T) {
	r := startRelay(t, echo(t))
	c := dialRelay(t, r)
	if err := say(c, "hello", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	r.cut()
	if err := hear(c, "?", 10*time.Second); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what was open ends with %v, want a reset", err)
	}
	if _, err := net.Dial("tcp", r.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling: %v, want it refused", err)
	}
	if err := r.heal(); err != nil {
		t.Fatal(err)
	}
	if err := say(dialRelay(t, r), "again", 10*time.Second); err != nil {
		t.Errorf("once it is healed: %v", err)
	}
}

func TestRelayThatIsSilent(t *testing.T) {
	r := startRelay(t, echo(t))
	c, gone := dialRelay(t, r), dialRelay(t, r)
	for _, c := range []net.Conn{c, gone} {
		if err := say(c, "hello", 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	r.silence()
	late := dialRelay(t, r)
	for _, c := range []net.Conn{c, late} {
		if err := say(c, "hello?", 200*time.Millisecond); !errors.Is(err, syscall.EAGAIN) && !isTimeout(err) {
			t.Errorf("while it is silent: %v", err)
		}
	}
	gone.Close()
	if err := r.heal(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{c, late} {
		if err := hear(c, "hello?", 10*time.Second); err != nil {
			t.Errorf("what was said into the silence: %v", err)
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func TestRelayToNobody(t *testing.T) {
	r := startRelay(t, fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)))
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return // reset before Dial came to see it
	}
	defer c.Close()
	if err := say(c, "hello", 10*time.Second); err == nil || isTimeout(err) {
		t.Errorf("nobody is there, and it ends with %v", err)
	}
}
