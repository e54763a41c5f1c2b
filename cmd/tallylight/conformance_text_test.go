package main

import (
	"fmt"
	"slices"
	"strings"
)

// texts are the cases of RFC 6455 §8.1: text is UTF-8 (RFC 3629), all of it.
func texts() (cases []rfcCase) {
	for _, valid := range []struct{ name, text string }{
		{"of two and three bytes", "Hello-µ@ßöäüàá-UTF-8!!"},
		{"κόσμε", "\u03ba\u1f79\u03c3\u03bc\u03b5"},
		{"the last of one byte", "\u007f"},
		{"the first of two", "\u0080"},
		{"the last of two", "\u07ff"},
		{"the first of three", "\u0800"},
		{"the last of three", "\uffff"},
		{"the first of four", "\U00010000"},
		{"the last of four", "\U0010ffff"},
		{"the last before the surrogates", "\ud7ff"},
		{"the first after the surrogates", "\ue000"},
		{"the replacement character", "\ufffd"},
		{"a byte order mark", "\ufeff"},
		{"no characters", "\ufffe\ufdd0\U0001fffe\U0001ffff\U0002fffe"},
		{"what separates lines", "\u2028\u2029"},
		{"emoji", "👩‍👩‍👧‍👦🏴‍☠️"},
		{"what combines", "e\u0301"},
	} {
		message := heartbeatText(valid.text)
		cases = append(cases,
			rfcCase{name: "§8.1 " + valid.name, sends: rawText(message), says: beats(valid.text)},
			rfcCase{name: "§8.1 " + valid.name + ", a byte in each fragment", sends: rawFragments("", inBytes(message)...), says: beats(valid.text)},
			rfcCase{name: "§8.1 " + valid.name + ", a ping after each byte", sends: rawFragments(rawControl(opPing, "\xff"), inBytes(message)...),
				says: beats(valid.text), pongs: slices.Repeat([]string{"\xff"}, len(message)-1)},
		)
	}
	for _, bad := range []struct{ name, text string }{
		{"a continuation alone", "\x80"},
		{"the last continuation alone", "\xbf"},
		{"two continuations", "\x80\xbf"},
		{"all continuations", func() (all string) {
			for b := 0x80; b < 0xc0; b++ {
				all += string([]byte{byte(b)})
			}
			return all
		}()},
		{"the first of two bytes alone", "\xc2"},
		{"two of three bytes", "\xe2\x82"},
		{"three of four bytes", "\xf0\x9f\x98"},
		{"the first of three bytes, and a letter", "\xe2a"},
		{"the first of two bytes, twice", "\xc2\xc2\x80"},
		{"the first of four bytes, and two of three", "\xf0\xe2\x82"},
		{"five bytes", "\xf8\x88\x80\x80\x80"},
		{"six bytes", "\xfc\x84\x80\x80\x80\x80"},
		{"the byte fe", "\xfe"},
		{"the byte ff", "\xff"},
		{"fe fe ff ff", "\xfe\xfe\xff\xff"},
		{"a slash in two bytes", "\xc0\xaf"},
		{"a slash in three bytes", "\xe0\x80\xaf"},
		{"a slash in four bytes", "\xf0\x80\x80\xaf"},
		{"a slash in five bytes", "\xf8\x80\x80\x80\xaf"},
		{"a zero in two bytes", "\xc0\x80"},
		{"the last of one byte in two", "\xc1\xbf"},
		{"the last of two bytes in three", "\xe0\x9f\xbf"},
		{"the last of three bytes in four", "\xf0\x8f\xbf\xbf"},
		{"the first surrogate", "\xed\xa0\x80"},
		{"the last surrogate", "\xed\xbf\xbf"},
		{"a pair of surrogates", "\xed\xa0\xbd\xed\xb8\x80"},
		{"text, a surrogate, and text", "\u03ba\u1f79\u03c3\u03bc\u03b5\xed\xa0\x80edited"},
		{"above the last", "\xf4\x90\x80\x80"},
		{"far above the last", "\xf7\xbf\xbf\xbf"},
		{"Latin-1", "M\xfcnchen"},
	} {
		message := heartbeatText(bad.text)
		cases = append(cases,
			rfcCase{name: "§8.1 not " + bad.name, sends: rawText(message) + heartbeat("late"), closes: 1007},
			rfcCase{name: "§8.1 not " + bad.name + ", in fragments", sends: rawFragments(rawControl(opPong, ""), inBytes(message)...), closes: 1007},
		)
	}
	const bad = "\xff"
	for _, place := range []struct{ name, sends string }{
		{"alone", rawText(bad)},
		{"at the end", rawText(heartbeatText("a") + bad)},
		{"in a line of its own", rawText(heartbeatText("a") + "\n" + bad)},
		{"in a field that nobody knows", rawText(`{"type":"heartbeat","id":"a","x":"` + bad + `"}`)},
		{"in the name of a field", rawText(`{"type":"heartbeat","id":"a","` + bad + `":1}`)},
		{"in what is published", rawText(`{"type":"publish","room":"bob","event":"x.y","data":"` + bad + `"}`)},
		{"at the end of 64 KiB", rawText(sized("a", 1<<16) + bad)},
		{"in a fragment of its own", rawFragments("", heartbeatText("a"), bad, "")},
		{"where a message ends within a character", rawText("\xe2\x82") + rawText("\xac")},
		{"where a message in fragments ends within a character", rawFragments("", heartbeatText("a"), "\xe2", "\x82")},
	} {
		cases = append(cases, rfcCase{name: "§8.1 not UTF-8 " + place.name, sends: place.sends, closes: 1007})
	}
	return append(cases,
		rfcCase{name: "§8.1 after a message, what is not UTF-8", sends: heartbeat("a") + rawText(bad), says: beats("a"), closes: 1007},
		rfcCase{name: "§8.1 text that is no JSON", sends: rawText("\u03ba\u1f79\u03c3\u03bc\u03b5"), says: []string{badMessage}},
	)
}

