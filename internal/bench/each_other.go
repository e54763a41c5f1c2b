//go:build !unix

package bench

// each hands over every message until the connection ends, and returns why it did.
func (s *socket) each(take func([]byte)) error { return s.pull(take) }

// look: the reader always sees when a connection ends.
func (s *socket) look() {}
