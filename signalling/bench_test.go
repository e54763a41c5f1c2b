package signalling

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

// peer is a client that costs next to nothing beside the server: it sends what was made before, and reads over what comes.
type peer struct {
	net.Conn
	r *bufio.Reader
}

// dialPeer connects to a server over TCP, and reads over the welcome.
func dialPeer(b *testing.B, server *httptest.Server, token string) *peer {
	b.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	p := &peer{conn, bufio.NewReaderSize(conn, 4<<10)}
	fmt.Fprintf(conn, "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n", token)
	response, err := http.ReadResponse(p.r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		b.Fatalf("%v, %v", response, err)
	}
	p.frame(b) // welcome
	return p
}

// frame reads over one frame of the server.
func (p *peer) frame(b *testing.B) {
	b.Helper()
	header := make([]byte, 2, 10)
	_, err := io.ReadFull(p.r, header)
	size := uint64(header[1])
	for more, of := range map[uint64]int{126: 2, 127: 8} {
		if err == nil && uint64(header[1]) == more {
			_, err = io.ReadFull(p.r, header[2:2+of])
			size = binary.BigEndian.Uint64(append(make([]byte, 8-of), header[2:2+of]...))
		}
	}
	if err == nil {
		_, err = p.r.Discard(int(size))
	}
	if err != nil {
		b.Fatal(err)
	}
}

// masked makes a client's frame, with a mask that changes nothing.
func masked(message string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...)
}

// benchNode is a node on TCP, and a viewer's token.
func benchNode(b *testing.B) (*node, *httptest.Server, string) {
	n := startNode(b, nil)
	server := httptest.NewServer(n.server)
	b.Cleanup(server.Close)
	token := n.token(auth.Claims{User: "bob", Expires: time.Now().Add(time.Hour), Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}})
	return n, server, token
}

// A heartbeat and its answer, over TCP.
func BenchmarkHeartbeat(b *testing.B) {
	_, server, token := benchNode(b)
	p := dialPeer(b, server, token)
	defer p.Close()
	beat := masked(`{"type":"heartbeat","id":"1"}`)
	b.ReportAllocs()
	for b.Loop() {
		// Below the limit on messages, which this would be above.
		b.StopTimer()
		time.Sleep(time.Second / DefaultMessages)
		b.StartTimer()
		_, _ = p.Write(beat)
		p.frame(b)
	}
}

// nowhere is an outlet that takes everything.
type nowhere struct{}

func (nowhere) attempt([]byte) ([]byte, error) { return nil, nil }
func (nowhere) finish([]byte) error            { return nil }
func (nowhere) failed(error)                   {}

// A tick of the wheel over so many connections that are just there: one in twenty is pinged. Writing that is not in it.
func BenchmarkTick(b *testing.B) {
	for _, connections := range []int{1000, 5000, 10_000, 18_000} {
		b.Run(fmt.Sprint(connections), func(b *testing.B) {
			n := startNode(b, nil)
			w := &wheel{every: n.server.wheel.every}
			srv := &Server{cfg: n.server.cfg, metrics: n.server.metrics, writers: newWriters()}
			identity := &auth.Identity{User: "bob", Expires: time.Now().Add(24 * time.Hour)}
			all := make([]*session, connections)
			for i := range all {
				all[i] = newSession(srv, fmt.Sprint(i), "x")
				all[i].out.out = nowhere{}
				all[i].identity.Store(identity)
				w.look(all[i])
			}
			step := func() (now time.Duration) {
				now = time.Duration(w.at.Add(int64(w.every)))
				w.tick(now)
				return now
			}
			answer := func(now time.Duration) {
				for _, s := range all {
					s.life.pong(now)
				}
			}
			for range 2 * srv.cfg.Ping / w.every { // until they are spread as they will be
				answer(step())
			}
			b.ReportAllocs()
			for b.Loop() {
				now := step()
				b.StopTimer()
				answer(now)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(connections), "ns/connection")
		})
	}
}

// Connecting, authenticating and joining, over TCP; and going, which follows.
func BenchmarkConnectAndJoin(b *testing.B) {
	_, server, token := benchNode(b)
	join := masked(`{"type":"join","id":"1","room":"alice"}`)
	b.ReportAllocs()
	for b.Loop() {
		p := dialPeer(b, server, token)
		_, _ = p.Write(join)
		p.frame(b)
		_ = p.Close()
	}
}

// What one more connection in a room costs when something is said there: from the room to the sockets, over TCP.
func BenchmarkDelivery(b *testing.B) {
	for _, members := range []int{10, 1000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			n, server, token := benchNode(b)
			for range members {
				p := dialPeer(b, server, token)
				defer p.Close()
				_, _ = p.Write(masked(`{"type":"join","id":"1","room":"alice"}`))
				p.frame(b)
				go func() { _, _ = io.Copy(io.Discard, p) }()
			}
			event := rooms.Publication{Room: "alice", Name: "x.bench", Data: []byte(`{"text":"something of a usual length, as lines of chat have"}`)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := n.hub.Publish(context.Background(), event); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
		})
	}
}
