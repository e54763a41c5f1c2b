package handshake

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// FuzzHandshake looks for bytes that are taken for a handshake, and that a server for HTTP would have refused or understood
// in another way. What is left over must be the same too: nobody may say a request that one of the two takes for what
// comes after it.
func FuzzHandshake(f *testing.F) {
	for _, seed := range []string{
		ask + "\r\n", ask + "X: 1\r\nX: 2\r\n\r\nearly", ask + "X: 1\r\n 2\r\n\r\n", ask + "Host: y\r\n\r\n", ask + "X Y: 1\r\n\r\n",
		"GET /v1/ws?a=%20 HTTP/1.1\r\nhost:[::1]:80\r\nContent-Length: 0\r\n\r\n", "GET /v1/ws HTTP/1.1\nHost: x\n\r\n\r\n",
		ask + "X: a\rb\r\n\r\n", ask + "X: a\r\r\n\r\n", ask + "\r\n\r\nGET /v1/ws HTTP/1.1\r\nHost: y\r\n\r\n", ask + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
		ask + "Content-Length: 5\r\n\r\nearly", ask + "Transfer-Encoding: identity\r\n\r\n", ask + "Content-Length: +0\r\n\r\n", ask + "Upgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n",
		"GET /v1/ws HTTP/1.1\r\nX: 1\r\n\r\n", "GET /v1/ws HTTP/1.1\r\nHost:\r\n\r\n",
		"GET /v1/ws  HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v1/ws HTTP/1.1\r\nHost : x\r\n\r\n", "GET /v1/ws HTTP/1.1\r\nHost: x\r\nX:\xff\r\n\r\n\x81\x80abcd",
		"GET /v1/ws?%zz#x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	l := &Listener{cfg: Config{Path: "/v1/ws"}}
	c := &clerk{}
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > longestRequest {
			return
		}
		mine, early := l.handshake(said, c)
		if mine == nil {
			return
		}
		theirs, left := understood(said)
		if theirs == nil {
			t.Fatalf("%q is no request", said)
		}
		if string(left) != string(early) {
			t.Errorf("%q leaves %q, want %q", said, early, left)
		}
		if !bytes.HasSuffix(said, early) || len(early) == len(said) {
			t.Errorf("%q leaves %q", said, early)
		}
		for what, pair := range map[string][2]any{
			"method": {mine.Method, theirs.Method}, "URL": {mine.URL, theirs.URL}, "path": {mine.RequestURI, theirs.RequestURI},
			"host": {mine.Host, theirs.Host}, "header": {mine.Header, theirs.Header}, "version": {mine.Proto, theirs.Proto},
			"length": {mine.ContentLength, theirs.ContentLength}, "trailer": {mine.Trailer, theirs.Trailer}, "close": {mine.Close, theirs.Close},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%q: %s is %v, want %v", said, what, pair[0], pair[1])
			}
		}
	})
}

// understood returns the request as a server for HTTP hands it to its handler, or nil if it does not, and what it leaves for
// whoever takes the connection over.
func understood(said []byte) (r *http.Request, left []byte) {
	own, peer := net.Pipe()
	defer own.Close()
	_ = own.SetDeadline(time.Now().Add(10 * time.Second))
	inner := &one{conn: peer, closed: make(chan struct{})}
	taken := make(chan struct{})
	server := &http.Server{ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		defer close(taken)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		r = got
		left, _ = io.ReadAll(rw)
		_ = conn.Close()
	}), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed { // it was refused
			close(taken)
		}
	}}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(inner) }()
	_, _ = own.Write(said)
	_ = own.Close()
	<-taken
	_ = server.Close()
	<-done
	return r, left
}
