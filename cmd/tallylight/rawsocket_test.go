package main

import (
	"bufio"
	numbers "encoding/binary" // binary is the program in this package
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// Opcodes of RFC 6455 §5.2.
const (
	opMore, opText, opBinary  = 0x0, 0x1, 0x2
	opClose, opPing, opPong   = 0x8, 0x9, 0xa
	finBit, maskBit, rsvShift = 0x80, 0x80, 4
)

// rawFrame is a frame as a client sends it, or as it must not. The zero values of what has a name with "not" are the rule.
type rawFrame struct {
	op       byte
	payload  string
	notFinal bool
	rsv      byte   // three bits, of which the highest is RSV1
	unmasked bool   // the mask bit is not set, and there is no key
	key      uint32 // of the mask; 0: one of our own
	claims   uint64 // a length that is not the payload's; 0: it is
}

// bytes encodes the frame (RFC 6455 §5.2).
func (f rawFrame) bytes() string {
	b := []byte{f.op | f.rsv<<rsvShift, maskBit}
	if !f.notFinal {
		b[0] |= finBit
	}
	if f.unmasked {
		b[1] = 0
	}
	size := uint64(len(f.payload))
	if f.claims > 0 {
		size = f.claims
	}
	switch {
	case size <= 125:
		b[1] |= byte(size)
	case size <= 0xffff:
		b[1] |= 126
		b = numbers.BigEndian.AppendUint16(b, uint16(size))
	default:
		b[1] |= 127
		b = numbers.BigEndian.AppendUint64(b, size)
	}
	if f.unmasked {
		return string(b) + f.payload
	}
	if f.key == 0 {
		f.key = 0x37fa213d // that of RFC 6455 §5.7
	}
	b = numbers.BigEndian.AppendUint32(b, f.key)
	key := b[len(b)-4:]
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^key[i%4])
	}
	return string(b)
}

// rawText is a whole text message.
func rawText(payload string) string { return rawFrame{op: opText, payload: payload}.bytes() }

// rawControl is a control frame.
func rawControl(op byte, payload string) string { return rawFrame{op: op, payload: payload}.bytes() }

// rawFragments is a text message in as many fragments as there are parts, with something between each two.
func rawFragments(between string, parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		f := rawFrame{op: opMore, payload: part, notFinal: i < len(parts)-1}
		if i == 0 {
			f.op = opText
		} else {
			b.WriteString(between)
		}
		b.WriteString(f.bytes())
	}
	return b.String()
}

// rawClose is a close frame with a code and a reason (RFC 6455 §5.5.1).
func rawClose(code uint16, reason string) string {
	return rawControl(opClose, string(numbers.BigEndian.AppendUint16(nil, code))+reason)
}

// rawSocket is a client that says whatever it is told to, and looks closely at what it hears.
type rawSocket struct {
	t    *testing.T
	conn *net.TCPConn
	read *bufio.Reader

	said   []string // the replies to messages that came, as rawReply has them
	pongs  []string
	closed *rawEnd // the close frame that came
	cut    error   // why not all could be sent
}

// rawEnd is what a close frame says.
type rawEnd struct {
	code   int // 1005 for none (RFC 6455 §7.4.1)
	reason string
}

// rawPatience is how long anything may take that is to come.
const rawPatience = 10 * time.Second

// rawConnect opens a connection on which nothing was said.
func rawConnect(t *testing.T, addr string) *rawSocket {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(rawPatience))
	return &rawSocket{t: t, conn: conn.(*net.TCPConn), read: bufio.NewReader(conn)}
}

