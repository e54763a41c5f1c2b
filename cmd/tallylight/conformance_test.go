package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests in this file hold a node to RFC 6455. The WebSocket library has such tests of its own, but between it and the
// network stand our socket, which reads and writes some of the frames by itself, and our way with handshakes. The groups are
// those of the Autobahn TestSuite; what that has echoed, a node answers: the id of a heartbeat.

// rfcCase is something that a client says, once it was welcomed, and what comes of it.
type rfcCase struct {
	name  string // with the section of the RFC
	sends string
	says  []string // the replies, as rawReply has them
	pongs []string // to the pings that were sent: the last must come, in order (RFC 6455 §5.5.3)

	// closes is the code of the close frame that comes, before which replies and pongs may be missing; 0: the connection stays
	// open.
	closes int
	// answers: it is not the client who has begun to close, and it is to answer. Nobody waits for that after what the RFC has a
	// connection fail for.
	answers bool
	// resets: the client has said more after it was over, and the end may come as a reset.
	resets bool
}

func TestConformance(t *testing.T) {
	t.Parallel()
	addr := serveForTest(t)
	request := rawRequest(addr, "Authorization: Bearer "+token(t, "bob"))
	names := make(map[string]bool)
	for _, group := range []struct {
		name  string
		cases []rfcCase
	}{
		{"framing", framing()}, {"pings", pings()}, {"reserved", reserved()}, {"opcodes", opcodes()}, {"fragments", fragments()},
		{"UTF-8", texts()}, {"close", closes()}, {"sizes", sizes()},
	} {
		for _, c := range group.cases {
			name := group.name + "/" + c.name
			if names[name] {
				t.Errorf("two cases are called %q", name)
			}
			names[name] = true
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, way := range []struct {
					name   string
					pieces []string
				}{
					{"with the handshake", []string{request + c.sends}},
					{"at once", []string{request, c.sends}},
					{"byte by byte", append([]string{request}, inBytes(c.sends)...)},
					{"in odd pieces", append([]string{request}, inOddPieces(c.sends)...)},
				} {
					if c.run(t, addr, way.name, way.pieces); t.Failed() {
						return
					}
				}
			})
		}
	}
	t.Logf("%d cases, four times each", len(names))
}

// serveForTest runs a node in this process for as long as the test.
func serveForTest(t *testing.T) (addr string) {
	t.Helper()
	addr, stop, halt, ended := serveHere(t, devConfig(0))
	t.Cleanup(func() {
		stop()
		halt()
		<-ended
	})
	return addr
}

// rawRequest asks for a socket, with more headers.
func rawRequest(addr string, more ...string) string {
	return "GET /v1/ws HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(append(more, "\r\n"), "\r\n")
}

// inBytes takes something apart into single bytes; of what is long, its beginning and its end.
func inBytes(s string) (pieces []string) {
	const singly, long, rest = 200, 2000, 1021
	for len(s) > 0 {
		n := 1
		if len(s) > singly && len(pieces) > singly && len(s) > long {
			n = rest
		}
		pieces, s = append(pieces, s[:n]), s[n:]
	}
	return pieces
}

// inOddPieces takes something apart where nothing ends.
func inOddPieces(s string) (pieces []string) {
	sizes := []int{1, 3, 2, 5, 7, 13, 4, 31, 61, 127, 257, 4093}
	for i := 0; len(s) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(s))
		pieces, s = append(pieces, s[:n]), s[n:]
	}
	return pieces
}

