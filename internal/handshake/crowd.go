package handshake

import (
	"net"
	"net/netip"
	"sync"

	"github.com/tallylight/tallylight/internal/visitor"
)

// crowd counts connections by where they are from, for as long as they are no sockets.
type crowd struct {
	most   int                   // from one address; 0: any number
	exempt func(netip.Addr) bool // whose connections are not counted; nil: nobody's

	mu   sync.Mutex
	from map[netip.Prefix]int
}

// enter counts a connection, and returns what takes that back; false if there are as many as there may be.
func (c *crowd) enter(conn net.Conn) (leave func(), ok bool) {
	peer, tcp := conn.RemoteAddr().(*net.TCPAddr) // not so: a socket in the file system, for one
	if c.most == 0 || !tcp {
		return func() {}, true
	}
	addr := peer.AddrPort().Addr()
	if c.exempt != nil && c.exempt(addr.Unmap()) {
		return func() {}, true
	}
	at := visitor.Of(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from[at] >= c.most {
		return nil, false
	}
	if c.from == nil {
		c.from = make(map[netip.Prefix]int)
	}
	c.from[at]++
	return sync.OnceFunc(func() { c.leave(at) }), true
}

func (c *crowd) leave(at netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from[at]--; c.from[at] == 0 {
		delete(c.from, at)
	}
}