// send writes something in pieces, each with a system call of its own: Go sets TCP_NODELAY. A server that has heard enough
// may end the connection before all is said.
func (s *rawSocket) send(pieces ...string) {
	s.t.Helper()
	for _, piece := range pieces {
		_, err := io.WriteString(s.conn, piece)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			s.cut = err
			return
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// answer reads what is answered to a handshake, with its body unless it is a socket's.
func (s *rawSocket) answer(method string) (r *http.Response, body string) {
	s.t.Helper()
	r, err := http.ReadResponse(s.read, &http.Request{Method: method})
	if err != nil {
		s.t.Fatal(err)
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		return r, ""
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r, string(b)
}

// next reads a frame, and notes what is in it. At the end of the connection it returns io.EOF, or that it was reset.
func (s *rawSocket) next() error {
	s.t.Helper()
	op, payload, err := s.frame()
	if err != nil {
		return err
	}
	if s.closed != nil {
		s.t.Errorf("a frame %x %q after the close frame", op, payload)
	}
	switch op {
	case opText:
		for message := range strings.SplitSeq(payload, "\n") {
			s.said = append(s.said, rawReply(message))
		}
	case opPong:
		s.pongs = append(s.pongs, payload)
	case opPing:
	case opClose:
		s.closed = &rawEnd{code: 1005}
		if len(payload) >= 2 {
			s.closed = &rawEnd{int(numbers.BigEndian.Uint16([]byte(payload))), payload[2:]}
		} else if len(payload) == 1 {
			s.t.Errorf("a close frame with half a code: %q", payload)
		}
	default:
		s.t.Errorf("a frame of kind %x: %q", op, payload)
	}
	return nil
}

// frame reads a frame, and sees that a server may send it (RFC 6455 §5).
func (s *rawSocket) frame() (op byte, payload string, err error) {
	s.t.Helper()
	head := make([]byte, 2, 10)
	if _, err := io.ReadFull(s.read, head); err != nil {
		return 0, "", err
	}
	op = head[0] & 0xf
	if head[0] != finBit|op {
		s.t.Errorf("the frame begins with %x: in pieces, or with a reserved bit", head[0])
	}
	if head[1]&maskBit != 0 {
		s.t.Error("the frame is masked")
	}
	size, least := uint64(head[1]&^maskBit), uint64(0)
	switch size {
	case 126:
		_, err = io.ReadFull(s.read, head[:2])
		size, least = uint64(numbers.BigEndian.Uint16(head)), 126
	case 127:
		_, err = io.ReadFull(s.read, head[:8])
		size, least = numbers.BigEndian.Uint64(head[:8]), 1<<16
	}
	if size < least {
		s.t.Errorf("a length of %d is in more bytes than it needs", size)
	}
	if op >= opClose && size > 125 {
		s.t.Errorf("a control frame has %d bytes", size)
	}
	if err != nil || size > 1<<20 {
		s.t.Fatalf("a frame of %d bytes: %v", size, err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(s.read, b); err != nil {
		s.t.Fatalf("the connection ends within a frame: %v", err)
	}
	if text := op == opText || op == opClose; text && !utf8.Valid(b[min(len(b), 2*int(op/opClose)):]) {
		s.t.Errorf("%q is no UTF-8", b)
	}
	return op, string(b), nil
}

// rawReply is what matters of a server's message: "heartbeat a" answers the heartbeat with id a, "error bad_request" what had
// no id.
func rawReply(message string) string {
	var m struct{ Type, Re, Code string }
	if err := json.Unmarshal([]byte(message), &m); err != nil {
		return fmt.Sprintf("%q, %v", message, err)
	}
	return strings.TrimRight(m.Type+" "+m.Code+m.Re, " ")
}

// until reads frames until a condition holds, or there is a close frame, or no more.
func (s *rawSocket) until(what string, ok func() bool) {
	s.t.Helper()
	for !ok() && s.closed == nil {
		if err := s.next(); err != nil {
			s.t.Fatalf("until %s: %v; it said %q, pongs %q", what, err, s.said, s.pongs)
		}
	}
}

// wantEnd reads to the end of the connection, which must come by itself.
func (s *rawSocket) wantEnd() error {
	s.t.Helper()
	var err error
	for err == nil {
		err = s.next()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	s.t.Fatalf("the connection does not end: %v", err)
	return nil
}