// run has a client connect, say what the case is about, and see what comes of it. What it says first is the handshake.
func (c rfcCase) run(t *testing.T, addr, how string, pieces []string) {
	t.Helper()
	s := rawConnect(t, addr)
	s.send(pieces[0])
	if r, body := s.answer("GET"); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: %s: %s", how, r.Status, body)
	}
	s.until("welcome", func() bool { return len(s.said) > 0 })
	s.send(pieces[1:]...)
	want := append([]string{"welcome"}, c.says...)
	if c.closes == 0 {
		want = append(want, "heartbeat still here")
		s.send(heartbeat("still here"))
		s.until(want[len(want)-1], func() bool {
			return len(s.said) >= len(want) && (len(c.pongs) == 0 || slices.Contains(s.pongs, c.pongs[len(c.pongs)-1]))
		})
		if s.closed != nil {
			t.Errorf("%s: closed with %v", how, *s.closed)
			return
		}
		if !slices.Equal(s.said, want) {
			t.Errorf("%s: it said %q, want %q", how, s.said, want)
		}
		s.send(rawClose(1000, "bye"))
	} else {
		s.until("it is closed", func() bool { return false })
		if c.answers {
			s.send(rawClose(uint16(s.closed.code), ""))
		}
	}
	end := s.wantEnd()
	if (s.cut != nil || !errors.Is(end, io.EOF)) && !c.resets {
		t.Errorf("%s: at the end %v; what it said ended with %v", how, end, s.cut)
	}
	code := c.closes
	if code == 0 {
		code = 1000
	}
	if s.closed.code != code {
		t.Errorf("%s: closed with %d %q, want %d", how, s.closed.code, s.closed.reason, code)
	}
	if n := len(s.said); n > len(want) || !slices.Equal(s.said, want[:n]) {
		t.Errorf("%s: it said %q, want no more than %q", how, s.said, want)
	}
	if !subsequence(s.pongs, c.pongs) {
		t.Errorf("%s: pongs %q, pings were %q", how, s.pongs, c.pongs)
	}
}

// subsequence reports whether all of some are among all, in order.
func subsequence(some, all []string) bool {
	for _, one := range all {
		if len(some) > 0 && some[0] == one {
			some = some[1:]
		}
	}
	return len(some) == 0
}

// heartbeat is a message whose id comes back.
func heartbeat(id string) string { return rawText(heartbeatText(id)) }

func heartbeatText(id string) string { return `{"type":"heartbeat","id":"` + id + `"}` }

// beats are the replies to heartbeats with these ids.
func beats(ids ...string) []string {
	for i, id := range ids {
		ids[i] = "heartbeat " + id
	}
	return ids
}

// sized is a heartbeat of so many bytes, which takes at least 70.
func sized(id string, size int) string {
	head := `{"type":"heartbeat","id":"` + id + `","x":"`
	return head + strings.Repeat("x", size-len(head)-len(`"}`)) + `"}`
}

const badMessage = "error bad_request"

