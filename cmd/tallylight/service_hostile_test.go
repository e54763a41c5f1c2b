package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/usage"
	"github.com/tallylight/tallylight/signalling"
)

// siege is a node under attack, and those who use it as it is meant.
type siege struct {
	t       *testing.T
	node    *process
	viewers int

	published atomic.Int64
	heard     atomic.Int64
	lost      atomic.Int64 // connections of those who did nothing wrong

	mu    sync.Mutex
	phase string
	took  delays
	peak  map[string]int64 // resident bytes, by phase
}

// TestHostileClients attacks a node in every way that costs the attacker little, while others use it. None of those loses a
// connection or a message, and what the node takes of memory has a bound, and is given back. How much longer they wait is
// for a person to read: attackers are on the same machine.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	s := &siege{t: t, viewers: 50, took: make(delays), peak: make(map[string]int64)}
	scale := func(short, long int) int {
		if soak() {
			return long
		}
		return short
	}
	s.viewers = scale(50, 300)
	s.node = start(t, "--ping-interval", "4s", "--max-handshakes", "5000")
	stop := s.use()
	calm := time.Duration(scale(1, 20)) * time.Second
	s.in("calm", func() { time.Sleep(calm) })
	attacks := []struct {
		name string
		n    int
		run  func(n int)
	}{
		{"slow handshakes", scale(200, 4000), s.slowHandshakes},
		{"slow bodies", scale(100, 1000), s.slowBodies},
		{"sockets without hello", scale(300, 10_000), s.silent},
		{"a byte a second", scale(50, 500), s.byteByByte},
		{"slow readers", scale(20, 200), s.slowReaders},
		{"compression bombs", scale(100, 2000), s.bombs},
		{"junk frames", scale(20_000, 1_000_000), s.junk},
	}
	if soak() {
		for _, a := range attacks {
			s.in(a.name, func() { a.run(a.n) })
			s.in("after "+a.name, func() { time.Sleep(calm) })
		}
	} else {
		s.in("all at once", func() { // most of them only wait
			var running sync.WaitGroup
			for _, a := range attacks {
				running.Go(func() { a.run(a.n) })
			}
			running.Wait()
		})
	}
	stop()
	base := s.peak["calm"]
	for phase, peak := range s.peak {
		// What is there of a connection costs 10 KiB, of a request 20; the frames that are on their way are bounded by their number.
		if bound := base + 96<<20 + int64(scale(300, 10_000))*24<<10; peak > bound {
			t.Errorf("%s: the node took %d MiB, where it took %d before", phase, peak>>20, base>>20)
		}
	}
	if lost := s.lost.Load(); lost > 0 {
		t.Errorf("%d of those who did nothing wrong lost their connection", lost)
	}
	if got, want := s.heard.Load(), s.published.Load()*int64(s.viewers); got != want {
		t.Errorf("%d events were heard, want %d", got, want)
	}
	var memory strings.Builder
	for phase, peak := range s.peak {
		fmt.Fprintf(&memory, "\n%-40s %4d MiB", phase, peak>>20)
	}
	t.Logf("from publishing to hearing, with %d viewers:\n%s\nmemory:%s", s.viewers, s.took.table(), memory.String())
}

// in does something under a name.
func (s *siege) in(phase string, do func()) {
	s.t.Helper()
	s.mu.Lock()
	s.phase = phase
	s.mu.Unlock()
	do()
}

// use has viewers in a room, and a backend that says something there. It returns what ends that, once all have heard all.
func (s *siege) use() (stop func()) {
	s.t.Helper()
	done := make(chan struct{})
	for i := range s.viewers {
		c := s.node.dial(fmt.Sprint("viewer-", i), func(c *signalling.ClientConfig) {
			c.OnMessage = func(m signalling.Message) {
				if m.Type == "event" {
					s.hear(m)
				}
			}
		}).Client
		if _, err := c.Join(within(s.t, 20*time.Second), signalling.Join{Room: "stage"}); err != nil {
			s.t.Fatal(err)
		}
		go func() {
			<-c.Done()
			select {
			case <-done:
			default:
				s.lost.Add(1)
			}
		}()
	}
	backend := token(s.t, "backend", backendScope)
	var using sync.WaitGroup
	using.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			body := fmt.Sprintf(`{"event":"x.tick","data":%d}`, time.Now().UnixNano())
			if status := s.node.post("/v1/rooms/stage/events", backend, body); status != http.StatusCreated {
				s.t.Errorf("publishing: %d", status)
				continue
			}
			s.published.Add(1)
			s.weigh()
		}
	})
	return func() {
		s.t.Helper()
		s.node.eventually("all have heard all", 20*time.Second, func() bool { return s.heard.Load() == s.published.Load()*int64(s.viewers) })
		close(done)
		using.Wait()
		s.node.eventually("and what was said last", 20*time.Second, func() bool { return s.heard.Load() == s.published.Load()*int64(s.viewers) })
	}
}

