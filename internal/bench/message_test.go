package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func encoded(from, data string) string {
	return `{"type":"event","room":"r-1","epoch":"5f2k","offset":17,"event":"x.bench",` + from + `"at":1790000009000,"data":` + data + `}`
}

// same compares what was scanned with what decoding finds.
func same(a, b event) bool {
	return bytes.Equal(a.room, b.room) && bytes.Equal(a.epoch, b.epoch) && a.offset == b.offset && a.sent == b.sent
}

func TestScanFindsWhatDecodingFinds(t *testing.T) {
	const ours = `{"t":1790000009000123,"pad":"xx"}`
	for _, tt := range []struct {
		name, raw string
		scans     bool // false: it is left to decoding
	}{
		{"ours", encoded("", ours), true},
		{"with a sender", encoded(`"from":{"id":"a","name":"A","role":"streamer"},`, ours), true},
		{"a sender named like a field", encoded(`"from":{"id":"a","name":"\",\"data\":{\"t\":9,","role":"streamer"},`, ours), true},
		{"another's data", encoded("", `{"question":"?"}`), false},
		{"only a time", encoded("", `{"t":5}`), false},
		{"no data", `{"type":"event","room":"r-1","epoch":"5f2k","offset":17,"event":"x.bench","at":1}`, false},
		{"another event", `{"type":"event","room":"r-1","epoch":"5f2k","offset":17,"event":"chat","at":1,"data":{"text":"a"}}`, true},
		{"another order", `{"type":"event","epoch":"5f2k","room":"r-1","offset":17,"event":"chat"}`, false},
		{"spaces", `{"type": "event", "room": "r-1", "epoch": "5f2k", "offset": 17, "event": "chat"}`, false},
		{"a longer name", `{"type":"event","room":"r-1","epoch":"5f2k","offset":17,"event":"x.benches","data":{"t":5,"pad":""}}`, true},
	} {
		got, ok := scan([]byte(tt.raw))
		if ok != tt.scans {
			t.Errorf("%s: scanned %t, want %t", tt.name, ok, tt.scans)
		}
		m, err := decode([]byte(tt.raw))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if want := m.event(); ok && !same(got, want) {
			t.Errorf("%s: scanned %+v, decoded %+v", tt.name, got, want)
		}
		if m.event().offset != 17 {
			t.Errorf("%s: decoded %+v", tt.name, m.event())
		}
	}
}

// The samples of the protocol: what is scanned must be what is there, and events must not need decoding.
func TestScanOnTheSamples(t *testing.T) {
	samples, err := filepath.Glob("../../signalling/testdata/messages/server.*.json")
	if err != nil || len(samples) < 10 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var raw bytes.Buffer
		if err := json.Compact(&raw, data); err != nil {
			t.Fatal(err)
		}
		m, err := decode(raw.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got, ok := scan(raw.Bytes())
		if ok != (m.Type == "event") {
			t.Errorf("%s: scanned %t", path, ok)
		}
		if ok && !same(got, m.event()) {
			t.Errorf("%s: scanned %+v, decoded %+v", path, got, m.event())
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(encoded("", `{"t":1790000009000123,"pad":"xx"}`)))
	f.Add([]byte(encoded(`"from":{"id":"a","name":"\",\"data\":{\"t\":9,"},`, `{"t":1,"pad":""}`)))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		scan(raw) // whatever comes, it must not go beyond it
	})
}

func TestScanAllocatesNothing(t *testing.T) {
	raw := []byte(encoded(`"from":{"id":"a","role":"streamer"},`, `{"t":1790000009000123,"pad":"xx"}`))
	if n := testing.AllocsPerRun(100, func() { scan(raw) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestPublicationHasTheWantedSize(t *testing.T) {
	for _, size := range []int{MinSize, 100, MaxSize} {
		var m struct {
			Type, ID, Room, Event string
			Data                  json.RawMessage
		}
		raw := newPublication("r-1", size).at(nil, micros())
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if len(m.Data) != size {
			t.Errorf("%d bytes of data, want %d", len(m.Data), size)
		}
		if m.Type != "publish" || m.ID == "" || m.Room != "r-1" || m.Event != eventName {
			t.Errorf("got %+v", m)
		}
	}
}

func TestJoinMessage(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"type":"join","id":"join","room":"r","role":"viewer"}`:                                    joinMessage("r", "viewer", position{}),
		`{"type":"join","id":"join","room":"r","role":"viewer","since":{"epoch":"e\"","offset":7}}`: joinMessage("r", "viewer", at(`e"`, 7)),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