func framing() []rfcCase {
	masked := func(key uint32) string { return rawFrame{op: opText, payload: heartbeatText("a"), key: key}.bytes() }
	return []rfcCase{
		{name: "§5.2 a text message", sends: heartbeat("a"), says: beats("a")},
		{name: "§5.2 an empty one", sends: rawText("")},
		{name: "§5.2 an empty one, and another", sends: rawText("") + heartbeat("a"), says: beats("a")},
		{name: "§5.2 many of them", sends: strings.Repeat(heartbeat("a"), 100), says: slices.Repeat(beats("a"), 100)},
		{name: "§5.2 one of a byte", sends: rawText("x"), says: []string{badMessage}},
		{name: "§5.6 a binary one", sends: rawFrame{op: opBinary, payload: heartbeatText("a")}.bytes(), closes: 4400, answers: true},
		{name: "§5.6 an empty binary one", sends: rawFrame{op: opBinary}.bytes(), closes: 4400, answers: true},
		{name: "§5.6 a binary one that is no text", sends: rawFrame{op: opBinary, payload: "\xff\xfe"}.bytes(), closes: 4400, answers: true},
		{name: "§5.6 a binary one in fragments", closes: 4400, answers: true,
			sends: rawFrame{op: opBinary, payload: "a", notFinal: true}.bytes() + rawFrame{op: opMore, payload: "b"}.bytes()},
		{name: "§5.3 a key that changes half of it", sends: masked(0xffff0000), says: beats("a")},
		{name: "§5.3 a key of one bit", sends: masked(1), says: beats("a")},
		{name: "§5.3 a key of ones", sends: masked(0xffffffff), says: beats("a")},
		{name: "§5.3 a key that looks like a pong", sends: masked(0x8a808a80), says: beats("a")},
		{name: "§5.1 text that is not masked", sends: rawFrame{op: opText, payload: heartbeatText("a"), unmasked: true}.bytes(), closes: 1002},
		{name: "§5.1 empty text that is not masked", sends: rawFrame{op: opText, unmasked: true}.bytes(), closes: 1002},
		{name: "§5.1 a ping that is not masked", sends: rawFrame{op: opPing, unmasked: true}.bytes(), closes: 1002},
		{name: "§5.1 a pong that is not masked", sends: rawFrame{op: opPong, unmasked: true}.bytes(), closes: 1002},
		{name: "§5.1 a long pong that is not masked", sends: rawFrame{op: opPong, payload: "a pong", unmasked: true}.bytes(), closes: 1002},
		{name: "§5.1 a pong that is not masked, and a message", sends: rawFrame{op: opPong, payload: "key and pong", claims: 8, unmasked: true}.bytes() + heartbeat("a"), closes: 1002},
		{name: "§5.1 a close that is not masked", sends: rawFrame{op: opClose, payload: "\x03\xe8", unmasked: true}.bytes(), closes: 1002},
		{name: "§5.1 a fragment that is not masked", closes: 1002,
			sends: rawFrame{op: opText, payload: "{", notFinal: true}.bytes() + rawFrame{op: opMore, payload: "}", unmasked: true}.bytes()},
		{name: "§5.1 after a message, one that is not masked", sends: heartbeat("a") + rawFrame{op: opText, payload: "x", unmasked: true}.bytes() + heartbeat("b"),
			says: beats("a"), closes: 1002},
		{name: "§5.2 a length with its first bit set", sends: rawFrame{op: opText, payload: heartbeatText("a"), claims: 1 << 63}.bytes(), closes: 1002},
		{name: "§5.2 a length of ones", sends: rawFrame{op: opText, payload: heartbeatText("a"), claims: 1<<64 - 1}.bytes(), closes: 1002},
		{name: "§5.2 such a length of a ping", sends: rawFrame{op: opPing, claims: 1 << 63}.bytes(), closes: 1002},
		{name: "§5.2 such a length of a fragment", closes: 1002,
			sends: rawFrame{op: opText, payload: "{", notFinal: true}.bytes() + rawFrame{op: opMore, payload: "}", claims: 1 << 63}.bytes()},
	}
}

