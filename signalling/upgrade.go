package signalling

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
)

// upgrade gives the library a small socket in place of net/http's connection, and keeps its answer to the handshake for
// the socket to write: together with welcome, if that follows at once. That saves each newcomer a write, a wake-up of its
// client, and what net/http does for an answer that has no body.
type upgrade struct {
	http.ResponseWriter
	socket *socket
	status int // that the library has answered with
}

var _ http.Hijacker = (*upgrade)(nil)

// WriteHeader implements http.ResponseWriter.
func (u *upgrade) WriteHeader(status int) { u.status = status }

// Write implements http.ResponseWriter. All that the library writes is why it refuses: a problem document, as ours are.
func (u *upgrade) Write(why []byte) (int, error) {
	header := u.Header()
	if header.Get("Sec-WebSocket-Version") != "" { // it asks for another one, with a status that does not say so (RFC 6455 §4.4)
		u.status = http.StatusUpgradeRequired
	}
	if u.status == http.StatusUpgradeRequired { // to what, it must say (RFC 9110 §15.5.22)
		header.Set("Connection", "Upgrade")
		header.Set("Upgrade", "websocket")
	}
	refusal := problem{Status: u.status, Code: CodeBadRequest, Detail: string(bytes.TrimSpace(why))}
	refusal.write(u.ResponseWriter)
	return len(why), nil
}

// Hijack implements http.Hijacker. What net/http has read beyond the request, because the client did not wait for our
// answer, would be lost with its buffer: the socket has it read again.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	early = bytes.Clone(early)
	if b, ok := conn.(begun); ok {
		var rest []byte
		conn, rest = b.Unwrap()
		early = append(early, rest...)
	}
	s := u.socket
	if err := s.use(conn, early); err != nil {
		return nil, nil, err
	}
	if u.status == http.StatusSwitchingProtocols {
		s.answer = switching(u.Header())
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(kernelBuffer)
	}
	return s, bufio.NewReadWriter(s.library, bufio.NewWriterSize(s, libraryWriter)), nil
}

// begun is a connection that was read from before net/http had it. Unwrap returns the connection itself, and what is still
// to be read before it.
type begun interface{ Unwrap() (net.Conn, []byte) }

// switching returns the answer to a handshake that succeeded (RFC 6455 §4.2.2).
func switching(header http.Header) []byte {
	answer := bytes.NewBuffer(make([]byte, 0, 256))
	answer.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = header.Write(answer) // a buffer takes everything
	answer.WriteString("\r\n")
	return answer.Bytes()
}
