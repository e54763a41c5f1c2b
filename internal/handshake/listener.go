// Package handshake has the handshakes of WebSockets (RFC 6455 §4) answered without a server for HTTP. Such a server keeps
// buffers of 4 KiB, a goroutine with a stack of 8 and several contexts for every connection, from before it has said
// anything: too much for ten thousand who come back at once, and all of it to be thrown away when the socket begins.
//
// Here a connection costs next to nothing until its request is there, and few requests are handled at a time, each in the
// memory of the one before. Whatever is not plainly a handshake, complete in what was read first, goes on to the
// server for HTTP untouched: to be handled, or to be told what is wrong with it.
package handshake

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/tallylight/tallylight/internal/nowait"
)

// Config is what a Listener is made of.
type Config struct {
	Path     string        // of handshakes; required
	Handler  http.Handler  // of handshakes, as a server for HTTP would call it; it must not wait for its peer. Required
	Patience time.Duration // how long a peer may take to begin its request; required
	Logger   *slog.Logger  // required
	// PerAddress is how many connections from one address, or from one /64 of IPv6, may be open that are no sockets; 0: any
	// number. More are closed at once.
	PerAddress int
	// Exempt says whose are not counted: proxies have those of many. nil: nobody's.
	Exempt func(netip.Addr) bool
}

// Listener is a net.Listener of connections that have begun with anything but a handshake. The first bytes are there when
// Accept returns one.
type Listener struct {
	net.Listener
	cfg   Config
	desk  desk
	crowd crowd
	plain chan plain    // never closed
	done  chan struct{} // closed by Close

	running sync.WaitGroup // all that the listener has started; what is added comes from one of them
	once    sync.Once      // closes done

	mu      sync.Mutex
	waiting map[net.Conn]func() // not accepted and not handled yet, with what takes each out of the crowd
	closed  bool
}

// plain is what Accept returns.
type plain struct {
	conn net.Conn
	err  error
}

// Listen takes the handshakes out of what a listener accepts. The caller closes the Listener, and with it the other one.
func Listen(inner net.Listener, cfg Config) *Listener {
	l := &Listener{
		Listener: inner, cfg: cfg, plain: make(chan plain), done: make(chan struct{}),
		waiting: make(map[net.Conn]func()), crowd: crowd{most: cfg.PerAddress, exempt: cfg.Exempt},
	}
	l.desk.init(l.running.Go, l.serve)
	l.running.Go(l.acceptAll)
	return l
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case p := <-l.plain:
		return p.conn, p.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that wait to be accepted or have not said anything yet are closed: nobody
// waits for an answer there. It returns when handshakes that have begun are answered.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() { close(l.done) })
	l.mu.Lock()
	l.closed = true
	for conn := range l.waiting {
		_ = conn.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
	return err
}

// acceptAll accepts connections until the listener is closed. Errors are told to whoever calls Accept, and it is for them to
// wait before they call it again.
func (l *Listener) acceptAll() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if !l.hand(plain{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if l.enter(conn) {
			l.running.Go(func() { l.greet(conn) })
		}
	}
}

// hand gives to whoever calls Accept; false if nobody will any more.
func (l *Listener) hand(p plain) bool {
	select {
	case l.plain <- p:
		return true
	case <-l.done:
		return false
	}
}

// enter has a connection closed by Close until leave; false if that is over, or there are too many like it.
func (l *Listener) enter(conn net.Conn) bool {
	gone, ok := l.crowd.enter(conn)
	if !ok {
		l.cfg.Logger.Debug("handshake: too many connections from one address", "remote", conn.RemoteAddr())
		_ = conn.Close()
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return false
	}
	l.waiting[conn] = gone
	return true
}

// leave returns what takes the connection out of the crowd.
func (l *Listener) leave(conn net.Conn) (gone func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone = l.waiting[conn]
	delete(l.waiting, conn)
	return gone
}

// goneOf returns what takes a connection out of the crowd, where it stays.
func (l *Listener) goneOf(conn net.Conn) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[conn]
}

// drop is the end of a connection that nobody has got.
func (l *Listener) drop(conn net.Conn) {
	_ = conn.Close()
	l.leave(conn)()
}

// greet waits for the first bytes of a request. It waits with the smallest stack and without any buffer: this is all that
// ten thousand need who have come at once.
func (l *Listener) greet(conn net.Conn) {
	raw, err := nowait.Of(conn)
	if err == nil && raw == nil {
		l.pass(conn, nil)
		return
	}
	if err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(l.cfg.Patience)) // it is closed: the read says so
		err = raw.Read(nowait.Readable)
	}
	if err != nil {
		l.drop(conn)
		return
	}
	l.desk.add(guest{conn, raw})
}

// guest is a connection on which a request has begun.
type guest struct {
	conn net.Conn
	raw  syscall.RawConn
}

// pass gives a connection on, with what was read from it.
func (l *Listener) pass(conn net.Conn, begun []byte) {
	_ = conn.SetReadDeadline(time.Time{}) // it is closed: whoever reads finds out
	given := &Begun{Conn: conn, begun: begun, gone: l.goneOf(conn)}
	if l.hand(plain{conn: given}) {
		l.leave(conn)
	} else {
		l.drop(conn)
	}
}
