package chaos

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// relay passes connections on to a node. Unlike a toxiproxy it can reset what is connected, and be silent as a broken
// network is: bytes, ends and all wait until it is whole again, and go on then, as TCP's retransmissions would.
type relay struct {
	addr string
	to   string

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	open     map[*net.TCPConn]bool
	whole    chan struct{} // closed while nothing is silent
	passing  sync.WaitGroup
	closed   atomic.Bool
}

func newRelay(addr, to string) (*relay, error) {
	r := &relay{addr: addr, to: to, open: make(map[*net.TCPConn]bool), whole: make(chan struct{})}
	close(r.whole)
	return r, r.listen()
}

func (r *relay) listen() error {
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.passing.Go(func() {
		for {
			near, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			} else if err == nil {
				r.passing.Go(func() { r.connect(near.(*net.TCPConn)) })
			}
		}
	})
	return nil
}

// connect opens the other half. If the node refuses, so do we, as well as one can who has accepted.
func (r *relay) connect(near *net.TCPConn) {
	<-r.wait()
	conn, err := net.DialTimeout("tcp", r.to, 5*time.Second)
	if err != nil {
		_ = near.SetLinger(0)
		_ = near.Close()
		return
	}
	far := conn.(*net.TCPConn)
	r.mu.Lock()
	if r.listener == nil { // cut meanwhile
		r.mu.Unlock()
		reset(near, far)
		return
	}
	r.open[near], r.open[far] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.pass(near, far) })
	both.Go(func() { r.pass(far, near) })
	both.Wait()
	r.mu.Lock()
	delete(r.open, near)
	delete(r.open, far)
	r.mu.Unlock()
	_, _ = near.Close(), far.Close()
}

// pass copies until one side ends, and then tells the other how.
func (r *relay) pass(from, to *net.TCPConn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		<-r.wait()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				reset(from)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		} else if err != nil {
			reset(to)
			return
		}
	}
}

func (r *relay) wait() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.whole
}

func reset(conns ...*net.TCPConn) {
	for _, c := range conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// cut resets all connections and refuses new ones.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		_ = r.listener.Close()
		r.listener = nil
	}
	for c := range r.open {
		reset(c)
	}
}

// silence holds everything back from now on.
func (r *relay) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whole = make(chan struct{})
}

// heal undoes cut and silence.
func (r *relay) heal() error {
	r.mu.Lock()
	select {
	case <-r.whole:
	default:
		close(r.whole)
	}
	refusing := r.listener == nil
	r.mu.Unlock()
	if refusing && !r.closed.Load() {
		return r.listen()
	}
	return nil
}

// close ends all and waits for it.
func (r *relay) close() {
	r.closed.Store(true)
	r.cut()
	_ = r.heal()
	r.passing.Wait()
}
