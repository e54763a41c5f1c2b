// Package nowait reads and writes connections for as long as that goes without waiting. What is between such calls then
// needs no goroutine of its own, nor a buffer, while a peer has nothing to say.
package nowait

import (
	"net"
	"sync"
	"syscall"
)

// Of returns what a connection can be read from and written to without waiting; nil if it can't be. Read and Readable are
// for the file descriptor that its Read gives.
func Of(conn net.Conn) (syscall.RawConn, error) {
	if own, ok := conn.(syscall.Conn); ok && supported {
		return own.SyscallConn()
	}
	return nil, nil
}

// Writer writes to a connection past Go's poller, which takes a lock and gets ready to wait for each write, in memory of
// its own: for one of ten thousand readers that costs as much as all else that is done for it outside of the kernel. It
// may be used by several goroutines; whoever closes the connection must have closed the Writer before. The zero Writer is
// closed.
type Writer struct {
	mu   sync.Mutex // held while fd is used, so that it is not another file's meanwhile
	fd   int32
	open bool
}

// Open has what Of returned written to.
func (w *Writer) Open(raw syscall.RawConn) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return raw.Control(func(fd uintptr) { w.fd, w.open = int32(fd), true })
}

// Write writes as much as there is room for, which may be nothing. It does not block; the error is net.ErrClosed for a
// closed Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.open {
		return 0, net.ErrClosed
	}
	return write(int(w.fd), p)
}

// Close has nothing more written. It does not close the connection.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = false
}
