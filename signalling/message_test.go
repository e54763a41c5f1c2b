package signalling

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/rooms"
)

// samples maps what a sample's name begins with to the struct of its message.
var samples = map[string]func() any{
	"client.hello":       func() any { return new(Hello) },
	"client.heartbeat":   func() any { return new(Nothing) },
	"client.join":        func() any { return new(Join) },
	"client.leave":       func() any { return new(Leave) },
	"client.live.start":  func() any { return new(LiveStart) },
	"client.live.update": func() any { return new(LiveUpdate) },
	"client.live.end":    func() any { return new(LiveEnd) },
	"client.publish":     func() any { return new(Publish) },
	"client.members":     func() any { return new(Members) },
	"client.moderate":    func() any { return new(Moderate) },
	"client.refresh":     func() any { return new(Refresh) },
	"client.signal":      func() any { return new(Signal) },
	"server.signal":      func() any { return new(rooms.SignalMessage) },
	"server.ice_servers": func() any { return new(ICEServers) },
	"server.welcome":     func() any { return new(Welcome) },
	"server.heartbeat":   func() any { return new(Heartbeat) },
	"server.joined":      func() any { return new(Joined) },
	"server.event":       func() any { return new(rooms.EventMessage) },
	"server.viewers":     func() any { return new(rooms.ViewersMessage) },
	"server.reactions":   func() any { return new(rooms.ReactionsMessage) },
	"server.expiring":    func() any { return new(Expiring) },
	"server.reconnect":   func() any { return new(Reconnect) },
	"server.ok":          func() any { return new(OK) },
	"server.error":       func() any { return new(Failure) },
}

func readSamples(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/messages/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	read := make(map[string][]byte)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		read[strings.TrimSuffix(filepath.Base(file), ".json")] = content
	}
	return read
}

// newFor returns an empty message for the longest prefix of the sample's name.
func newFor(name string) any {
	for ; name != ""; name = name[:max(strings.LastIndex(name, "."), 0)] {
		if make := samples[name]; make != nil {
			return make()
		}
	}
	return nil
}

// Each sample is exactly what its struct holds: decoded and encoded again, it
// is the same.
func TestSamples(t *testing.T) {
	for name, sample := range readSamples(t) {
		t.Run(name, func(t *testing.T) {
			decoded := newFor(name)
			if decoded == nil {
				t.Fatal("no message is called like this sample")
			}
			if err := json.Unmarshal(sample, decoded); err != nil {
				t.Fatal(err)
			}
			encodedAgain := wire.JSON(decoded)
			if strings.HasPrefix(name, "client.") {
				var e Envelope
				if err := json.Unmarshal(sample, &e); err != nil {
					t.Fatal(err)
				}
				encodedAgain = message(e.Type, e.ID, decoded)
			}
			if got, want := generic(t, encodedAgain), generic(t, sample); !reflect.DeepEqual(got, want) {
				t.Errorf("decoded and encoded again it is\n\t%v, the sample is\n\t%v", got, want)
			}
		})
	}
}

func generic(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

// Every message that a client may send has a sample, and PROTOCOL.md describes
// it; every message and sample of PROTOCOL.md exists.
func TestProtocolDescribesEveryMessage(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	described := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^### `([a-z._]+)`$").FindAllSubmatch(page, -1) {
		described[string(m[1])] = true
	}
	for name := range handlers {
		if !described[name] {
			t.Errorf("PROTOCOL.md has no section for %q", name)
		}
		if samples["client."+name] == nil {
			t.Errorf("%q has no sample", name)
		}
	}
	for name := range described {
		if samples["client."+name] == nil && samples["server."+name] == nil {
			t.Errorf("PROTOCOL.md describes %q, which is no message", name)
		}
	}
	for name := range samples {
		_, kind, _ := strings.Cut(name, ".")
		if !described[kind] {
			t.Errorf("PROTOCOL.md has no section for %q", kind)
		}
	}
	for _, m := range regexp.MustCompile(`\((testdata/messages/[^)]+\.json)\)`).FindAllSubmatch(page, -1) {
		if _, err := os.Stat(string(m[1])); err != nil {
			t.Errorf("PROTOCOL.md links %s: %v", m[1], err)
		}
	}
}

// The table of close codes is the one that clients are told.
func TestProtocolListsEveryCloseCode(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := bytes.Cut(page, []byte("## Close codes"))
	listed := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|.*\| ([a-z ]+) \|$`).FindAllSubmatch(table, -1) {
		listed[string(m[1])] = string(m[2])
	}
	for _, c := range causes {
		if got := listed[c.label()]; got != string(c.comeBack) {
			t.Errorf("PROTOCOL.md says of %s %q, the server means %q", c.label(), got, c.comeBack)
		}
		delete(listed, c.label())
	}
	for code := range listed {
		t.Errorf("PROTOCOL.md lists %s, for which nothing closes", code)
	}
}

// Every error code of the protocol is in its table.
func TestProtocolListsEveryErrorCode(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range codes {
		if !bytes.Contains(page, []byte("\n| `"+string(code)+"` |")) {
			t.Errorf("PROTOCOL.md does not list %s", code)
		}
	}
}
