//go:build !unix

package signalling

import (
	"errors"
	"net"
	"syscall"
)

// rawOf: here, a connection is read and written by goroutines that wait.
func rawOf(net.Conn) (syscall.RawConn, error) { return nil, nil }

// These are called with what rawOf returns, which is nothing.
func readNow(uintptr, []byte) (n int, ready bool, err error) { return 0, true, errors.ErrUnsupported }
func writeNow(uintptr, []byte) (n int, err error)            { return 0, errors.ErrUnsupported }