func pings() []rfcCase {
	ping := func(payload string) string { return rawControl(opPing, payload) }
	pong := func(payload string) string { return rawControl(opPong, payload) }
	full := strings.Repeat("\xfe", 125)
	var many string
	var payloads []string
	for i := range 50 {
		payloads = append(payloads, fmt.Sprint("ping ", i))
		many += ping(payloads[i])
	}
	cases := []rfcCase{
		{name: "§5.5.2 a ping", sends: ping("Hello"), pongs: []string{"Hello"}},
		{name: "§5.5.2 an empty ping", sends: ping(""), pongs: []string{""}},
		{name: "§5.5.2 a ping that is no text", sends: ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), pongs: []string{"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}},
		{name: "§5.5 a ping of 125 bytes", sends: ping(full), pongs: []string{full}},
		{name: "§5.5 a ping of 126", sends: ping(full + "x"), closes: 1002},
		{name: "§5.5 a ping of 64 KiB", sends: ping(strings.Repeat("x", 1<<16)), closes: 1002},
		{name: "§5.5 a pong of 126", sends: pong(full + "x"), closes: 1002},
		{name: "§5.5 a pong of 64 KiB", sends: pong(strings.Repeat("x", 1<<16)), closes: 1002},
		{name: "§5.5.3 a pong that nobody asked for", sends: pong("")},
		{name: "§5.5.3 one with a payload", sends: pong("unasked")},
		{name: "§5.5.3 one of 125 bytes", sends: pong(full)},
		{name: "§5.5.3 one, and a ping", sends: pong("unasked") + ping("a"), pongs: []string{"a"}},
		{name: "§5.5.3 one, and a message", sends: pong("unasked") + heartbeat("a"), says: beats("a")},
		{name: "§5.5.3 many, of all sizes", sends: func() (all string) {
			for n := range 126 {
				all += pong(full[:n])
			}
			return all + heartbeat("a") + pong(full)
		}(), says: beats("a")},
		{name: "§5.5.3 pongs between messages", sends: pong("") + heartbeat("a") + pong("b") + pong("") + heartbeat("c") + pong(full) + heartbeat("d"), says: beats("a", "c", "d")},
		{name: "§5.5.3 a pong in fragments", sends: rawFrame{op: opPong, notFinal: true}.bytes(), closes: 1002},
		{name: "§5.5.2 many pings", sends: many, pongs: payloads},
		{name: "§5.5.2 pings between messages", sends: ping("a") + heartbeat("b") + ping("c") + heartbeat("d") + ping("e"),
			says: beats("b", "d"), pongs: []string{"a", "c", "e"}},
		{name: "§5.5.2 pings and pongs", sends: ping("a") + pong("b") + ping("c") + pong("d") + ping("e"), pongs: []string{"a", "c", "e"}},
		{name: "§5.5.2 a ping that looks like a pong", sends: ping("\x8a\x80\x00\x00\x00\x00"), pongs: []string{"\x8a\x80\x00\x00\x00\x00"}},
		{name: "§5.5.2 text that looks like a pong", sends: rawText("\n\u008a\u0080") + heartbeat("a"), says: []string{badMessage, "heartbeat a"}},
	}
	return cases
}

func reserved() (cases []rfcCase) {
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, kind := range []struct {
			name  string
			frame rawFrame
		}{
			{"text", rawFrame{op: opText, payload: heartbeatText("b")}},
			{"empty text", rawFrame{op: opText}},
			{"a ping", rawFrame{op: opPing, payload: "b"}},
			{"a pong", rawFrame{op: opPong}},
			{"a close frame", rawFrame{op: opClose, payload: "\x03\xe8"}},
		} {
			kind.frame.rsv = rsv
			cases = append(cases, rfcCase{
				name:  fmt.Sprintf("§5.2 %s with reserved bits %03b", kind.name, rsv),
				sends: heartbeat("a") + kind.frame.bytes() + rawControl(opPing, "late"), says: beats("a"), closes: 1002,
			})
		}
	}
	return append(cases,
		rfcCase{name: "§5.2 a fragment with a reserved bit", closes: 1002,
			sends: rawFrame{op: opText, payload: "{", notFinal: true}.bytes() + rawFrame{op: opMore, payload: "}", rsv: 4}.bytes()},
		// What a client of permessage-deflate makes of "Hello" (RFC 7692 §7.2.3.1), which was not agreed upon.
		rfcCase{name: "§9.1 a compressed message", sends: rawFrame{op: opText, payload: "\xf2\x48\xcd\xc9\xc9\x07\x00", rsv: 4}.bytes(), closes: 1002},
	)
}

func opcodes() (cases []rfcCase) {
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		cases = append(cases,
			rfcCase{name: fmt.Sprintf("§5.2 %x, empty", op), sends: rawControl(op, ""), closes: 1002},
			rfcCase{name: fmt.Sprintf("§5.2 %x, after a message and before a ping", op), says: beats("a"), closes: 1002,
				sends: heartbeat("a") + rawControl(op, "what") + rawControl(opPing, "late")},
			rfcCase{name: fmt.Sprintf("§5.2 %x, within a message", op), closes: 1002,
				sends: rawFragments(rawControl(op, ""), "{", "}")},
		)
	}
	return cases
}

