package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// socketPath is where a node has its sockets.
const socketPath = "/v1/ws"

// target is a node, or what stands before several.
type target struct {
	url     string // as it was given
	address string // host and port to connect to
	host    string // as Host
	path    string
	tls     *tls.Config // nil: without
}

// parseTarget takes what may be given as a URL.
func parseTarget(text string) (target, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return target{}, fmt.Errorf("%q is not an address such as ws://localhost:8080", text)
	}
	t := target{url: text, host: u.Host, path: u.RequestURI()}
	port := u.Port()
	switch u.Scheme {
	case "ws", "http":
		if port == "" {
			port = "80"
		}
	case "wss", "https":
		t.tls = &tls.Config{ServerName: u.Hostname()}
		if port == "" {
			port = "443"
		}
	default:
		return target{}, fmt.Errorf("%q must begin with ws://, wss://, http:// or https://", text)
	}
	if u.Path == "" || u.Path == "/" {
		t.path = socketPath
	}
	t.address = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// dialer opens sockets to the targets in turn, from its addresses in turn.
type dialer struct {
	targets []target
	sources []net.Addr // *net.TCPAddr; none: the system chooses
}

// dial opens the n-th socket. It ends with the context, which is for this alone. Refusals are *refused.
func (d *dialer) dial(ctx context.Context, n int, token string) (*socket, error) {
	t := d.target(n)
	from := net.Dialer{KeepAlive: -1} // the protocol's own pings do that
	if len(d.sources) > 0 {
		from.LocalAddr = d.sources[n/len(d.targets)%len(d.sources)]
	}
	conn, err := from.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	if t.tls != nil {
		conn = tls.Client(conn, t.tls)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	s, err := handshake(conn, t, token)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// target is where the n-th socket goes.
func (d *dialer) target(n int) target { return d.targets[n%len(d.targets)] }

// refused is a handshake that got another answer than 101.
type refused struct {
	status       int
	code, detail string
	retryAfter   time.Duration
}

func (r *refused) Error() string {
	return strings.TrimSpace(fmt.Sprintf("refused with %d %s %s", r.status, r.code, r.detail))
}

// readers are for handshakes, which end before much is read.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func handshake(conn net.Conn, t target, token string) (*socket, error) {
	var nonce [16]byte
	binary.NativeEndian.PutUint64(nonce[:], rand.Uint64())
	binary.NativeEndian.PutUint64(nonce[8:], rand.Uint64())
	key := base64.StdEncoding.EncodeToString(nonce[:])
	request := "GET " + t.path + " HTTP/1.1\r\nHost: " + t.host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Protocol: tallylight.v1\r\n" +
		"Authorization: Bearer " + token + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	reader := readers.Get().(*bufio.Reader)
	defer func() { reader.Reset(nil); readers.Put(reader) }()
	reader.Reset(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, refusalOf(response)
	}
	if response.Header.Get("Sec-WebSocket-Accept") != acceptOf(key) {
		return nil, errors.New("the answer's Sec-WebSocket-Accept is wrong: this is no WebSocket server")
	}
	early, _ := reader.Peek(reader.Buffered())
	return newSocket(conn, early), nil
}

// acceptOf answers a key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func refusalOf(response *http.Response) *refused {
	r := &refused{status: response.StatusCode}
	var problem struct{ Code, Detail string }
	body, _ := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if json.NewDecoder(bytes.NewReader(body)).Decode(&problem) == nil {
		r.code, r.detail = problem.Code, problem.Detail
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.retryAfter = time.Duration(seconds) * time.Second
	}
	return r
}

// kindOf names why there is no connection, for counting.
func kindOf(err error) string {
	if r, ok := errors.AsType[*refused](err); ok {
		return strconv.Itoa(r.status)
	}
	if c, ok := errors.AsType[closed](err); ok {
		return "closed " + strconv.Itoa(c.code)
	}
	if e, ok := errors.AsType[*failure](err); ok {
		return e.code
	}
	var timeout net.Error
	switch {
	case errors.Is(err, errFrame), errors.Is(err, errTooLarge):
		return "protocol"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "connection lost"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return "no free port"
	case errors.Is(err, syscall.EMFILE):
		return "open files"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
