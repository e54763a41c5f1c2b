package deploy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/internal/testserver"
)

// node is a stand-in for one of ours.
type node struct {
	addr  string
	asked atomic.Int64
}

func newNode(t *testing.T, h http.HandlerFunc) *node {
	t.Helper()
	n := &node{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	n.addr = s.Listener.Addr().String()
	return n
}

// draining answers as a node that takes nobody any more.
func draining(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "draining", http.StatusServiceUnavailable)
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

// front runs nginx as shipped in front of nodes, and returns its address.
func front(t *testing.T, nodes ...string) string {
	t.Helper()
	return testserver.Nginx(t, testserver.ShippedNginx(t, readFile(t, "nginx.conf"), nodes...)).Addr
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func ask(t *testing.T, method, url string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t, 20*time.Second), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// tries is more than there are workers and nodes together, so that each worker meets each node.
const tries = 20

func TestNginxHasItsDefaultTimeouts(t *testing.T) {
	for line := range strings.Lines(string(readFile(t, "nginx.conf"))) {
		directive, _, _ := strings.Cut(line, "#")
		if strings.Contains(directive, "timeout ") && !strings.Contains(directive, "proxy_next_upstream") {
			t.Errorf("nginx.conf sets a timeout: %s", strings.TrimSpace(line))
		}
	}
}

func TestNginxPassesWebSockets(t *testing.T) {
	one, two := newNode(t, echo), newNode(t, draining)
	addr := front(t, one.addr, two.addr)
	for range tries {
		ctx := within(t, 20*time.Second)
		conn, _, err := websocket.Dial(ctx, "ws://"+addr+"/v1/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		for _, message := range []string{"a heartbeat", strings.Repeat("a session description ", 1000)} {
			if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.Read(ctx); err != nil || string(got) != message {
				t.Fatalf("got %d bytes back of %d, %v", len(got), len(message), err)
			}
		}
	}
	if two.asked.Load() == 0 {
		t.Error("the node that drains was never asked, so this shows nothing about it")
	}
}

func TestNginxAsksTheNextNode(t *testing.T) {
	gone := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	drained := newNode(t, draining)
	for name, bad := range map[string]string{"a node that is gone": gone, "a node that drains": drained.addr} {
		good := newNode(t, fine)
		addr := front(t, bad, good.addr)
		for range tries {
			if response := ask(t, "GET", "http://"+addr); response.StatusCode != http.StatusOK {
				t.Errorf("%s: a GET gets %s", name, response.Status)
			}
		}
		if good.asked.Load() != tries {
			t.Errorf("%s: the other was asked %d times, want %d", name, good.asked.Load(), tries)
		}
	}
	if drained.asked.Load() == 0 {
		t.Error("the node that drains was never asked, so this shows nothing about it")
	}
}

// What a POST asks for may have been done, though the answer is bad.
func TestNginxSendsAPostOnce(t *testing.T) {
	one, two := newNode(t, draining), newNode(t, fine)
	addr := front(t, one.addr, two.addr)
	refused := int64(0)
	for range tries {
		if ask(t, "POST", "http://"+addr).StatusCode == http.StatusServiceUnavailable {
			refused++
		}
	}
	if one.asked.Load()+two.asked.Load() != tries || refused != one.asked.Load() || refused == 0 {
		t.Errorf("the nodes were asked %d and %d times for %d POSTs, and %d were refused",
			one.asked.Load(), two.asked.Load(), tries, refused)
	}
}

// A client must learn from the nodes themselves why and how long they take nobody, also when all of them say so, and no
// such answer may keep others from what the nodes still do.
func TestNginxPassesOnThatAllNodesRefuse(t *testing.T) {
	some := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			draining(w, r)
		} else {
			fine(w, r)
		}
	}
	addr := front(t, newNode(t, some).addr, newNode(t, some).addr)
	for range tries {
		response := ask(t, "GET", "http://"+addr+"/readyz")
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "5" {
			t.Fatalf("where all refuse: %s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
		}
		if response := ask(t, "GET", "http://"+addr+"/v1/live"); response.StatusCode != http.StatusOK {
			t.Fatalf("what they do not refuse: %s", response.Status)
		}
	}
}

func TestNginxSaysWhoAsks(t *testing.T) {
	headers := make(chan http.Header, 1)
	note := func(_ http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		h.Set("Host", r.Host)
		headers <- h
	}
	addr := front(t, newNode(t, note).addr, newNode(t, note).addr)
	want := func(name, value string, h http.Header) {
		t.Helper()
		if got := strings.Join(h.Values(name), " and "); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}

	ask(t, "GET", "http://"+addr)
	h := <-headers
	want("X-Forwarded-For", "127.0.0.1", h)
	want("X-Forwarded-Proto", "http", h)
	want("Host", addr, h)
	want("Upgrade", "", h)

	ask(t, "GET", "http://"+addr, func(r *http.Request) {
		r.Host = "live.example:8443"
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		r.Header.Set("X-Forwarded-Proto", "https")
	})
	h = <-headers
	want("X-Forwarded-For", "203.0.113.7, 127.0.0.1", h)
	want("X-Forwarded-Proto", "http", h)
	want("Host", "live.example:8443", h)
}

func TestNginxPassesEventsAtOnce(t *testing.T) {
	arrived := make(chan bool)
	stream := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // as web/stream.go does
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select { // the next is sent when this one was read
			case <-arrived:
			case <-r.Context().Done():
				return
			}
		}
	}
	addr := front(t, newNode(t, stream).addr, newNode(t, stream).addr)
	lines := bufio.NewScanner(ask(t, "GET", "http://"+addr+"/v1/live/stream").Body)
	for i := range 3 {
		for lines.Scan() && lines.Text() == "" {
		}
		if want := fmt.Sprintf("data: %d", i); lines.Text() != want {
			t.Fatalf("got %q, %v, want %q", lines.Text(), lines.Err(), want)
		}
		arrived <- true
	}
}