func (s *siege) hear(m signalling.Message) {
	var e struct{ Data int64 }
	if err := m.Decode(&e); err != nil {
		s.t.Error(err)
		return
	}
	took := time.Since(time.Unix(0, e.Data))
	s.mu.Lock()
	s.took.add(s.phase, took)
	s.mu.Unlock()
	s.heard.Add(1) // in the end: who waits for it reads the rest
}

// weigh notes what the node takes.
func (s *siege) weigh() {
	resident, err := usage.Resident(s.node.cmd.Process.Pid)
	if err != nil {
		return // not on this system
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peak[s.phase] = max(s.peak[s.phase], resident)
}

// each runs n attackers, a thousand more each second, from as many addresses as it takes for none to have more than 500.
func (s *siege) each(n int, attack func(i int, conn net.Conn)) {
	var attacking sync.WaitGroup
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for i := range n {
		<-pace.C
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/500))}, Timeout: 20 * time.Second}
		conn, err := dialer.Dial("tcp", s.node.addr)
		if err != nil {
			s.t.Errorf("attacker %d: %v", i, err)
			continue
		}
		attacking.Go(func() {
			defer conn.Close()
			attack(i, conn)
		})
	}
	attacking.Wait()
}

// drip says something, and then a piece more each second, until the peer has had enough. It returns when that was.
func (s *siege) drip(conn net.Conn, begin, piece string, patience time.Duration) {
	begun := time.Now()
	_, err := io.WriteString(conn, begin)
	for ; err == nil; _, err = io.WriteString(conn, piece) {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := io.Copy(io.Discard, conn); !isTimeout(err) {
			break // it was closed
		}
		if took := time.Since(begun); took > patience {
			s.t.Errorf("%.30q and a piece a second: still open after %s", begin, took)
			return
		}
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func (s *siege) slowHandshakes(n int) {
	s.each(n, func(i int, conn net.Conn) {
		begin := []string{"", "G", "GET /v1/ws HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: "}[i%4]
		s.drip(conn, begin, []string{"", "E", "X: 1\r\n", "x"}[i%4], 2*requestWithin)
	})
}

func (s *siege) slowBodies(n int) {
	service := token(s.t, "backend", backendScope)
	s.each(n, func(i int, conn net.Conn) {
		head := "POST /v1/rooms/slow/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
		if i%2 == 0 {
			head += "Authorization: Bearer " + service + "\r\n"
		}
		s.drip(conn, head+"\r\n{", " ", 3*requestWithin)
	})
}

// slowReaders ask for much, and take none of it. What they are owed fits into the kernel's buffers here: what is seen is that
// nobody else waits.
func (s *siege) slowReaders(n int) {
	s.each(n, func(_ int, conn net.Conn) {
		_ = conn.(*net.TCPConn).SetReadBuffer(1)
		_, _ = io.WriteString(conn, strings.Repeat("GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 5))
		time.Sleep(2 * time.Second)
	})
}

const handshakeHead = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func (s *siege) silent(n int) {
	var open atomic.Int64
	s.each(n, func(_ int, conn net.Conn) {
		if _, err := io.WriteString(conn, handshakeHead+"\r\n"); err != nil {
			s.t.Error(err)
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(40 * time.Second))
		all, err := io.ReadAll(conn)
		if !strings.HasPrefix(string(all), "HTTP/1.1 101") {
			return // there was no room for it: that is a bound, too
		}
		if open.Add(1); isTimeout(err) || !bytes.Contains(all, []byte("no hello in time")) {
			s.t.Errorf("a socket that says nothing: %.200q, %v", all, err)
		}
	})
	if open.Load() < int64(n)/2 {
		s.t.Errorf("of %d sockets %d were let in: there was no attack", n, open.Load())
	}
}

// byteByByte sends a message of 100 KB that will take a day.
func (s *siege) byteByByte(n int) {
	s.each(n, func(i int, conn net.Conn) {
		head := handshakeHead + "Authorization: Bearer " + token(s.t, fmt.Sprint("slow-", i)) + "\r\n\r\n"
		frame := rawFrame{op: opText, claims: 100_000}.bytes()
		s.drip(conn, head+frame, "x", time.Minute) // it can't answer a ping within its frame
	})
}

func (s *siege) bombs(n int) {
	var deflated, gzipped bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err != nil {
		s.t.Fatal(err)
	}
	z := gzip.NewWriter(&gzipped)
	for range 64 { // of a megabyte each
		_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
		_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	_ = w.Flush()
	_ = z.Close()
	bomb := rawFrame{op: opText, rsv: 4, payload: deflated.String()}.bytes()
	service := token(s.t, "backend", backendScope)
	s.each(n, func(i int, conn net.Conn) {
		ask := fmt.Sprintf("POST /v1/rooms/bomb/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", service, gzipped.Len(), gzipped.String())
		want := "HTTP/1.1 400"
		if i%2 == 0 {
			ask = handshakeHead + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\nAuthorization: Bearer " + token(s.t, fmt.Sprint("bomb-", i)) + "\r\n\r\n" + bomb
			want = "RFC 6455 forbids this"
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, ask)
		all, _ := io.ReadAll(conn)
		if strings.Contains(string(all), "permessage-deflate") {
			s.t.Error("compression was negotiated")
		}
		if !strings.Contains(string(all), want) && !strings.HasPrefix(string(all), "HTTP/1.1 413") && !strings.Contains(string(all), "\x03\xea") {
			s.t.Errorf("a bomb was answered with %.300q, want %s", all, want)
		}
	})
}

// junk sends so many frames that are none, or none that mean anything, over as many connections as are closed for it.
func (s *siege) junk(n int) {
	rnd := rand.New(rand.NewPCG(1, 1))
	batches := make([]string, 64) // made before: the attack is not to cost more here than there
	for i := range batches {
		var batch strings.Builder
		for range junkBatch {
			batch.WriteString(junkFrame(rnd))
		}
		batches[i] = batch.String()
	}
	var sent, connections atomic.Int64
	var attacking sync.WaitGroup
	for i := range 4 {
		attacking.Go(func() {
			for sent.Load() < int64(n) {
				connections.Add(1)
				sent.Add(s.junkOnce(i, batches))
			}
		})
	}
	attacking.Wait()
	s.t.Logf("%d junk frames were sent over %d connections", sent.Load(), connections.Load())
}

const junkBatch = 50

// junkOnce connects and sends junk until it is cut off: 20,000 frames a second over the four.
func (s *siege) junkOnce(i int, batches []string) (sent int64) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(1+i))}, Timeout: 20 * time.Second}
	conn, err := dialer.Dial("tcp", s.node.addr)
	if err != nil {
		s.t.Error(err)
		return 1
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	head := handshakeHead
	if i%2 == 0 {
		head += "Authorization: Bearer " + token(s.t, fmt.Sprint("junk-", i), func(c *auth.Claims) { c.Grants = nil }) + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return 0
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for n := rand.IntN(len(batches)); ; n++ {
		<-pace.C
		if _, err := io.WriteString(conn, batches[n%len(batches)]); err != nil {
			return sent
		}
		sent += junkBatch
	}
}

// junkFrame is what is taken for a frame, for the most part.
func junkFrame(rnd *rand.Rand) string {
	payload := make([]byte, rnd.IntN(200))
	for i := range payload {
		payload[i] = byte(' ' + rnd.IntN(95))
	}
	f := rawFrame{op: opText, payload: string(payload), key: rnd.Uint32()}
	switch rnd.IntN(20) {
	case 0:
		f.op = opPing
		f.payload = f.payload[:min(len(f.payload), 125)]
	case 1:
		f.payload = `{"type":"heartbeat"}`
	case 2:
		f.payload = `{"type":"` + f.payload[:min(len(f.payload), 20)] + `"}`
	case 3:
		f.payload = strings.Repeat("[", 4000)
	case 4:
		f.payload = `{"type":"join","room":"` + strings.Repeat("x", 2000) + `"}`
	case 5:
		if rnd.IntN(20) == 0 {
			f.op, f.rsv = byte(rnd.IntN(16)), byte(rnd.IntN(8))
		}
	}
	return f.bytes()
}