func fragments() []rfcCase {
	whole := heartbeatText("a")
	first := rawFrame{op: opText, payload: whole[:9], notFinal: true}.bytes()
	rest := rawFrame{op: opMore, payload: whole[9:]}.bytes()
	half := rawFrame{op: opMore, payload: whole[9:], notFinal: true}.bytes()
	last := rawFrame{op: opMore}.bytes()
	single := strings.Split(whole, "")
	return []rfcCase{
		{name: "§5.4 two", sends: first + rest, says: beats("a")},
		{name: "§5.4 the last one empty", sends: first + half + last, says: beats("a")},
		{name: "§5.4 the first one empty", sends: rawFragments("", "", whole), says: beats("a")},
		{name: "§5.4 some empty", sends: rawFragments("", "", whole[:5], "", "", whole[5:], ""), says: beats("a")},
		{name: "§5.4 all empty", sends: rawFragments("", "", "", "") + heartbeat("a"), says: beats("a")},
		{name: "§5.4 a byte in each", sends: rawFragments("", single...), says: beats("a")},
		{name: "§5.4 a byte in each, of two messages", sends: rawFragments("", single...) + rawFragments("", single...), says: beats("a", "a")},
		{name: "§5.4 a ping between two", sends: rawFragments(rawControl(opPing, "b"), whole[:9], whole[9:]), says: beats("a"), pongs: []string{"b"}},
		{name: "§5.4 a pong between two", sends: rawFragments(rawControl(opPong, "b"), whole[:9], whole[9:]), says: beats("a")},
		{name: "§5.4 an empty pong between two", sends: rawFragments(rawControl(opPong, ""), whole[:9], whole[9:]), says: beats("a")},
		{name: "§5.4 a ping between a byte in each", sends: rawFragments(rawControl(opPing, ""), single...),
			says: beats("a"), pongs: slices.Repeat([]string{""}, len(single)-1)},
		{name: "§5.4 a pong between a byte in each", sends: rawFragments(rawControl(opPong, "pong"), single...), says: beats("a")},
		{name: "§5.4 both between a byte in each", sends: rawFragments(rawControl(opPong, "b")+rawControl(opPing, "c")+rawControl(opPong, ""), single...),
			says: beats("a"), pongs: slices.Repeat([]string{"c"}, len(single)-1)},
		{name: "§5.4 pings before the last", sends: first + rawControl(opPing, "b") + rawControl(opPing, "c") + half + rawControl(opPing, "d") + last,
			says: beats("a"), pongs: []string{"b", "c", "d"}},
		{name: "§5.4 a ping before there is an end", sends: first + rawControl(opPing, "b") + rest + heartbeat("c"), says: beats("a", "c"), pongs: []string{"b"}},
		{name: "§5.4 a ping in fragments", sends: rawFrame{op: opPing, payload: "a", notFinal: true}.bytes() + rawFrame{op: opMore, payload: "b"}.bytes(), closes: 1002},
		{name: "§5.4 a ping in fragments, within a message", sends: first + rawFrame{op: opPing, notFinal: true}.bytes() + rest, closes: 1002},
		{name: "§5.4 a close frame in fragments", sends: rawFrame{op: opClose, payload: "\x03", notFinal: true}.bytes() + rawFrame{op: opMore, payload: "\xe8"}.bytes(), closes: 1002},
		{name: "§5.4 the rest of nothing", sends: rest, closes: 1002},
		{name: "§5.4 the empty rest of nothing", sends: last, closes: 1002},
		{name: "§5.4 a part of the rest of nothing", sends: half + last, closes: 1002},
		{name: "§5.4 the rest of nothing, and a message", sends: rest + heartbeat("a"), closes: 1002},
		{name: "§5.4 the rest of a message that was whole", sends: heartbeat("a") + rest, says: beats("a"), closes: 1002},
		{name: "§5.4 the rest of one in fragments that was whole", sends: first + rest + last, says: beats("a"), closes: 1002},
		{name: "§5.4 a message within another", sends: first + heartbeat("b") + rest, closes: 1002},
		{name: "§5.4 an empty message within another", sends: first + rawText("") + rest, closes: 1002},
		{name: "§5.4 a binary message within another", sends: first + rawFrame{op: opBinary}.bytes() + rest, closes: 1002},
		{name: "§5.4 the first of two twice", sends: first + first + rest, closes: 1002},
		{name: "§5.4 a message within the third", sends: first + half + heartbeat("b") + last, closes: 1002},
	}
}

