package handshake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// handler takes the connection over if it is asked for, and says what it was asked.
func handler(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("then") {
	case "panic":
		panic("a bug")
	case "abort":
		panic(http.ErrAbortHandler)
	case "panic later":
		_, _, _ = http.NewResponseController(w).Hijack()
		panic("a bug")
	case "echo":
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrHijacked) {
			panic(err)
		}
		go func() {
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			if b, ok := conn.(begun); ok {
				own, rest := b.Unwrap()
				_, _ = io.Copy(own, io.MultiReader(io.LimitReader(rw, int64(rw.Reader.Buffered())), strings.NewReader(string(rest)), own))
				return
			}
			_, _ = io.Copy(conn, rw)
		}()
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Own", "kept")
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusServiceUnavailable)
	w.WriteHeader(http.StatusOK) // too late
	fmt.Fprintf(w, "%s %s %s %q %q", r.Method, r.URL, r.Host, r.Header["X"], body)
}

type begun interface{ Unwrap() (net.Conn, []byte) }

// served is a server with handshakes taken out, which it counts, or without.
type served struct {
	t      *testing.T
	addr   string
	stop   func()
	inside *Listener
	passed atomic.Int64 // requests that came to the server for HTTP
	given  atomic.Int64 // connections that did
}

func serve(t *testing.T, taken bool, patience time.Duration, change ...func(*Config)) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, addr: l.Addr().String()}
	if taken {
		cfg := Config{Path: "/v1/ws", Handler: http.HandlerFunc(handler), Patience: patience, Logger: quiet}
		for _, c := range change {
			c(&cfg)
		}
		s.inside = Listen(l, cfg)
		l = s.inside
	}
	server := &http.Server{ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError), ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.passed.Add(1)
		handler(w, r)
	}), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.given.Add(1)
		}
	}}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	s.stop = func() { _ = server.Close(); <-done }
	t.Cleanup(s.stop)
	return s
}

// dial returns a connection to the server.
func (s *served) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// say sends parts, the second once the first was read, and returns what is answered.
func (s *served) say(parts ...string) string {
	s.t.Helper()
	given := s.given.Load()
	conn := s.dial()
	for k, part := range parts {
		for deadline := time.Now().Add(10 * time.Second); k > 0 && s.given.Load() == given; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				s.t.Fatal("what has begun is no handshake, and nobody was given it")
			}
		}
		if _, err := io.WriteString(conn, part); err != nil {
			s.t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil && time.Since(at).Abs() > time.Minute {
		s.t.Errorf("its date is %s", at)
	}
	for _, header := range []string{"Date", "Connection"} {
		response.Header.Del(header)
	}
	return fmt.Sprint(response.Status, response.Header, string(body), err)
}

const ask = "GET /v1/ws HTTP/1.1\r\nHost: x\r\n"

