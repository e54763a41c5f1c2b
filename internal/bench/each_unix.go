//go:build unix

package bench

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// each hands over every message until the connection ends, and returns why it did.
//
// net.Conn tries to read before it waits, which for an idle connection fails each time: a second system call for every
// delivery. A raw connection is read once it is ready, and waited for when it gave less than was asked for, which leaves
// readiness as it is in between (the callback of one RawConn.Read goes on over all of them). What that can't see is an
// end that became visible together with the last bytes; look finds it.
func (s *socket) each(take func([]byte)) error {
	tcp, ok := s.conn.(*net.TCPConn)
	if !ok {
		return s.pull(take) // TLS reads ahead, and keeps what it has
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	if err := s.takeAll(take); err != nil {
		return err
	}
	defer s.looking.Store(false)
	for asked := false; ; asked = true {
		var ended error
		err := raw.Read(func(fd uintptr) bool {
			ended = s.readAll(int(fd), take)
			if asked {
				s.looking.Store(false)
			}
			return ended != nil
		})
		switch {
		case ended != nil:
			return ended
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		if err := tcp.SetReadDeadline(time.Time{}); err != nil { // look has set one
			return err
		}
	}
}

// readAll reads what is there. Nil says that there may be more later.
func (s *socket) readAll(fd int, take func([]byte)) error {
	for {
		room := s.buf[s.end:]
		n, err := syscall.Read(fd, room)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return io.EOF
		}
		s.came(n)
		if err := s.takeAll(take); err != nil || n < len(room) {
			return err
		}
	}
}

// takeAll hands over the messages that were read, and leaves room to read into.
func (s *socket) takeAll(take func([]byte)) error {
	for {
		message, need, err := s.message()
		switch {
		case err != nil:
			return err
		case message == nil:
			s.makeRoom(need)
			return nil
		}
		take(message)
	}
}

// look has the reader see whether the connection has ended; looking is false once it has. It must not be called again
// before.
func (s *socket) look() {
	if tcp, ok := s.conn.(*net.TCPConn); ok {
		s.looking.Store(true)
		if tcp.SetReadDeadline(began) != nil { // long ago
			s.looking.Store(false) // it is closed
		}
	}
}
