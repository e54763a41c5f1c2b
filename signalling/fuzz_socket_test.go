//go:build unix

package signalling

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// FuzzSocket has a peer send any bytes in any pieces. Whether they are awaited, were there before the socket was, or end up
// with the library: what is read of them, and what is answered, is what the library alone makes of them in one piece. But for
// two things: where the peer has gone within a message, the library alone would take that for its end, and the reason of a
// close it would say again without looking.
func FuzzSocket(f *testing.F) {
	const pong, long, text = "\x8a\x80abcd", "\x8a\x83abcdxyz", "\x81\x85\x00\x00\x00\x00hello"
	for _, sent := range []string{
		"", pong, long + pong + text, text + pong + text, text + text + long, pong + "\x81\x80abcd" + pong,
		long[:7], long[:1], "\x8a\x00abcd", "\x8a\xfe\x00\x7eabcd", "\x0a\x80abcd", "\xca\x80abcd", // no pongs, or not whole ones
		"\x89\x82\x00\x00\x00\x00hi" + text, "\x88\x80abcd" + text, "\x88\x82\x00\x00\x00\x00\x03\xe8" + pong, "\x88\x81\x00\x00\x00\x00x",
		"\x01\x82\x00\x00\x00\x00he" + pong + "\x80\x83\x00\x00\x00\x00llo" + text, "\x01\x80abcd" + text, // in parts, with a pong between them
		"\x82\x81\x00\x00\x00\x00b" + text, "\x81\xfe\x00\x05\x00\x00\x00\x00hello", "\x81\x05hello", "\x83\x80abcd",
		"\x81\xff\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00", "\x81\xfe\x01\x00\x00\x00\x00\x00" + strings.Repeat("x", readBuffer) + pong + text,
	} {
		for _, cuts := range []string{"", "\x01", "\x06", "\x07\x02\x01", "\xff"} {
			f.Add([]byte(sent), []byte(cuts), false, false)
		}
		f.Add([]byte("\x88\x83O0\xd10A00"), []byte{}, true, false)
		f.Add([]byte(sent), []byte("\x03"), true, false)
		f.Add([]byte(sent), []byte("\x05"), true, true)
	}
	f.Fuzz(func(t *testing.T, sent, cuts []byte, early, kernel bool) {
		if len(sent) > 64<<10 {
			return
		}
		pieces := cut(sent, cuts)
		var first []byte
		if early && len(pieces) > 0 {
			first, pieces = pieces[0], pieces[1:]
		}
		conn, answers := connOf(t, pieces, kernel)
		own, theirs := &hijacked{conn: conn, early: first}, &hijacked{conn: &spoken{pieces: [][]byte{sent}, end: io.ErrUnexpectedEOF, strict: true}}
		got, gotAnswers := readBySocket(t, own), ""
		want := readByLibrary(t, theirs)
		gotAnswers = answers()
		if _, after, found := strings.Cut(gotAnswers, "\r\n\r\n"); found {
			gotAnswers = after
		}
		wantAnswers := theirs.conn.(*spoken).answers.String()
		if !slices.Equal(got, want) || gotAnswers != wantAnswers {
			t.Errorf("%q in %q:\nread %.500q\nwant %.500q\nanswered %q\nwant     %q", sent, pieces, got, want, gotAnswers, wantAnswers)
		}
	})
}

// cut cuts bytes into pieces of these lengths, over and over.
func cut(all, lengths []byte) (pieces [][]byte) {
	for k := 0; len(all) > 0; k++ {
		n := len(all)
		if len(lengths) > 0 {
			n = min(n, max(1, int(lengths[k%len(lengths)])))
		}
		pieces = append(pieces, all[:n])
		all = all[n:]
	}
	return pieces
}

