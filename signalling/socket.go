package signalling

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// buffers is how many bytes a connection's buffers hold, each way. All that the library writes for us are control
// frames, which are smaller (RFC 6455 §5.5); what is read into something larger goes past a full buffer.
const buffers = 256

// socket is a connection as the WebSocket library sees it. The library reads from it, and writes control frames: each in
// one call, as its buffer holds the largest of them. Data frames are written past the library, ready-made, by the queue:
// that saves its locks, its timers and its copying for each of ten thousand readers. Two things make it safe. Frames
// are whole: whoever writes one holds mu. And nothing follows a close frame (RFC 6455 §5.5.1), whoever sent it.
type socket struct {
	net.Conn
	raw syscall.RawConn // nil where there is none: then nothing can be written without waiting

	early []byte // owned by the reader: what net/http had read already

	half bool // owned by the queue: the beginning of a frame is written, and mu is held for the rest

	mu      sync.Mutex
	closing bool // a close frame was written
}

// upgrade gives the library a small socket in place of net/http's connection.
type upgrade struct {
	http.ResponseWriter
	socket *socket
}

var _ http.Hijacker = (*upgrade)(nil)

// Hijack implements http.Hijacker. What net/http has read beyond the request, because the client did not wait for our
// answer, would be lost with its buffer: the socket has it read again.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	s := u.socket
	s.Conn, s.early = conn, bytes.Clone(early)
	if own, ok := conn.(syscall.Conn); ok {
		s.raw, err = own.SyscallConn()
	}
	return s, bufio.NewReadWriter(bufio.NewReaderSize(s, buffers), bufio.NewWriterSize(s, buffers)), err
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.early) > 0 {
		n := copy(p, s.early)
		if s.early = s.early[n:]; len(s.early) == 0 {
			s.early = nil
		}
		return n, nil
	}
	return s.Conn.Read(p)
}

// Write implements net.Conn, for the library's control frames. It may block, as long as a frame is being written.
func (s *socket) Write(frame []byte) (int, error) {
	const opcode, opClose = 0x0f, 0x8
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(frame) > 0 && frame[0]&opcode == opClose {
		s.closing = true
	}
	return s.Conn.Write(frame)
}

// attempt writes as much of a frame as goes without waiting, and returns what is left: finish writes that. Only the
// queue calls it, and not again before finish.
func (s *socket) attempt(t *try, frame []byte) (rest []byte, err error) {
	if s.raw == nil || !s.mu.TryLock() {
		return frame, nil
	}
	if s.closing {
		s.mu.Unlock()
		return nil, net.ErrClosed
	}
	n, err := t.write(s.raw, frame)
	if s.half = err == nil && n > 0 && n < len(frame); !s.half {
		s.mu.Unlock()
	}
	return frame[n:], err
}

// finish writes the rest of a frame, waiting as long as it takes. Close lets it fail.
func (s *socket) finish(rest []byte) error {
	if !s.half {
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.half = false
	if s.closing {
		return net.ErrClosed
	}
	_, err := s.Conn.Write(rest)
	return err
}

// try is a write that does not wait. It is kept between writes, so that none of them allocates.
type try struct {
	frame []byte
	n     int
	err   error
	call  func(fd uintptr) bool
}

func newTry() *try {
	t := &try{}
	t.call = t.once
	return t
}

// write returns how many bytes the kernel took, which are none where it has no room.
func (t *try) write(raw syscall.RawConn, frame []byte) (int, error) {
	t.frame, t.n, t.err = frame, 0, nil
	err := raw.Write(t.call)
	t.frame = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

func (t *try) once(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), t.frame)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			t.n, t.err = max(n, 0), err
		}
		return true // it is over either way: whoever can wait, waits
	}
}
