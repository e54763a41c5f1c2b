package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/coder/websocket"
)

// frameOf is a frame as a server sends it.
func frameOf(first byte, payload []byte) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	return append(frame, payload...)
}

// wire is a connection on which bytes come as a reader gives them; what is written is kept.
type wire struct {
	net.Conn // for what is not needed here
	io.Reader
	bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error)  { return w.Reader.Read(p) }
func (w *wire) Write(p []byte) (int, error) { return w.Buffer.Write(p) }
func (w *wire) Close() error                { return nil }

func newWire(r io.Reader) *wire {
	client, _ := net.Pipe() // takes deadlines
	return &wire{Conn: client, Reader: r}
}

func TestFramesOfAllSizesHoweverTheyCome(t *testing.T) {
	var sent [][]byte
	var stream []byte
	for i, size := range []int{0, 1, 125, 126, 300, smallBuffer - 4, smallBuffer, 65535, 65536, 300_000, 10, 10, 2000, 10} {
		message := bytes.Repeat([]byte{byte('a' + i)}, size)
		sent = append(sent, message)
		if size == 2000 { // in three frames, with a ping between
			stream = append(stream, frameOf(opText, message[:700])...)
			stream = append(stream, frameOf(0x80|opPing, []byte("are you there?"))...)
			stream = append(stream, frameOf(opContinuation, message[700:700])...)
			stream = append(stream, frameOf(0x80|opContinuation, message[700:])...)
			continue
		}
		stream = append(stream, frameOf(0x80|opText, message)...)
	}
	for name, reader := range map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"by halves":    iotest.HalfReader(bytes.NewReader(stream)),
	} {
		for _, early := range []int{0, 3, 5000} { // bytes that came with the handshake
			if early > 0 && name != "at once" {
				continue
			}
			w := newWire(reader)
			if early > 0 {
				w.Reader = bytes.NewReader(stream[early:])
			}
			s := newSocket(w, stream[:early])
			for i, want := range sent {
				got, err := s.next()
				if err != nil {
					t.Fatalf("%s, %d early: message %d: %v", name, early, i, err)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("%s, %d early: message %d has %d bytes %.20q…, want %d %.20q…", name, early, i, len(got), got, len(want), want)
				}
			}
			if _, err := s.next(); !errors.Is(err, io.EOF) {
				t.Errorf("%s: after the last: %v", name, err)
			}
			if pong := unmask(t, w.Bytes()); pong != "are you there?" || w.Bytes()[0] != 0x80|opPong {
				t.Errorf("%s: the ping was answered with %q", name, pong)
			}
			if s.borrowed != nil || len(s.buf) != smallBuffer {
				t.Errorf("%s: it keeps a large buffer", name)
			}
		}
	}
}

// unmask returns the payload of a short frame from a client.
func unmask(t *testing.T, frame []byte) string {
	t.Helper()
	if len(frame) < 6 || frame[1]&0x80 == 0 || len(frame) != 6+int(frame[1]&0x7F) {
		t.Fatalf("%x is no short masked frame", frame)
	}
	payload := bytes.Clone(frame[6:])
	for i := range payload {
		payload[i] ^= frame[2+i%4]
	}
	return string(payload)
}

