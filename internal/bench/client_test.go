package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// node is one that does wrong as a test wants it. Everybody is in one room.
type node struct {
	t *testing.T
	// refuse answers the n-th handshake, from 1, if it returns true.
	refuse func(n int64, w http.ResponseWriter) bool
	// say returns what the n-th connection, from 1, is sent when somebody publishes the event of an offset; nil is what is
	// right.
	say func(n, offset int64, right string) []string
	// join returns what the n-th connection is sent when it joins; nil is what is right.
	join func(n int64, right string) []string

	connections atomic.Int64
	sinces      sync.Map // positions that joins named, by connection
	mu          sync.Mutex
	offset      int64
	members     map[*websocket.Conn]int64
}

func (f *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := f.connections.Add(1)
	if f.refuse != nil && f.refuse(n, w) {
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer func() {
		f.mu.Lock()
		delete(f.members, conn)
		f.mu.Unlock()
		_ = conn.CloseNow()
	}()
	f.send(conn, `{"type":"welcome","heartbeat_ms":50000}`)
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		var m struct {
			Type, ID, Room string
			Data           json.RawMessage
			Since          position
		}
		if err := json.Unmarshal(frame, &m); err != nil {
			f.t.Errorf("the bench sends %s: %v", frame, err)
		}
		if m.Type == "join" {
			f.sinces.Store(n, m.Since)
		}
		f.handle(conn, n, m.Type, m.ID, m.Room, string(m.Data))
	}
}

func (f *node) handle(conn *websocket.Conn, n int64, kind, id, room, data string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch kind {
	case "join":
		f.members[conn] = n
		right := fmt.Sprintf(`{"type":"joined","re":%q,"room":%q,"epoch":"e","offset":%d}`, id, room, f.offset)
		if f.join != nil {
			f.send(conn, f.join(n, right)...)
		} else {
			f.send(conn, right)
		}
	case "publish":
		f.offset++
		right := fmt.Sprintf(`{"type":"event","room":%q,"epoch":"e","offset":%d,"event":"x.bench","at":1,"data":%s}`, room, f.offset, data)
		for member, n := range f.members {
			if f.say != nil {
				f.send(member, f.say(n, f.offset, right)...)
			} else {
				f.send(member, right)
			}
		}
		f.send(conn, fmt.Sprintf(`{"type":"ok","re":%q,"epoch":"e","offset":%d}`, id, f.offset))
	default:
		f.send(conn, fmt.Sprintf(`{"type":"ok","re":%q}`, id))
	}
}

// send writes messages in one frame. "close 4410" closes.
func (f *node) send(conn *websocket.Conn, messages ...string) {
	if len(messages) == 1 && strings.HasPrefix(messages[0], "close ") {
		var code websocket.StatusCode
		_, _ = fmt.Sscanf(messages[0], "close %d", &code)
		go func() { _ = conn.Close(code, "") }() // it waits for the answer
		return
	}
	if len(messages) > 0 {
		_ = conn.Write(context.Background(), websocket.MessageText, []byte(strings.Join(messages, "\n")))
	}
}

// against measures a node that does wrong: a streamer, who is connection 1, and viewers who come after.
func against(t *testing.T, f *node, change func(*Config)) Report {
	t.Helper()
	f.t, f.members = t, map[*websocket.Conn]int64{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return bench(t, config(func(c *Config) {
		c.URLs, c.Viewers, c.Rate, c.For = []string{server.URL}, 2, 20, 500*time.Millisecond
		if change != nil {
			change(c)
		}
	}))
}

func TestBenchFindsWhatIsWrong(t *testing.T) {
	right := func(_, _ int64, right string) []string { return []string{right} }
	for _, tt := range []struct {
		name  string
		say   func(n, offset int64, right string) []string
		wrong wrong
		says  string
		few   int64 // deliveries that do not count
	}{
		{"nothing", right, wrong{}, "", 0},
		{"one viewer does not get one event", func(n, offset int64, right string) []string {
			if n == 2 && offset == 4 {
				return nil
			}
			return []string{right}
		}, wrong{lost: 1}, "1 deliveries were lost", 1},
		{"one viewer does not get the last two", func(n, offset int64, right string) []string {
			if n == 2 && offset > 8 {
				return nil
			}
			return []string{right}
		}, wrong{lost: 2}, "2 deliveries were lost", 2},
		{"everybody gets one twice, in a frame", func(_, offset int64, right string) []string {
			if offset == 4 {
				return []string{right, right}
			}
			return []string{right}
		}, wrong{repeated: 3}, "3 deliveries came twice", 0},
		{"the epoch changes and nobody says so", func(n, offset int64, right string) []string {
			if n == 3 && offset == 10 {
				return []string{strings.Replace(right, `"epoch":"e"`, `"epoch":"f"`, 1)}
			}
			return []string{right}
		}, wrong{strayed: 1}, "no snapshot announced", 0},
		{"the epoch changes with a snapshot", func(n, offset int64, right string) []string {
			if n == 3 && offset == 10 {
				return []string{`{"type":"joined","room":"r","epoch":"f","offset":9}`, strings.Replace(right, `"epoch":"e"`, `"epoch":"f"`, 1)}
			}
			return []string{right}
		}, wrong{}, "", 0},
		{"spaces in the JSON", func(_, _ int64, right string) []string {
			return []string{strings.ReplaceAll(right, `":`, `": `)}
		}, wrong{}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			report := against(t, &node{say: tt.say}, func(c *Config) {
				if tt.few > 1 {
					c.patience = time.Second // it waits in vain
				}
			})
			if got := (wrong{report.Lost, report.Repeated, report.Strayed}); got != tt.wrong {
				t.Errorf("got %+v, want %+v", got, tt.wrong)
			}
			if got, want := report.Publish.Deliveries, 3*10-tt.few; got != want {
				t.Errorf("%d deliveries, want %d", got, want)
			}
			wantBroken(t, report, tt.says)
		})
	}
}

