package signalling

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tallylight/tallylight/internal/nowait"
)

// How many bytes are kept for a connection to read into, and to write from. All that the library writes for us are control
// frames, which are smaller (RFC 6455 §5.5). What it reads is copied from our buffer, or is too large for any.
const (
	readBuffer    = 256
	libraryReader = 16 // the least that bufio makes
	libraryWriter = 128
	// kernelBuffer is how many bytes the kernel may keep for a peer that does not read: Linux takes twice that, and up to
	// 4 MiB when it is not asked. What else waits is bounded by MaxQueued.
	kernelBuffer = 64 << 10
)

// socket is a connection as the WebSocket library sees it. The library reads from it, and writes close frames: each in
// one call, as its buffer holds the largest of them. All others are written past the library, ready-made, by the queue:
// that saves its locks, its timers and its copying for each of ten thousand readers. Two things make it safe. Frames
// are whole: whoever writes one holds mu. And nothing follows a close frame (RFC 6455 §5.5.1), whoever sent it.
//
// Between two messages the socket is waited for past the library as well, see await.
type socket struct {
	net.Conn
	raw syscall.RawConn // nil where there is none: then nothing can be read or written without waiting

	// Owned by the reader: who awaits, or the library.
	library *bufio.Reader         // the library's own buffer
	early   []byte                // read, and not yet by the library
	buffer  [readBuffer]byte      // of what is awaited
	got     int                   // into buffer
	failed  error                 // by that
	take    func(fd uintptr) bool // takeOnce, made once

	awaiting sync.Mutex  // held by who awaits, or looks at the library's buffer from outside
	through  atomic.Bool // all reading is the library's from now on

	half bool // owned by the queue: the beginning of a frame is written, and mu is held for the rest

	mu      sync.Mutex
	answer  []byte // to the handshake, until it is written: before all else
	closing bool   // a close frame was written
}

// await waits, between two messages, for what the peer sends next. A pong ends here, and frame is false; anything else is
// the library's to read, and frame is true. It waits with next to nothing on its goroutine's stack, where the library
// would need four times as much; and pongs are nearly all that most peers ever send.
func (s *socket) await() (frame bool, err error) {
	s.awaiting.Lock()
	defer s.awaiting.Unlock()
	if s.through.Load() || s.library.Buffered() > 0 {
		return true, nil
	}
	for len(s.early) == 0 {
		if err := s.fill(); s.through.Load() {
			return true, nil // it was interrupted, or the library will find the same
		} else if err != nil {
			return false, err
		}
	}
	n := pongIn(s.early)
	s.consume(n)
	return n == 0, nil
}

// more reports whether the library should go on reading, as it holds some of what follows, or is to read all there is.
// Only the reader calls it, between two messages.
func (s *socket) more() bool {
	s.awaiting.Lock()
	defer s.awaiting.Unlock()
	return s.through.Load() || s.library.Buffered() > 0
}

// readThrough ends an await, and has all that is read from now on read by the library: a close handshake is its business.
func (s *socket) readThrough() {
	s.through.Store(true)
	if s.awaiting.TryLock() { // nobody awaits, and nobody will
		s.awaiting.Unlock()
		return
	}
	_ = s.Conn.SetReadDeadline(time.Now()) // an await ends with an error that it passes over
	s.awaiting.Lock()
	defer s.awaiting.Unlock()
	_ = s.Conn.SetReadDeadline(time.Time{})
}

// fill waits for bytes, and reads them.
func (s *socket) fill() error {
	s.got, s.failed = 0, nil
	if s.raw == nil {
		s.got, s.failed = s.Conn.Read(s.buffer[:])
	} else if err := s.raw.Read(s.take); err != nil {
		return err
	}
	s.early = s.buffer[:s.got]
	if s.got == 0 && s.failed == nil {
		return io.EOF
	}
	return s.failed
}

// takeOnce reads if there is anything, and says whether that is over.
func (s *socket) takeOnce(fd uintptr) (over bool) {
	s.got, over, s.failed = nowait.Read(fd, s.buffer[:])
	return over
}

func (s *socket) consume(n int) {
	if s.early = s.early[n:]; len(s.early) == 0 {
		s.early = nil
	}
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.early) > 0 {
		n := copy(p, s.early)
		s.consume(n)
		return n, nil
	}
	return s.Conn.Read(p)
}

// Write implements net.Conn, for the library's close frames. It may block, as long as a frame is being written.
func (s *socket) Write(frame []byte) (int, error) {
	const opcode, opClose = 0x0f, 0x8
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(frame) > 0 && frame[0]&opcode == opClose {
		s.closing = true
	}
	if s.answer == nil {
		return s.Conn.Write(frame)
	}
	n, err := s.Conn.Write(s.answeredLocked(frame))
	return min(n, len(frame)), err
}

// answeredLocked puts the answer to the handshake, if that is still to be written, before a frame.
func (s *socket) answeredLocked(frame []byte) []byte {
	if s.answer != nil {
		frame, s.answer = append(s.answer, frame...), nil
	}
	return frame
}

// flushAnswer writes the answer to the handshake, if nothing else took it along. It does not block: nothing was written
// before.
func (s *socket) flushAnswer() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer == nil {
		return nil
	}
	_, err := s.Conn.Write(s.answeredLocked(nil))
	return err
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
	frame = s.answeredLocked(frame)
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
	_, err := s.Conn.Write(s.answeredLocked(rest))
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
	t.n, t.err = nowait.Write(fd, t.frame)
	return true // it is over either way: whoever can wait, waits
}
