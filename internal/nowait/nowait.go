// Package nowait reads and writes connections for as long as that goes without waiting. What is between such calls then
// needs no goroutine of its own, nor a buffer, while a peer has nothing to say.
package nowait

import (
	"net"
	"syscall"
)

// Of returns what a connection can be read from and written to without waiting; nil if it can't be. The functions of this
// package are for the file descriptor that its Read and Write give.
func Of(conn net.Conn) (syscall.RawConn, error) {
	if own, ok := conn.(syscall.Conn); ok && supported {
		return own.SyscallConn()
	}
	return nil, nil
}
