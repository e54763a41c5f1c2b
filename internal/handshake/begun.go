package handshake

import (
	"errors"
	"net"
)

// Begun is a connection of which the first bytes were read already. They are read again.
type Begun struct {
	net.Conn
	begun []byte // owned by the reader
	gone  func() // takes it out of the crowd; may be called again
}

// Close implements net.Conn.
func (b *Begun) Close() error {
	defer b.gone()
	return b.Conn.Close()
}

// Read implements net.Conn.
func (b *Begun) Read(p []byte) (int, error) {
	if len(b.begun) > 0 {
		n := copy(p, b.begun)
		if b.begun = b.begun[n:]; len(b.begun) == 0 {
			b.begun = nil
		}
		return n, nil
	}
	return b.Conn.Read(p)
}

// CloseWrite ends what the peer reads, as a server for HTTP does before it gives up on a request.
func (b *Begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Unwrap returns the connection itself, and what is still to be read before it. The caller is the reader from then on.
func (b *Begun) Unwrap() (net.Conn, []byte) {
	b.gone()
	return b.Conn, b.begun
}
