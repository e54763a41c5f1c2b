package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A handshake is answered however its bytes come, and what its client says before it has heard anything is not lost.
func TestHandshakesHoweverTheyCome(t *testing.T) {
	t.Parallel()
	p := start(t)
	request := "GET /v1/ws HTTP/1.1\r\nHost: " + p.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tallylight.v1\r\n"
	hello := maskedText(`{"type":"hello","id":"1","token":"` + token(t, "bob") + `"}`)
	many := strings.Repeat(maskedText(`{"type":"heartbeat"}`), 20)
	for name, parts := range map[string][]string{
		"at once":                       {request + "\r\n"},
		"with messages":                 {request + "\r\n" + hello},
		"with many":                     {request + "\r\n" + hello + many},
		"in parts":                      {request, "\r\n" + hello},
		"in parts, with many":           {request[:100], request[100:] + "\r\n" + hello[:10], hello[10:] + many},
		"with a long header":            {request + "Cookie: " + strings.Repeat("x", 9000) + "\r\n\r\n" + hello + many},
		"on a connection that was used": {"GET /healthz HTTP/1.1\r\nHost: " + p.addr + "\r\n\r\n", request + "\r\n" + hello},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			for _, part := range parts {
				if _, err := io.WriteString(conn, part); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond) // so that it is read by itself, or it tests less
			}
			read := bufio.NewReader(conn)
			for range strings.Count(strings.Join(parts, ""), "GET ") {
				response, err := http.ReadResponse(read, nil)
				if err != nil || response.StatusCode >= 300 {
					t.Fatalf("%v, %v", response, err)
				}
				if response.StatusCode == http.StatusOK {
					_, _ = io.Copy(io.Discard, response.Body)
				}
			}
			all := strings.Join(parts, "")
			if !strings.Contains(all, hello) {
				_, _ = io.WriteString(conn, hello)
			}
			got := textFrame(t, read)
			if !strings.HasPrefix(got, `{"type":"welcome","re":"1"`) {
				t.Fatalf("it said %s", got)
			}
			answers := func() int { return strings.Count(got, `{"type":"heartbeat"`) } // several may come in one frame, with welcome too
			for heard, sent := answers(), strings.Count(all, maskedText(`{"type":"heartbeat"}`)); heard < sent; heard += answers() {
				got = textFrame(t, read)
			}
		})
	}
}

// maskedText is a message as a client frames it (RFC 6455 §5.2), with a mask that changes nothing.
func maskedText(message string) string {
	head := []byte{0x81, 0x80 | byte(len(message))}
	if len(message) > 125 {
		head = []byte{0x81, 0x80 | 126, byte(len(message) >> 8), byte(len(message))}
	}
	return string(head) + "\x00\x00\x00\x00" + message
}

// textFrame reads one frame of a server.
func textFrame(t *testing.T, r io.Reader) string {
	t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		t.Fatal(err)
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			t.Fatal(err)
		}
		n = int(head[2])<<8 | int(head[3])
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil || head[0] != 0x81 {
		t.Fatalf("%x %q, %v", head, frame, err)
	}
	return string(frame)
}
