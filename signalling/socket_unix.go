//go:build unix

package signalling

import (
	"net"
	"syscall"
)

// rawOf returns what a connection can be read from and written to without waiting; nil if it can't be.
func rawOf(conn net.Conn) (syscall.RawConn, error) {
	if own, ok := conn.(syscall.Conn); ok {
		return own.SyscallConn()
	}
	return nil, nil
}

// readNow reads what is there; ready is false if that is nothing.
func readNow(fd uintptr, p []byte) (n int, ready bool, err error) {
	for {
		n, err := syscall.Read(int(fd), p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, false, nil
		default:
			return max(n, 0), true, err
		}
	}
}

// writeNow writes as much as there is room for.
func writeNow(fd uintptr, p []byte) (n int, err error) {
	for {
		n, err := syscall.Write(int(fd), p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}