func sizes() (cases []rfcCase) {
	const most = 128 << 10 // as PROTOCOL.md says
	for _, size := range []int{70, 124, 125, 126, 127, 128, 129, 255, 256, 257, 262, 263, 4095, 4096, 8192, 65534, 65535, 65536, 65537, most - 1, most} {
		id := fmt.Sprint(size)
		cases = append(cases,
			rfcCase{name: fmt.Sprintf("§5.2 %d bytes", size), sends: rawText(sized(id, size)), says: beats(id)},
			rfcCase{name: fmt.Sprintf("§5.2 %d bytes, twice, and a ping", size), sends: rawText(sized(id, size)) + rawText(sized(id, size)) + rawControl(opPing, id),
				says: beats(id, id), pongs: []string{id}},
		)
	}
	for _, size := range []int{64, 256, 1300, 4096, 16384, 65536} {
		for _, all := range []int{65536, most} {
			id := fmt.Sprint(size)
			parts := inPieces(sized(id, all), size)
			cases = append(cases,
				rfcCase{name: fmt.Sprintf("§5.4 %d bytes in fragments of %d", all, size), sends: rawFragments("", parts...), says: beats(id)},
				rfcCase{name: fmt.Sprintf("§5.4 %d bytes in fragments of %d, with pings", all, size), sends: rawFragments(rawControl(opPing, id), parts...),
					says: beats(id), pongs: slices.Repeat([]string{id}, len(parts)-1)},
				rfcCase{name: fmt.Sprintf("§5.4 %d bytes in fragments of %d, and a byte", all, size), sends: rawFragments("", append(parts, " ")...),
					says: beats(id)},
			)
			if last := &cases[len(cases)-1]; all == most {
				last.says, last.closes = nil, 1009
			}
		}
	}
	for _, size := range []int{most + 1, most + 2, 2 * most, 1 << 20} {
		cases = append(cases, rfcCase{name: fmt.Sprintf("§7.4.1 %d bytes", size), sends: rawText(sized("a", size)) + heartbeat("b"), closes: 1009})
	}
	return append(cases,
		rfcCase{name: "§7.4.1 more bytes than there can be", sends: rawFrame{op: opText, payload: sized("a", 2*most), claims: 1<<63 - 1}.bytes(), closes: 1009},
		rfcCase{name: "§7.4.1 too many empty ones in between", closes: 1009,
			sends: rawFragments(rawFrame{op: opMore, notFinal: true}.bytes(), inPieces(sized("a", most+1), 4096)...)},
	)
}

func inPieces(s string, size int) (pieces []string) {
	for len(s) > size {
		pieces, s = append(pieces, s[:size]), s[size:]
	}
	return append(pieces, s)
}

// A connection that ends within a message has said none: what there is of it is not taken for the whole.
func TestConformanceOfAMessageWithoutItsEnd(t *testing.T) {
	t.Parallel()
	addr := serveForTest(t)
	whole := heartbeatText("a")
	for name, sends := range map[string]string{
		"the last fragment is missing":    rawFrame{op: opText, payload: whole, notFinal: true}.bytes(),
		"of the last fragment, a byte is": rawFrame{op: opText, payload: whole, notFinal: true}.bytes() + "\x80",
		"of the payload, a byte is":       rawFrame{op: opText, payload: whole + "\n", claims: uint64(len(whole) + 2)}.bytes(),
		"of the payload, the second half": rawFrame{op: opText, payload: whole + strings.Repeat("\n", 512-len(whole)), claims: 1024}.bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rawConnect(t, addr)
			s.send(rawRequest(addr, "Authorization: Bearer "+token(t, "bob")))
			s.answer("GET")
			s.until("welcome", func() bool { return len(s.said) > 0 })
			s.send(inOddPieces(sends)...)
			if err := s.conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := s.wantEnd(); !errors.Is(err, io.EOF) || len(s.said) > 1 {
				t.Errorf("it said %q, and then %v", s.said, err)
			}
		})
	}
}

// A client that neither answers a close frame nor goes is given up.
func TestConformanceOfTheEnd(t *testing.T) {
	t.Parallel()
	addr := serveForTest(t)
	for name, sends := range map[string]string{
		"failed": rawControl(opMore, ""),
		"closed": rawFrame{op: opBinary}.bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rawConnect(t, addr)
			s.send(rawRequest(addr, "Authorization: Bearer "+token(t, "bob")) + sends)
			s.answer("GET")
			s.until("it is closed", func() bool { return false })
			for deadline := time.Now().Add(rawPatience); ; time.Sleep(10 * time.Millisecond) {
				if _, err := io.WriteString(s.conn, rawControl(opPing, "")); err != nil {
					return // nobody is there to read it
				}
				if time.Now().After(deadline) {
					t.Fatal("it still reads")
				}
			}
		})
	}
}