func wantBroken(t *testing.T, report Report, says string) {
	t.Helper()
	switch err := report.Broken(); {
	case says == "" && err != nil:
		t.Errorf("broken: %v", err)
	case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
		t.Errorf("broken: %v, want %q", err, says)
	}
}

func TestRefusedConnectIsTriedAgain(t *testing.T) {
	began := time.Now()
	report := against(t, &node{refuse: func(n int64, w http.ResponseWriter) bool {
		if n != 2 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}}, nil)
	if report.Retries["503"] != 1 || report.Connect.Joined != 3 {
		t.Errorf("retries are %v, %d joined", report.Retries, report.Connect.Joined)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it was tried again after %s, and the node had asked for 1 s", took)
	}
	wantBroken(t, report, "")
}

func TestWhatCanNotGetBetterEndsTheBench(t *testing.T) {
	for name, tt := range map[string]struct {
		node *node
		says string
	}{
		"a token that is refused": {&node{refuse: func(_ int64, w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"code":"unauthorized","detail":"bad signature"}`))
			return true
		}}, "--jwt-secret"},
		"no such path": {&node{refuse: func(_ int64, w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusNotFound)
			return true
		}}, "--url"},
		"a join that is forbidden": {&node{join: func(n int64, right string) []string {
			if n == 2 {
				return []string{`{"type":"error","re":"join","code":"forbidden","message":"no grant"}`}
			}
			return []string{right}
		}}, "forbidden"},
	} {
		tt.node.t, tt.node.members = t, map[*websocket.Conn]int64{}
		server := httptest.NewServer(tt.node)
		_, err := Run(t.Context(), config(func(c *Config) { c.URLs = []string{server.URL} }))
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want what names %s", name, err, tt.says)
		}
		server.Close()
	}
	if _, err := Run(t.Context(), config(nil)); err == nil || !strings.Contains(err.Error(), "--url") {
		t.Errorf("an address that nobody listens on: %v", err)
	}
}

func TestJoinThatIsUnavailableIsTriedAgain(t *testing.T) {
	report := against(t, &node{join: func(n int64, right string) []string {
		if n == 1 {
			return []string{`{"type":"error","re":"join","code":"unavailable","message":"try again"}`}
		}
		return []string{right}
	}}, func(c *Config) { c.Viewers, c.Streamers, c.Rate = 2, 0, 0 })
	if report.Connect.Joined != 2 || report.Retries["unavailable"] != 1 || report.Errors["unavailable"] != 1 {
		t.Errorf("got %+v, retries %v, errors %v", report.Connect, report.Retries, report.Errors)
	}
}

func TestClosesAreCounted(t *testing.T) {
	report := against(t, &node{say: func(n, offset int64, right string) []string {
		if n == 2 && offset == 5 {
			return []string{"close 4410"}
		}
		return []string{right}
	}}, nil)
	if report.Closes["closed 4410"] != 1 || report.Lost != 0 {
		t.Errorf("closes are %v, %d lost", report.Closes, report.Lost)
	}
	wantBroken(t, report, "1 connections ended by themselves")
}

// Whoever comes back must get exactly what was missed: here one event too few, and then all.
func TestReconnectHoldsRecoveryAgainstPositions(t *testing.T) {
	event := func(offset int64) string { return fmt.Sprintf(`{"type":"event","epoch":"e","offset":%d}`, offset) }
	for _, tt := range []struct {
		name   string
		events []string
		wrong  wrong
	}{
		{"all", []string{event(11)}, wrong{}},
		{"nothing", nil, wrong{lost: 2}},
		{"one that was known", []string{event(10), event(11)}, wrong{repeated: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := &node{join: func(n int64, right string) []string {
				if n <= 3 {
					return []string{right}
				}
				return []string{strings.TrimSuffix(right, "}") + `,"recovered":true,"events":[` + strings.Join(tt.events, ",") + `]}`}
			}}
			report := against(t, node, func(c *Config) { c.Reconnect = true })
			if got := (wrong{report.Lost, report.Repeated, report.Strayed}); got != tt.wrong {
				t.Errorf("got %+v, want %+v", got, tt.wrong)
			}
			if r := report.Reconnect; r.Back != 2 || r.Recovered != 2 {
				t.Errorf("got %+v", r)
			}
			for n, want := range map[int64]position{2: {}, 3: {}, 4: at("e", 10), 5: at("e", 10)} {
				if got, _ := node.sinces.Load(n); got != want {
					t.Errorf("connection %d joined since %v, want %v", n, got, want)
				}
			}
		})
	}
}

// What an old connection had still in its buffer when it was dropped comes again over the new one, as it was not counted.
func TestOldConnectionsAreNotFollowed(t *testing.T) {
	r := &run{cfg: config(nil)}
	r.cast()
	c := r.viewers[0]
	old, current := &conn{c: c}, &conn{c: c}
	c.conn, c.track.at = current, at("e", 5)
	six := event{room: []byte(c.room.name), epoch: []byte("e"), offset: 6, sent: 1}
	old.socket, current.socket = &socket{readAt: 2}, &socket{readAt: 2}
	old.event(six)
	if c.track.at != at("e", 5) || r.tally.deliveries() != 0 {
		t.Errorf("an old connection moved the position to %v, %d deliveries", c.track.at, r.tally.deliveries())
	}
	current.event(six)
	if c.track.at != at("e", 6) || r.tally.deliveries() != 1 || c.shard.repeated.Load() != 0 {
		t.Errorf("the current one: at %v, %d deliveries", c.track.at, r.tally.deliveries())
	}
}
