package main

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// rfcHandshake is a request for a socket, and its answer. What it does not name is as it must be.
type rfcHandshake struct {
	name    string   // with the section of the RFC
	line    string   // the first; "" for GET /v1/ws HTTP/1.1
	without string   // the header that is left out, of those that must be there
	with    []string // more headers

	status   int    // 0: 101
	accept   string // the key that is answered; "": that of the RFC's sample
	protocol string // the subprotocol that is agreed upon
	plain    bool   // it is refused before it is known what it asks for, and not with a problem document
}

// asks is the request.
func (h rfcHandshake) asks(addr string) string {
	lines := []string{"GET /v1/ws HTTP/1.1"}
	if h.line != "" {
		lines[0] = strings.ReplaceAll(h.line, "ADDR", addr)
	}
	for _, header := range []string{
		"Host: " + addr, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	} {
		if name, _, _ := strings.Cut(header, ":"); name != h.without {
			lines = append(lines, header)
		}
	}
	for _, header := range h.with {
		lines = append(lines, strings.ReplaceAll(header, "ADDR", addr))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func handshakes() []rfcHandshake {
	const upgrade, connection, version, key, host = "Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key", "Host"
	deflate := func(offer string) []string { return []string{"Sec-WebSocket-Extensions: " + offer} }
	protocols := func(offers ...string) (headers []string) {
		for _, o := range offers {
			headers = append(headers, "Sec-WebSocket-Protocol: "+o)
		}
		return headers
	}
	cases := []rfcHandshake{
		{name: "§4.2.1 a plain one"},
		{name: "§4.2.1 with a query", line: "GET /v1/ws?a=b HTTP/1.1"},
		{name: "§3 with the whole address", line: "GET http://ADDR/v1/ws HTTP/1.1"},
		{name: "§4.2.1 Upgrade in capitals", without: upgrade, with: []string{"UPGRADE: WEBSOCKET"}},
		{name: "§4.2.1 upgrade in small letters", without: upgrade, with: []string{"upgrade: websocket"}},
		{name: "§4.2.1 Upgrade as old browsers write it", without: upgrade, with: []string{"Upgrade: WebSocket"}},
		{name: "§4.2.1 Upgrade to one of several", without: upgrade, with: []string{"Upgrade: h2c, websocket"}},
		{name: "§4.2.1 Connection in capitals", without: connection, with: []string{"CONNECTION: UPGRADE"}},
		{name: "§4.2.1 connection in small letters", without: connection, with: []string{"connection: upgrade"}},
		{name: "§4.2.1 Connection with several values", without: connection, with: []string{"Connection: keep-alive, Upgrade"}},
		{name: "§4.2.1 Connection with several values, without a space", without: connection, with: []string{"Connection: Upgrade,keep-alive"}},
		{name: "§4.2.1 Connection twice", without: connection, with: []string{"Connection: keep-alive", "Connection: Upgrade"}},
		{name: "§4.2.1 all headers in small letters", without: key, with: []string{"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="}},
		{name: "§4.2.1 white space around values", without: version, with: []string{"Sec-WebSocket-Version: \t 13 \t"}},
		{name: "§4.2.1 no white space", without: version, with: []string{"Sec-WebSocket-Version:13"}},
		{name: "§4.2.1 a key with white space around", without: key, with: []string{"Sec-WebSocket-Key:   x3JJHMbDL1EzLkh9GBhXDw==  "}, accept: "x3JJHMbDL1EzLkh9GBhXDw=="},
		{name: "§4.2.2 another key", without: key, with: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, accept: "AAAAAAAAAAAAAAAAAAAAAA=="},
		{name: "§4.2.1 an origin of the same host", with: []string{"Origin: http://ADDR"}},
		{name: "§4.2.1 headers that nobody knows", with: []string{"X-What: ever", "Cookie: a=b; c=d", "Pragma: no-cache"}},
		{name: "§4.2.1 a header of 9 KB", with: []string{"Cookie: " + strings.Repeat("x", 9000)}},
		{name: "§9.1 permessage-deflate", with: deflate("permessage-deflate")},
		{name: "§9.1 permessage-deflate with parameters", with: deflate("permessage-deflate; client_max_window_bits; server_no_context_takeover")},
		{name: "§9.1 several extensions", with: append(deflate("permessage-deflate, x-webkit-deflate-frame"), deflate("bbf-usp-protocol")...)},
		{name: "§4.2.2 our subprotocol", with: protocols("tallylight.v1"), protocol: "tallylight.v1"},
		{name: "§4.2.2 our subprotocol among others", with: protocols("chat, tallylight.v1,superchat"), protocol: "tallylight.v1"},
		{name: "§4.2.2 our subprotocol in a header of its own", with: protocols("chat", "tallylight.v1"), protocol: "tallylight.v1"},
		{name: "§4.2.2 another subprotocol", with: protocols("chat"), status: http.StatusBadRequest},
		{name: "§4.2.1 no Upgrade", without: upgrade, status: http.StatusUpgradeRequired},
		{name: "§4.2.1 Upgrade to something else", without: upgrade, with: []string{"Upgrade: h2c"}, status: http.StatusUpgradeRequired},
		{name: "§4.2.1 Upgrade to what begins like it", without: upgrade, with: []string{"Upgrade: websocket2"}, status: http.StatusUpgradeRequired},
		{name: "§4.2.1 no Connection", without: connection, status: http.StatusUpgradeRequired},
		{name: "§4.2.1 Connection to something else", without: connection, with: []string{"Connection: keep-alive"}, status: http.StatusUpgradeRequired},
		{name: "§4.2.1 no key", without: key, status: http.StatusBadRequest},
		{name: "§4.2.1 an empty key", without: key, with: []string{"Sec-WebSocket-Key:"}, status: http.StatusBadRequest},
		{name: "§4.2.1 two keys", with: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, status: http.StatusBadRequest},
		{name: "§4.2.1 a key of 15 bytes", without: key, with: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"}, status: http.StatusBadRequest},
		{name: "§4.2.1 a key of 17 bytes", without: key, with: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="}, status: http.StatusBadRequest},
		{name: "§4.2.1 a key that is no base64", without: key, with: []string{"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="}, status: http.StatusBadRequest},
		{name: "§4.2.1 an origin elsewhere", with: []string{"Origin: http://elsewhere.example"}, status: http.StatusForbidden},
		{name: "§4.2.1 POST", line: "POST /v1/ws HTTP/1.1", status: http.StatusMethodNotAllowed},
		{name: "§4.2.1 PUT", line: "PUT /v1/ws HTTP/1.1", status: http.StatusMethodNotAllowed},
		{name: "§4.2.1 HTTP 1.0", line: "GET /v1/ws HTTP/1.0", status: http.StatusUpgradeRequired},
		{name: "§4.2.1 HTTP 2.0", line: "GET /v1/ws HTTP/2.0", status: http.StatusHTTPVersionNotSupported, plain: true},
		{name: "§4.2.1 no Host", without: host, status: http.StatusBadRequest, plain: true},
		{name: "§4.2.1 two Hosts", with: []string{"Host: elsewhere.example"}, status: http.StatusBadRequest, plain: true},
		{name: "§4.2.1 a header without a name", with: []string{": what"}, status: http.StatusBadRequest, plain: true},
		{name: "§4.2.1 a path that is no socket's", line: "GET /v1/wss HTTP/1.1", status: http.StatusNotFound},
		{name: "§4.4 no version", without: version, status: http.StatusUpgradeRequired},
	}
	for _, v := range []string{"0", "7", "8", "12", "14", "113", "130", "-13", "013", "13.0", "x", ""} {
		cases = append(cases, rfcHandshake{name: "§4.4 version " + v, without: version, with: []string{"Sec-WebSocket-Version: " + v}, status: http.StatusUpgradeRequired})
	}
	return cases
}

// A handshake is answered as RFC 6455 §4.2 says, in one piece, in many, and with a message right behind it.
func TestConformanceOfHandshakes(t *testing.T) {
	t.Parallel()
	addr := serveForTest(t)
	credentials := "Authorization: Bearer " + token(t, "bob")
	for _, h := range handshakes() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.with = append(slices.Clip(h.with), credentials)
			request := h.asks(addr)
			half := len(request) / 2
			for _, way := range []struct {
				name   string
				pieces []string
			}{
				{"at once", []string{request}},
				{"in two pieces", []string{request[:half], request[half:]}},
				{"its last byte alone", []string{request[:len(request)-1], request[len(request)-1:]}},
				{"byte by byte", inBytes(request)},
				{"in odd pieces", inOddPieces(request)},
				{"with a message", []string{request + heartbeat("a")}},
				{"with a message, byte by byte", inBytes(request + heartbeat("a"))},
				{"with half a message", []string{request + heartbeat("a")[:7], heartbeat("a")[7:]}},
			} {
				if h.run(t, addr, way.name, way.pieces); t.Failed() {
					return
				}
			}
		})
	}
}

func (h rfcHandshake) run(t *testing.T, addr, how string, pieces []string) {
	t.Helper()
	s := rawConnect(t, addr)
	if h.plain { // the server for HTTP has no patience with what comes after
		pieces = []string{strings.Join(pieces, "")}
	}
	s.send(pieces...)
	method, _, _ := strings.Cut(h.line, " ")
	r, body := s.answer(method)
	if h.status != 0 {
		h.wantRefusal(t, how, r, body)
		return
	}
	sum := sha1.Sum([]byte(cmp.Or(h.accept, "dGhlIHNhbXBsZSBub25jZQ==") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	for header, want := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.StdEncoding.EncodeToString(sum[:]),
		"Sec-WebSocket-Protocol": h.protocol, "Sec-WebSocket-Extensions": "", "Sec-WebSocket-Version": "", "Content-Length": "", "Transfer-Encoding": "",
	} {
		if got := r.Header.Get(header); got != want {
			t.Errorf("%s: %s: %q, want %q", how, header, got, want)
		}
	}
	if r.StatusCode != http.StatusSwitchingProtocols || r.Proto != "HTTP/1.1" {
		t.Fatalf("%s: %s %s: %s", how, r.Proto, r.Status, body)
	}
	if !strings.Contains(how, "message") {
		s.send(heartbeat("a"))
	}
	s.until("heartbeat a", func() bool { return len(s.said) >= 2 })
	if want := []string{"welcome", "heartbeat a"}; !slices.Equal(s.said, want) {
		t.Errorf("%s: it said %q, want %q", how, s.said, want)
	}
	s.send(rawClose(1000, ""))
	if end := s.wantEnd(); s.closed == nil || s.closed.code != 1000 {
		t.Errorf("%s: closed with %v, %v", how, s.closed, end)
	}
}

// wantRefusal sees that an answer says what is wrong.
func (h rfcHandshake) wantRefusal(t *testing.T, how string, r *http.Response, body string) {
	t.Helper()
	if r.StatusCode != h.status {
		t.Errorf("%s: %s, want %d: %s", how, r.Status, h.status, body)
	}
	if strings.HasPrefix(h.name, "§4.4") && r.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("%s: it does not say which version it takes: %v", how, r.Header)
	}
	if h.status == http.StatusUpgradeRequired && r.Header.Get("Upgrade") != "websocket" { // RFC 9110 §15.5.22
		t.Errorf("%s: it does not say what to upgrade to: %v", how, r.Header)
	}
	var problem struct {
		Status       int
		Code, Detail string
	}
	if h.plain {
		return
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != h.status || problem.Code == "" || problem.Detail == "" ||
		r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: no problem document, but %s %q, %v", how, r.Header.Get("Content-Type"), body, err)
	}
}
