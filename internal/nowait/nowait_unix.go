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

// write writes as much as there is room for: as a message, which Linux looks at as a file less than with write(2), and
// has sent in four fifths of the time.
func write(fd int, p []byte) (n int, err error) {
	for {
		n, err := syscall.SendmsgN(fd, p, nil, nil, 0)
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
