//go:build unix

package nowait

import "syscall"

const supported = true

// Read reads what is there; ready is false if that is nothing. No bytes and no error are the end.
func Read(fd uintptr, p []byte) (n int, ready bool, err error) {
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

// Readable reports whether Read would find something: bytes, the end, or an error.
func Readable(fd uintptr) bool {
	for {
		var p [1]byte
		_, _, err := syscall.Recvfrom(int(fd), p[:], syscall.MSG_PEEK)
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}

// Write writes as much as there is room for.
func Write(fd uintptr, p []byte) (n int, err error) {
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