// closes are the cases of RFC 6455 §5.5.1 and §7.
func closes() (cases []rfcCase) {
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4400, 4999} {
		cases = append(cases,
			rfcCase{name: fmt.Sprintf("§7.4 %d", code), sends: rawClose(code, ""), closes: int(code)},
			rfcCase{name: fmt.Sprintf("§7.4 %d with a reason", code), sends: rawClose(code, "κόσμε"), closes: int(code)},
		)
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases,
			rfcCase{name: fmt.Sprintf("§7.4 not %d", code), sends: rawClose(code, ""), closes: 1002},
			rfcCase{name: fmt.Sprintf("§7.4 not %d with a reason", code), sends: rawClose(code, strings.Repeat("x", 123)), closes: 1002},
		)
	}
	for _, reason := range []struct{ name, text string }{
		{"ff", "\xff"}, {"half a character", "gr\xc3"}, {"a surrogate", "\xed\xa0\x80"}, {"Latin-1", "gr\xfc\xdfe"},
		{"123 bytes, the last half a character", strings.Repeat("x", 122) + "\xc3"},
	} {
		cases = append(cases, rfcCase{name: "§8.1 a reason that is not UTF-8: " + reason.name, sends: rawClose(1000, reason.text), closes: 1007})
	}
	whole := heartbeatText("a")
	first := rawFrame{op: opText, payload: whole[:9], notFinal: true}.bytes()
	rest := rawFrame{op: opMore, payload: whole[9:]}.bytes()
	return append(cases,
		rfcCase{name: "§5.5.1 empty", sends: rawControl(opClose, ""), closes: 1005},
		rfcCase{name: "§5.5.1 half a code", sends: rawControl(opClose, "\x03"), closes: 1002},
		rfcCase{name: "§5.5.1 125 bytes", sends: rawClose(1000, strings.Repeat("x", 123)), closes: 1000},
		rfcCase{name: "§5.5.1 126 bytes", sends: rawClose(1000, strings.Repeat("x", 124)), closes: 1002},
		rfcCase{name: "§5.5.1 64 KiB", sends: rawClose(1000, strings.Repeat("x", 1<<16)), closes: 1002},
		rfcCase{name: "§5.5.1 after a message", sends: heartbeat("a") + rawClose(1000, ""), says: beats("a"), closes: 1000},
		rfcCase{name: "§5.5.1 after 64 KiB", sends: rawText(sized("a", 1<<16)) + rawClose(1000, ""), says: beats("a"), closes: 1000},
		rfcCase{name: "§5.5.1 after a ping", sends: rawControl(opPing, "a") + rawClose(1000, ""), pongs: []string{"a"}, closes: 1000},
		rfcCase{name: "§5.5.1 after a pong", sends: rawControl(opPong, "a") + rawClose(1000, ""), closes: 1000},
		rfcCase{name: "§5.4 within a message", sends: first + rawClose(1000, ""), closes: 1000},
		rfcCase{name: "§5.5.1 within a message, which goes on", sends: first + rawClose(1000, "") + rest, closes: 1000, resets: true},
		rfcCase{name: "§5.5.1 a second one", sends: rawClose(1000, "a") + rawClose(1001, "b"), closes: 1000, resets: true},
		rfcCase{name: "§5.5.1 a ping after it", sends: rawClose(1000, "") + rawControl(opPing, "late"), closes: 1000, resets: true},
		rfcCase{name: "§5.5.1 a message after it", sends: rawClose(1000, "") + heartbeat("late"), closes: 1000, resets: true},
		rfcCase{name: "§5.5.1 what is no frame after it", sends: rawClose(1000, "") + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", closes: 1000, resets: true},
		rfcCase{name: "§7.1.7 a close frame after what was wrong", sends: rawControl(3, "") + rawClose(1000, ""), closes: 1002},
		rfcCase{name: "§7.1.7 a megabyte after what was wrong", sends: rawControl(3, "") + strings.Repeat("x", 1<<20), closes: 1002},
		rfcCase{name: "§7.1.7 a megabyte after what is not UTF-8", sends: rawText("\xff") + strings.Repeat(rawControl(opPing, strings.Repeat("x", 120)), 8<<10), closes: 1007},
	)
}
