package bare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func each(t *testing.T, test func(t *testing.T, server *httptest.Server)) {
	for name, handler := range map[string]*Server{"slim": {}, "plain": {Plain: true}} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			test(t, server)
		})
	}
}

// actor is a client of the bare server.
type actor struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, server *httptest.Server) *actor {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	a := &actor{t, conn}
	a.want(`{"type":"welcome","heartbeat_ms":50000}`)
	return a
}

func (a *actor) say(messages ...string) {
	a.t.Helper()
	if err := a.conn.Write(context.Background(), websocket.MessageText, []byte(strings.Join(messages, "\n"))); err != nil {
		a.t.Fatal(err)
	}
}

func (a *actor) hear() string {
	a.t.Helper()
	_, message, err := a.conn.Read(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return string(message)
}

func (a *actor) want(want string) {
	a.t.Helper()
	if got := a.hear(); got != want {
		a.t.Errorf("got %s, want %s", got, want)
	}
}

func TestEverybodyInTheRoomIsTold(t *testing.T) {
	each(t, func(t *testing.T, server *httptest.Server) {
		alice, bob, carol := dial(t, server), dial(t, server), dial(t, server)
		alice.say(`{"type":"join","id":"1","room":"alice","role":"streamer"}`, `{"type":"live.start","id":"2","room":"alice"}`)
		if joined := alice.hear(); !strings.HasPrefix(joined, `{"type":"joined","re":"1","room":"alice","role":"streamer"`) || !strings.Contains(joined, `"epoch":"bare"`) {
			t.Errorf("got %s", joined)
		}
		alice.want(`{"type":"ok","re":"2"}`)
		bob.say(`{"type":"join","id":"1","room":"alice","role":"viewer"}`)
		bob.hear()
		carol.say(`{"type":"join","id":"1","room":"carol","role":"viewer"}`)
		carol.hear()
		for offset := 1; offset <= 2; offset++ {
			data := strings.Repeat("x", 1000*offset) // more than a slim buffer holds
			alice.say(`{"type":"publish","id":"p","room":"alice","event":"x.bench","data":{"t":1,"pad":"` + data + `"}}`)
			for _, who := range []*actor{alice, bob} {
				var e struct {
					Type, Room, Epoch, Event string
					Offset                   int
					Data                     struct{ Pad string }
				}
				if err := json.Unmarshal([]byte(who.hear()), &e); err != nil {
					t.Fatal(err)
				}
				if e.Type != "event" || e.Room != "alice" || e.Epoch != epoch || e.Offset != offset || e.Event != "x.bench" || e.Data.Pad != data {
					t.Errorf("got %.200v", e)
				}
			}
			alice.want(fmt.Sprintf(`{"type":"ok","re":"p","epoch":"bare","offset":%d}`, offset))
		}
		carol.say(`{"type":"heartbeat"}`)
		carol.want(`{"type":"heartbeat"}`) // and nothing before it
	})
}

// A client need not wait for the answer to its handshake. What it sends early is read by net/http, and was lost by a
// Hijack that only made new buffers.
func TestEarlyFramesAreNotLost(t *testing.T) {
	each(t, func(t *testing.T, server *httptest.Server) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // rather than to wait for what was lost
		request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		var frames bytes.Buffer
		for n := range 20 { // more than a slim buffer holds
			text := fmt.Sprintf(`{"type":"live.start","id":"%02d"}`, n)
			frames.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)) // masked by zeros
		}
		if _, err := io.WriteString(conn, request+frames.String()); err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("got %v, %v", response, err)
		}
		next := func() string {
			head := make([]byte, 2)
			if _, err := io.ReadFull(reader, head); err != nil {
				t.Fatal(err)
			}
			payload := make([]byte, head[1])
			if _, err := io.ReadFull(reader, payload); err != nil {
				t.Fatal(err)
			}
			return string(payload)
		}
		next() // welcome
		for n := range 20 {
			if got, want := next(), fmt.Sprintf(`{"type":"ok","re":"%02d"}`, n); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	})
}