// Whatever is said, it is answered as a server for HTTP would answer; and only what is plainly a handshake does not get
// as far as to one.
func TestListenerAnswersLikeHTTP(t *testing.T) {
	own, http := serve(t, true, 10*time.Second), serve(t, false, 10*time.Second)
	long := strings.Repeat("x", longestRequest)
	for _, test := range []struct {
		name   string
		taken  bool
		said   []string
		status string // 503 is the handler's
	}{
		{"a handshake", true, []string{ask + "X: 1\r\nx: 2\r\n\r\n"}, "503"},
		{"one with a query", true, []string{"GET /v1/ws?a=b%20c HTTP/1.1\r\nHost: x:80\r\n\r\n"}, "503"},
		{"one of IPv6", true, []string{"GET /v1/ws HTTP/1.1\r\nhOSt:[::1]:80\r\n\r\n"}, "503"},
		{"one with something early", true, []string{ask + "\r\n\x81\x80"}, "503"},
		{"one that ends", true, []string{ask + "Connection: close\r\n\r\n"}, "503"},
		{"one in parts", false, []string{ask, "X: 1\r\n\r\n"}, "503"},
		{"a long one", false, []string{ask + "X: " + long + "\r\n\r\n"}, "503"},
		{"of HTTP/1.0", false, []string{"GET /v1/ws HTTP/1.0\r\nHost: x\r\n\r\n"}, "503"},
		{"of HTTP/1.2", false, []string{"GET /v1/ws HTTP/1.2\r\nHost: x\r\n\r\n"}, "503"},
		{"of HTTP/3.0", false, []string{"GET /v1/ws HTTP/3.0\r\nHost: x\r\n\r\n"}, "505"},
		{"of no version", false, []string{"GET /v1/ws\r\nHost: x\r\n\r\n"}, "400"},
		{"another path", false, []string{"GET /v1/wsx HTTP/1.1\r\nHost: x\r\n\r\n"}, "503"},
		{"a path below", false, []string{"GET /v1/ws/ HTTP/1.1\r\nHost: x\r\n\r\n"}, "503"},
		{"an absolute path", false, []string{"GET http://x/v1/ws HTTP/1.1\r\nHost: x\r\n\r\n"}, "503"},
		{"another method", false, []string{"POST /v1/ws HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"}, "503"},
		{"an odd method", false, []string{"get /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n"}, "503"},
		{"a body", false, []string{ask + "Content-Length: 2\r\n\r\nhi"}, "503"},
		{"an empty body", true, []string{ask + "Content-Length: 0\r\n\r\n"}, "503"},
		{"a body in parts", false, []string{ask + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"}, "503"},
		{"an odd encoding", false, []string{ask + "Transfer-Encoding: gzip\r\n\r\n"}, "501"},
		{"an odd length", false, []string{ask + "Content-Length: x\r\n\r\n"}, "400"},
		{"an expectation", false, []string{ask + "Expect: wonders\r\n\r\n"}, "417"},
		{"no host", false, []string{"GET /v1/ws HTTP/1.1\r\n\r\n"}, "400"},
		{"two hosts", false, []string{ask + "Host: y\r\n\r\n"}, "400"},
		{"an odd host", false, []string{"GET /v1/ws HTTP/1.1\r\nHost: x y\r\n\r\n"}, "400"},
		{"an empty host", false, []string{"GET /v1/ws HTTP/1.1\r\nHost:\r\n\r\n"}, "503"},
		{"an odd name", false, []string{ask + "X Y: 1\r\n\r\n"}, "400"},
		{"a name of nothing", false, []string{ask + ": 1\r\n\r\n"}, "400"},
		{"a value with a zero", false, []string{ask + "X: \x00\r\n\r\n"}, "400"},
		{"a header without a value", false, []string{ask + "X\r\n\r\n"}, "400"},
		{"a header that goes on", false, []string{ask + "X: 1\r\n 2\r\n\r\n"}, "503"},
		{"a header that goes on as Host", false, []string{ask + "X: 1\r\n Host: y\r\n\r\n"}, "503"},
		{"lines that end oddly", false, []string{"GET /v1/ws HTTP/1.1\nHost: x\n\n"}, "503"},
		{"an odd query", true, []string{"GET /v1/ws?% HTTP/1.1\r\nHost: x\r\n\r\n"}, "503"},
		{"an odd escape", false, []string{"GET /v1/ws?\x7f HTTP/1.1\r\nHost: x\r\n\r\n"}, "400"},
		{"TLS", false, []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}, "400"},
		{"nothing that anybody knows", false, []string{"hello\r\n\r\n"}, "400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			passed := own.passed.Load()
			got, want := own.say(test.said...), http.say(test.said...)
			if got != want || !strings.HasPrefix(got, test.status) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if handled := strings.HasPrefix(got, "503") && own.passed.Load() == passed; handled != test.taken {
				t.Errorf("taken out: %t, want %t", handled, test.taken)
			}
		})
	}
}

// Who takes the connection over gets all that came with the request, and what comes later, wherever it was handled.
func TestListenerKeepsWhatCameEarly(t *testing.T) {
	s := serve(t, true, 10*time.Second)
	echo := "GET /v1/ws?then=echo HTTP/1.1\r\nHost: x\r\n"
	for name, said := range map[string][]string{
		"nothing":                 {echo + "\r\n"},
		"something":               {echo + "\r\nearly"},
		"more than was read":      {echo + "\r\n" + strings.Repeat("early", 10_000)},
		"with a request in parts": {echo, "\r\n" + strings.Repeat("early", 10_000)},
		"with a long request":     {echo + "X: " + strings.Repeat("x", longestRequest) + "\r\n\r\nearly"},
		"more with a long one":    {echo + "X: " + strings.Repeat("x", longestRequest-200) + "\r\n\r\n" + strings.Repeat("early", 10_000)},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dial()
			for _, part := range said {
				if _, err := io.WriteString(conn, part); err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Millisecond)
			}
			all := strings.Join(said, "")
			_, want, _ := strings.Cut(all, "\r\n\r\n")
			want += "late"
			read := bufio.NewReader(conn)
			if _, err := http.ReadResponse(read, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "late"); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(read, got); err != nil || string(got) != want {
				t.Errorf("%d bytes came back, want %d, %v", len(got), len(want), err)
			}
		})
	}
}

