//go:build !unix

package nowait

import "errors"

// supported: here, a connection is read and written by goroutines that wait.
const supported = false

// These are called with what Of returns, which is nothing.

func Read(uintptr, []byte) (n int, ready bool, err error) { return 0, true, errors.ErrUnsupported }
func Readable(uintptr) bool                               { return true }
func write(int, []byte) (n int, err error)                { return 0, errors.ErrUnsupported }
