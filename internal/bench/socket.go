package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// smallBuffer holds a frame with one event of usual size; whoever has more to read borrows a large one for it.
	smallBuffer = 1 << 10
	largeBuffer = 64 << 10
	// maxFrame is far above what a node sends: at most 128 KiB of missed events, and a snapshot around them.
	maxFrame = 4 << 20
	// writeTimeout bounds a write to a node that has stopped reading.
	writeTimeout = 10 * time.Second
)

// Opcodes (RFC 6455 §5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// socket is the client's end of a WebSocket. One goroutine reads; any may write.
//
// It is not coder/websocket, because the load shares its machine with the server. In BenchmarkDelivery (300 bytes to each
// of 250 connections, one core, medians of six runs) a delivery took 10.7 µs of CPU, the server's write of about 5
// included; 12.7 when it was waited for by next, as any net.Conn would be; and 14.2 with the library's Reader. The rest is
// in the kernel.
type socket struct {
	conn    net.Conn
	looking atomic.Bool // until the reader has looked for an end

	// Owned by the reader.
	buf        []byte // buf[begin:end] is read and not yet taken
	begin, end int
	small      []byte
	borrowed   *[]byte // of large, when buf is that
	partial    []byte  // of a message in several frames
	readAt     int64   // micros when the last read returned
}

// large lends buffers to those who need them for a moment.
var large = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}

// newSocket takes over a connection after the handshake; early is what was read beyond it, and is copied.
func newSocket(conn net.Conn, early []byte) *socket {
	s := &socket{conn: conn, small: make([]byte, smallBuffer), readAt: micros()}
	s.buf = s.small
	s.makeRoom(len(early))
	s.end = copy(s.buf, early)
	return s
}

// closed is a close frame.
type closed struct {
	code   int // 1005: it had none
	reason string
}

func (c closed) Error() string { return fmt.Sprintf("closed with %d %q", c.code, c.reason) }

var (
	errFrame    = errors.New("the node sent a frame that RFC 6455 rules out")
	errTooLarge = errors.New("the node sent a frame of more than 4 MiB")
)

// next waits for the next text message, which is valid until the socket is read again. It answers pings. A close frame is
// answered and returned as closed.
func (s *socket) next() ([]byte, error) {
	for {
		message, need, err := s.message()
		if message != nil || err != nil {
			return message, err
		}
		for s.end-s.begin < need {
			s.makeRoom(need)
			got, err := s.conn.Read(s.buf[s.end:])
			if got > 0 {
				s.came(got)
			} else if err != nil {
				return nil, err
			}
		}
	}
}

// pull is each by way of next.
func (s *socket) pull(take func([]byte)) error {
	for {
		message, err := s.next()
		if err != nil {
			return err
		}
		take(message)
	}
}

// came notes that so many bytes were read into the buffer just now.
func (s *socket) came(n int) {
	s.readAt = micros()
	s.end += n
}

// message returns the next text message of those that were read. If there is none, it says how many bytes the buffer must
// hold before there may be.
func (s *socket) message() (message []byte, need int, err error) {
	for {
		first, payload, need, err := s.frame()
		if need > 0 || err != nil {
			return nil, need, err
		}
		op, final := first&0xF, first&0x80 != 0
		switch {
		case op >= opClose && (!final || len(payload) > 125):
			err = errFrame
		case op == opPing:
			err = s.write(opPong, payload)
		case op == opClose:
			err = s.closing(payload)
		case op == opPong:
		case final && op == opText && s.partial == nil:
			return payload, 0, nil
		case op == opText && s.partial == nil, op == opContinuation && s.partial != nil:
			s.partial = append(append([]byte{}, s.partial...), payload...) // not nil, even if nothing is in it yet
			if final {
				whole := s.partial
				s.partial = nil
				return whole, 0, nil
			}
		default:
			err = errFrame
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// frame takes the next frame of those that were read, or says how many bytes the buffer must hold to go on.
func (s *socket) frame() (first byte, payload []byte, need int, err error) {
	s.release()
	have := s.buf[s.begin:s.end]
	if len(have) < 2 {
		return 0, nil, 2, nil
	}
	first = have[0]
	head, size := 2, uint64(have[1])
	switch size {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	switch {
	case first&0x70 != 0, have[1]&0x80 != 0: // reserved bits; a server's frame that is masked (§5.1)
		return 0, nil, 0, errFrame
	case len(have) < head:
		return 0, nil, head, nil
	case head == 4:
		size = uint64(binary.BigEndian.Uint16(have[2:]))
	case head == 10:
		size = binary.BigEndian.Uint64(have[2:])
	}
	if size > maxFrame || len(s.partial) > maxFrame {
		return 0, nil, 0, errTooLarge
	}
	whole := head + int(size)
	if len(have) < whole {
		return 0, nil, whole, nil
	}
	s.begin += whole
	return first, have[head:whole:whole], 0, nil
}

// makeRoom sees that n bytes from begin on have room.
func (s *socket) makeRoom(n int) {
	if s.begin+n <= len(s.buf) {
		return
	}
	unread, old := s.buf[s.begin:s.end], s.borrowed
	switch {
	case n <= len(s.buf):
	case n <= largeBuffer:
		s.borrowed = large.Get().(*[]byte)
		s.buf = *s.borrowed
	default:
		s.borrowed, s.buf = nil, make([]byte, n)
	}
	s.begin, s.end = 0, copy(s.buf, unread)
	if old != nil && old != s.borrowed {
		large.Put(old)
	}
}

// release begins anew in the small buffer once everything is taken.
func (s *socket) release() {
	if s.begin < s.end {
		return
	}
	s.begin, s.end = 0, 0
	if len(s.buf) == len(s.small) {
		return
	}
	s.buf = s.small
	if s.borrowed != nil {
		large.Put(s.borrowed)
		s.borrowed = nil
	}
}

// closing answers a close frame (§5.5.1).
func (s *socket) closing(payload []byte) error {
	_ = s.write(opClose, payload)
	if len(payload) < 2 {
		return closed{code: 1005}
	}
	return closed{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
}

var frames = sync.Pool{New: func() any { b := make([]byte, 0, smallBuffer); return &b }}

// write sends one frame, masked as a client must (§5.3), in one write.
func (s *socket) write(op byte, payload []byte) error {
	lent := frames.Get().(*[]byte)
	defer frames.Put(lent)
	frame := append((*lent)[:0], 0x80|op)
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n <= 0xFFFF:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	var mask [4]byte
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32())
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i&3])
	}
	*lent = frame
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(frame)
	return err
}

// text sends a message.
func (s *socket) text(message []byte) error { return s.write(opText, message) }

// leave begins the closing handshake; the reader gets the answer.
func (s *socket) leave() { _ = s.write(opClose, []byte{1000 >> 8, 1000 & 0xFF}) }

// drop ends the connection without a word.
func (s *socket) drop() { _ = s.conn.Close() }

// began is what time is counted from: it goes on evenly, whatever happens to the clock.
var began = time.Now()

// micros is now, in microseconds since 1970.
func micros() int64 { return began.UnixMicro() + time.Since(began).Microseconds() }