// readBySocket reads as a session does, and returns what it was: messages, and pongs.
func readBySocket(t *testing.T, w *hijacked) (read []string) {
	s := &socket{}
	conn := accept(t, &upgrade{ResponseWriter: w, socket: s}, func() { read = append(read, "pong") })
	defer conn.CloseNow()
	if err := s.flushAnswer(); err != nil {
		t.Fatal(err)
	}
	for {
		switch frame, err := s.await(); {
		case err != nil:
			return read
		case !frame:
			read = append(read, "pong")
			continue
		}
		for more := true; more; more = s.more() {
			kind, message, err := conn.Read(context.Background())
			if err != nil {
				return read
			}
			read = append(read, fmt.Sprint(kind, " ", string(message)))
		}
	}
}

// readByLibrary is readBySocket without the socket.
func readByLibrary(t *testing.T, w http.ResponseWriter) (read []string) {
	conn := accept(t, w, func() { read = append(read, "pong") })
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(context.Background())
		if err != nil {
			return read
		}
		read = append(read, fmt.Sprint(kind, " ", string(message)))
	}
}

func accept(t *testing.T, w http.ResponseWriter, ponged func()) *websocket.Conn {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake)))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OnPongReceived: func(context.Context, []byte) { ponged() }})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(MaxFrame)
	return conn
}

// hijacked is the answer to a handshake whose connection is taken over, with what was read from it before.
type hijacked struct {
	conn   net.Conn
	early  []byte
	header http.Header
}

func (h *hijacked) Header() http.Header {
	if h.header == nil {
		h.header = make(http.Header)
	}
	return h.header
}
func (h *hijacked) WriteHeader(int)             {}
func (h *hijacked) Write(p []byte) (int, error) { return len(p), nil }
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(h.early), h.conn), max(len(h.early), 16))
	_, _ = r.Peek(len(h.early))
	return h.conn, bufio.NewReadWriter(r, bufio.NewWriter(h.conn)), nil
}

// connOf returns a connection from which these pieces are read until it ends, and what was written to it once nobody does
// any more. In the kernel, one piece may become one with the next; otherwise each is read by itself.
func connOf(t *testing.T, pieces [][]byte, kernel bool) (_ net.Conn, answers func() string) {
	t.Helper()
	if !kernel {
		conn := &spoken{pieces: pieces, end: io.EOF}
		return conn, conn.answers.String
	}
	own, peer := socketPair(t)
	var written bytes.Buffer
	var talking sync.WaitGroup
	talking.Go(func() { _, _ = io.Copy(&written, peer) })
	talking.Go(func() {
		for _, piece := range pieces {
			if _, err := peer.Write(piece); err != nil {
				return
			}
		}
		_ = peer.CloseWrite()
	})
	return own, func() string {
		_ = own.Close()
		talking.Wait()
		_ = peer.Close()
		return written.String()
	}
}

func socketPair(t *testing.T) (own net.Conn, peer *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for k, fd := range fds {
		file := os.NewFile(uintptr(fd), "")
		if ends[k], err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
	return ends[0], ends[1].(*net.UnixConn)
}

// spoken is a connection on which all was said already that is to be read, and each piece is read by itself.
type spoken struct {
	pieces  [][]byte
	answers bytes.Buffer
	closed  bool
	end     error // what comes after the last piece
	strict  bool  // a close frame that repeats a reason of the peer's which is no text is another one
}

func (s *spoken) Read(p []byte) (int, error) {
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.pieces) == 0:
		return 0, s.end
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}
func (s *spoken) Write(p []byte) (int, error) {
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.strict && len(p) > 4 && p[0] == 0x88 && !utf8.Valid(p[4:]) {
		p = []byte("\x88\x14\x03\xeftext must be UTF-8")
	}
	return s.answers.Write(p)
}
func (s *spoken) Close() error                   { s.closed = true; return nil }
func (*spoken) LocalAddr() net.Addr              { return pipeAddr{} }
func (*spoken) RemoteAddr() net.Addr             { return pipeAddr{} }
func (*spoken) SetDeadline(time.Time) error      { return nil }
func (*spoken) SetReadDeadline(time.Time) error  { return nil }
func (*spoken) SetWriteDeadline(time.Time) error { return nil }
