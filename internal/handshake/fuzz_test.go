package handshake

import (
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// FuzzHandshake looks for bytes that are taken for a handshake, and that a server for HTTP would have refused or understood
// in another way.
func FuzzHandshake(f *testing.F) {
	for _, seed := range []string{
		ask + "\r\n", ask + "X: 1\r\nX: 2\r\n\r\nearly", ask + "X: 1\r\n 2\r\n\r\n", ask + "Host: y\r\n\r\n", ask + "X Y: 1\r\n\r\n",
		"GET /v1/ws?a=%20 HTTP/1.1\r\nhost:[::1]:80\r\nContent-Length: 0\r\n\r\n", "GET /v1/ws HTTP/1.1\nHost: x\n\r\n\r\n",
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
		theirs := understood(said[:len(said)-len(early)])
		if theirs == nil {
			t.Fatalf("%q is no request", said)
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

// understood returns the request as a server for HTTP hands it to its handler, or nil if it does not.
func understood(said []byte) (r *http.Request) {
	own, peer := net.Pipe()
	defer own.Close()
	_ = own.SetDeadline(time.Now().Add(10 * time.Second))
	inner := &one{conn: peer, closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) { r = got })}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(inner) }()
	go func() { _, _ = own.Write(said) }()
	_, _ = io.ReadFull(own, make([]byte, len("HTTP/1.1 200")))
	_ = server.Close()
	<-done
	return r
}
