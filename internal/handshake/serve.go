package handshake

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tallylight/tallylight/internal/nowait"
)

// lingering is how long a client that was refused has to read so, and to close the connection.
const lingering = time.Second

// serve reads what a guest has said, and handles it or passes it on.
func (l *Listener) serve(g guest, c *clerk) {
	said, ready, err := c.read(g)
	switch {
	case err == nil && !ready:
		l.running.Go(func() { l.greet(g.conn) }) // it was readable, and is no more
		return
	case err != nil || len(said) == 0:
		l.drop(g.conn)
		return
	}
	request, early := l.handshake(said, c)
	if request == nil {
		begun := bytes.Clone(said)
		l.running.Go(func() { l.pass(g.conn, begun) }) // whoever accepts it may take a while
		return
	}
	request.RemoteAddr = g.conn.RemoteAddr().String()
	a := &answer{listener: l, conn: g.conn, early: early, header: make(http.Header)}
	err = l.handle(a, request)
	switch {
	case a.hijacked:
	case err == nil && a.send() == nil:
		l.running.Go(func() { l.linger(g.conn) })
	default:
		l.drop(g.conn)
	}
}

// read reads without waiting.
func (c *clerk) read(g guest) (said []byte, ready bool, err error) {
	var n int
	closed := g.raw.Read(func(fd uintptr) bool {
		n, ready, err = nowait.Read(fd, c.buffer[:])
		return true
	})
	if closed != nil {
		return nil, true, closed
	}
	return c.buffer[:n], ready, err
}

// handshake returns the request that was said, and what was said after it; nil if it is not plainly a handshake.
func (l *Listener) handshake(said []byte, c *clerk) (r *http.Request, early []byte) {
	const end = "\r\n\r\n"
	head, early, whole := bytes.Cut(said, []byte(end))
	if !whole || !l.asksForSocket(head) || bytes.ContainsFunc(head, control) || !plainHeaders(head) {
		return nil, nil
	}
	c.bytes.Reset(said[:len(head)+len(end)])
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(nil, longestRequest)
	}
	c.reader.Reset(&c.bytes)
	r, err := http.ReadRequest(c.reader)
	if err != nil || r.Proto != "HTTP/1.1" || r.Body != http.NoBody || r.Header["Expect"] != nil {
		return nil, nil
	}
	return r, early
}

func (l *Listener) asksForSocket(head []byte) bool {
	rest, ok := bytes.CutPrefix(head, []byte("GET "))
	if ok {
		rest, ok = bytes.CutPrefix(rest, []byte(l.cfg.Path))
	}
	return ok && len(rest) > 0 && (rest[0] == ' ' || rest[0] == '?')
}

// control finds what no header may have in it (RFC 9110 §5.5), but what ends a line.
func control(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f }

// plainHeaders reports whether all headers are such as a server for HTTP takes, one of which names a host (RFC 9112 §3.2).
// The parser alone takes more.
func plainHeaders(head []byte) bool {
	hosts := 0
	_, headers, _ := bytes.Cut(head, []byte("\n"))
	for line := range bytes.SplitSeq(headers, []byte("\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(name) == 0 || bytes.ContainsFunc(name, unusualIn("-_")) {
			return false
		}
		if bytes.EqualFold(name, []byte("Host")) {
			hosts++
			if value = bytes.TrimSpace(value); len(value) == 0 || bytes.ContainsFunc(value, unusualIn("-._:[]")) {
				return false
			}
		}
	}
	return hosts == 1
}

// unusualIn finds what is neither a letter nor a digit nor one of these.
func unusualIn(others string) func(r rune) bool {
	return func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	}
}

// handle calls the handler, and survives its bugs.
func (l *Listener) handle(a *answer, r *http.Request) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err = http.ErrAbortHandler
		if value != http.ErrAbortHandler {
			l.cfg.Logger.Error("handshake: a handler has a bug", "remote", r.RemoteAddr, "panic", value, "stack", string(debug.Stack()))
		}
		if a.hijacked {
			_ = a.conn.Close()
		}
	}()
	l.cfg.Handler.ServeHTTP(a, r)
	return nil
}

// linger waits until a client that was refused has gone. Closed at once, with something unread that came too early, the
// connection would be reset, and the answer lost with it (RFC 9112 §9.6).
func (l *Listener) linger(conn net.Conn) {
	defer l.drop(conn)
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(lingering))
	for rest := make([]byte, 128); ; {
		if _, err := conn.Read(rest); err != nil {
			return
		}
	}
}