func TestFramesThatAreRuledOut(t *testing.T) {
	for name, frame := range map[string][]byte{
		"masked":                       {0x80 | opText, 0x80 | 1, 1, 2, 3, 4, 5},
		"a reserved bit":               frameOf(0xC0|opText, []byte("a")),
		"an unknown opcode":            frameOf(0x83, []byte("a")),
		"binary":                       frameOf(0x82, []byte("a")),
		"a ping in parts":              frameOf(opPing, []byte("a")),
		"a long ping":                  frameOf(0x80|opPing, make([]byte, 126)),
		"a continuation of nothing":    frameOf(0x80|opContinuation, []byte("a")),
		"a text within a text":         append(frameOf(opText, []byte("a")), frameOf(0x80|opText, []byte("b"))...),
		"a text within one that is ''": append(frameOf(opText, nil), frameOf(0x80|opText, []byte("b"))...),
	} {
		if _, err := newSocket(newWire(bytes.NewReader(frame)), nil).next(); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := binary.BigEndian.AppendUint64([]byte{0x80 | opText, 127}, maxFrame+1)
	if _, err := newSocket(newWire(bytes.NewReader(huge)), nil).next(); !errors.Is(err, errTooLarge) {
		t.Errorf("a huge frame: %v", err)
	}
}

func TestCloseFramesAreAnswered(t *testing.T) {
	for want, payload := range map[closed]string{{4410, "too slow"}: "\x11\x3atoo slow", {1005, ""}: ""} {
		w := newWire(bytes.NewReader(frameOf(0x80|opClose, []byte(payload))))
		_, err := newSocket(w, nil).next()
		if got, ok := errors.AsType[closed](err); !ok || got != want {
			t.Errorf("got %v, want %v", err, want)
		}
		if got := unmask(t, w.Bytes()); got != payload || w.Bytes()[0] != 0x80|opClose {
			t.Errorf("it was answered with %q", got)
		}
	}
}

// What we send is what another's server reads, and the other way round.
func TestSocketWithALibrarysServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		conn.SetReadLimit(-1)
		for {
			kind, message, err := conn.Read(context.Background())
			if err != nil {
				if got := websocket.CloseStatus(err); got != websocket.StatusNormalClosure {
					t.Errorf("the server reads %v, want a close with 1000", err)
				}
				return
			}
			_ = conn.Write(context.Background(), kind, message)
		}
	}))
	defer server.Close()
	s := dialTest(t, server.URL)
	defer s.drop()
	for _, size := range []int{0, 1, 125, 126, 70_000, 3} {
		want := strings.Repeat("é", size)
		if err := s.text([]byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := s.next()
		if err != nil || string(got) != want {
			t.Fatalf("%d bytes came back for %d, %v", len(got), len(want), err)
		}
	}
	s.leave()
	if _, err := s.next(); err != (closed{1000, ""}) {
		t.Errorf("leaving ended with %v", err)
	}
}

func dialTest(t *testing.T, url string) *socket {
	t.Helper()
	at, err := parseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := (&dialer{targets: []target{at}}).dial(t.Context(), 0, "token")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadingAllocatesNothing(t *testing.T) {
	frame := frameOf(0x80|opText, make([]byte, 300))
	s := newSocket(newWire(&loop{data: frame}), nil)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := s.next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// loop gives the same bytes again and again.
type loop struct {
	data []byte
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.at:])
	l.at = (l.at + n) % len(l.data)
	return n, nil
}

// BenchmarkDelivery is one event to each of 250 connections: the server's write and the client's read together. The time
// is for all of them; the CPU's is for one.
func BenchmarkDelivery(b *testing.B) {
	for name, read := range map[string]func(conn net.Conn, got func()){
		"each": func(conn net.Conn, got func()) { _ = newSocket(conn, nil).each(func([]byte) { got() }) },
		"next": func(conn net.Conn, got func()) { _ = newSocket(conn, nil).pull(func([]byte) { got() }) },
		"library": func(conn net.Conn, got func()) {
			client := &http.Client{Transport: upgraded{conn}}
			ws, _, err := websocket.Dial(context.Background(), "ws://example.com", &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				b.Error(err)
				return
			}
			buf := make([]byte, smallBuffer)
			for {
				_, message, err := ws.Reader(context.Background())
				for err == nil {
					_, err = message.Read(buf)
				}
				if err != io.EOF {
					return
				}
				got()
			}
		},
	} {
		b.Run(name, func(b *testing.B) { benchmarkDelivery(b, read) })
	}
}

// upgraded answers a handshake without a server, over a connection that is there already.
type upgraded struct{ conn net.Conn }

func (u upgraded) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: u.conn.(io.ReadWriteCloser), Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {acceptOf(r.Header.Get("Sec-WebSocket-Key"))},
	}}, nil
}

func benchmarkDelivery(b *testing.B, read func(conn net.Conn, got func())) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const connections = 250
	var servers [connections]net.Conn
	var all, readers sync.WaitGroup
	for i := range servers {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if servers[i], err = l.Accept(); err != nil {
			b.Fatal(err)
		}
		readers.Go(func() { read(conn, all.Done) })
	}
	frame := frameOf(0x80|opText, make([]byte, 300))
	before, rounds := takeSample(nil), 0
	for b.Loop() {
		all.Add(connections)
		for _, server := range servers {
			if _, err := server.Write(frame); err != nil {
				b.Fatal(err)
			}
		}
		all.Wait()
		rounds++
	}
	if used, ok := takeSample(nil).cpuSince(before, os.Getpid()); ok {
		b.ReportMetric(float64(used.Microseconds())/float64(rounds*connections), "µs-cpu/delivery")
	}
	for _, server := range servers {
		_ = server.Close()
	}
	readers.Wait()
}