// A client that said more than it should have before it was refused still learns so.
func TestListenerRefusesWithoutReset(t *testing.T) {
	s := serve(t, true, 10*time.Second)
	for range 20 {
		conn := s.dial()
		if _, err := io.WriteString(conn, ask+"\r\n"+strings.Repeat("early", 100_000)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
			t.Fatalf("%q, %v", answer, err)
		}
	}
}

// Bugs of the handler end a connection, and nothing else.
func TestListenerSurvivesPanics(t *testing.T) {
	s := serve(t, true, 10*time.Second)
	for _, then := range []string{"panic", "abort", "panic%20later"} {
		conn := s.dial()
		if _, err := io.WriteString(conn, "GET /v1/ws?then="+then+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
			t.Errorf("%s: %q, %v", then, answer, err)
		}
	}
	if got := s.say(ask + "\r\n"); !strings.HasPrefix(got, "503") {
		t.Errorf("afterwards: %s", got)
	}
}

// A connection that says nothing is not kept for ever, and one that ends before it has said anything is no request.
func TestListenerLosesPatience(t *testing.T) {
	s := serve(t, true, time.Second)
	if rest, err := io.ReadAll(s.dial()); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	conn := s.dial()
	_ = conn.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if s.passed.Load() > 0 {
		t.Error("that was a request")
	}
	// Patience is for the request; who is let in may be silent for as long as they like.
	conn = s.dial()
	if _, err := io.WriteString(conn, "GET /v1/ws?then=echo HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if _, err := io.WriteString(conn, "here"); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(got), "here") {
		t.Errorf("%q, %v", got, err)
	}
}

// Who is passed on may take as long as whoever accepts them says.
func TestListenerPassesWithoutDeadline(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const patience = time.Second
	l := Listen(inner, Config{Path: "/v1/ws", Handler: http.NotFoundHandler(), Patience: patience, Logger: quiet})
	defer l.Close()
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "POST "); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.AfterFunc(2*patience, func() { _, _ = io.WriteString(client, "/"); _ = client.Close() })
	if said, err := io.ReadAll(conn); string(said) != "POST /" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// A listener that is closed leaves nobody behind who has not been accepted, and lets those be whose connection was taken
// over.
func TestListenerCloses(t *testing.T) {
	s := serve(t, true, time.Minute)
	taken := s.dial()
	if _, err := io.WriteString(taken, "GET /v1/ws?then=echo HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewReader(taken)
	if _, err := http.ReadResponse(read, nil); err != nil {
		t.Fatal(err)
	}
	silent := s.dial()
	if got := s.say(ask + "\r\n"); !strings.HasPrefix(got, "503") { // so that the first was accepted as well
		t.Fatal(got)
	}
	began := time.Now()
	s.stop()
	if rest, err := io.ReadAll(silent); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := io.WriteString(taken, "here"); err != nil {
		t.Error(err)
	}
	if got, err := read.Peek(4); string(got) != "here" {
		t.Errorf("who was let in: %q, %v", got, err)
	}
	if _, err := s.inside.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("then Accept returned %v", err)
	}
	if err := s.inside.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("somebody listens")
	}
}

// What the listener below says is told, and it is asked again.
func TestListenerTellsErrors(t *testing.T) {
	inner := &failing{errs: []error{errors.New("one"), errors.New("two")}}
	l := Listen(inner, Config{Path: "/v1/ws", Handler: http.NotFoundHandler(), Patience: time.Minute, Logger: quiet})
	for _, want := range []string{"one", "two", net.ErrClosed.Error()} {
		if _, err := l.Accept(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

type failing struct{ errs []error }

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}
func (*failing) Close() error   { return nil }
func (*failing) Addr() net.Addr { return &net.TCPAddr{} }

// What has no file of its own is passed on.
func TestListenerPassesPipes(t *testing.T) {
	own, peer := net.Pipe()
	defer own.Close()
	inner := &one{conn: peer, closed: make(chan struct{})}
	l := Listen(inner, Config{Path: "/v1/ws", Handler: http.NotFoundHandler(), Patience: time.Minute, Logger: quiet})
	conn, err := l.Accept()
	if given, ok := conn.(*Begun); !ok || given.Conn != peer || err != nil {
		t.Errorf("%v, %v", conn, err)
	}
	_ = l.Close()
}

// one is a listener of one connection.
type one struct {
	conn   net.Conn
	closed chan struct{}
}

func (o *one) Accept() (net.Conn, error) {
	if conn := o.conn; conn != nil {
		o.conn = nil
		return conn, nil
	}
	<-o.closed
	return nil, net.ErrClosed
}
func (o *one) Close() error { close(o.closed); return nil }
func (*one) Addr() net.Addr { return &net.TCPAddr{} }
