package signalling

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

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
	// What is used for every write stands together, next to the queue: of ten thousand sockets none is in the processor's
	// memory when its turn comes, and each line of it that is needed is waited for.
	half    bool // owned by the queue: the beginning of a frame is written, and mu is held for the rest
	direct  bool // there is a raw
	closing bool // guarded by mu: a close frame was written
	mu      sync.Mutex
	writer  nowait.Writer // open if direct
	answer  []byte        // guarded by mu: to the handshake, until it is written: before all else

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
}

// use has the socket read from and write to a connection, of which early was read before.
func (s *socket) use(conn net.Conn, early []byte) (err error) {
	s.Conn, s.early, s.library = conn, early, bufio.NewReaderSize(s, libraryReader)
	s.take = s.takeOnce
	if s.raw, err = nowait.Of(conn); s.raw == nil || err != nil {
		return err
	}
	s.direct = true
	return s.writer.Open(s.raw)
}

// Close implements net.Conn.
func (s *socket) Close() error {
	s.writer.Close()
	return s.Conn.Close()
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
	n, err := s.Conn.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // which the library does not take for a message's end
	}
	return n, err
}

// Write implements net.Conn, for the library's close frames. It may block, as long as a frame is being written.
func (s *socket) Write(frame []byte) (int, error) {
	size := len(frame)
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > 0 && frame[0] == closeFrame {
		s.closing = true
		if !utf8.Valid(reasonIn(frame)) { // the peer's: the library says it again without looking (RFC 6455 §8.1)
			frame = appendClose(nil, causeNoText.code, causeNoText.reason)
		}
	}
	if _, err := s.Conn.Write(s.answeredLocked(frame)); err != nil {
		return 0, err
	}
	return size, nil
}

// lingering is how long a peer that has broken the protocol has to read so, and to close the connection.
const lingering = 5 * time.Second

// fail tells a peer that it has broken the protocol, unless the library has, and waits until it has gone. Whatever it still
// says is dropped (RFC 6455 §7.1.7). Closed at once, with some of that unread, the connection would be reset, and the close
// frame lost with it (§7.1.1). Only the reader calls it, and reads no more.
func (s *socket) fail(code websocket.StatusCode, reason string) {
	_ = s.Conn.SetDeadline(time.Now().Add(lingering))
	if s.mayClose() {
		_, _ = s.Write(appendClose(nil, code, reason)) // the peer may be gone
	}
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	for rest := make([]byte, 1<<10); ; {
		if _, err := s.Conn.Read(rest); err != nil {
			return
		}
	}
}

// mayClose reports whether no close frame was written.
func (s *socket) mayClose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing
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
func (s *socket) attempt(frame []byte) (rest []byte, err error) {
	if !s.direct || !s.mu.TryLock() {
		return frame, nil
	}
	if s.closing {
		s.mu.Unlock()
		return nil, net.ErrClosed
	}
	frame = s.answeredLocked(frame)
	n, err := s.writer.Write(frame)
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
