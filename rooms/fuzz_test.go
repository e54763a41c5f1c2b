package rooms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// Whatever somebody says to have seen last: they get all that came after it, each event once and in order, or are told
// that this can't be said.
func FuzzSince(f *testing.F) {
	for _, offset := range []int64{-1, 0, 1, 43, 44, 255, 300, 301, math.MaxInt64, math.MinInt64} {
		f.Add("e", offset, uint16(300), uint16(0))
		f.Add("e", offset, uint16(3), uint16(2))
		f.Add("", offset, uint16(0), uint16(0))
	}
	now := time.UnixMilli(1790000000000)
	f.Fuzz(func(t *testing.T, epoch string, offset int64, events, old uint16) {
		g := eventLog{epoch: "e"}
		n := int64(events % 1000)
		aged := min(int64(old), n) // the first so many are too old
		for k := int64(1); k <= n; k++ {
			at := now
			if k <= aged {
				at = now.Add(-LogAge - time.Millisecond)
			}
			g.append(&Event{Position: Position{"e", k}, Name: EventChat, At: presence.MillisOf(at)})
		}
		missed, ok := g.since(Position{epoch, offset}, now)
		first := max(n-LogEvents, aged, 0) // what is kept comes after it
		if want := epoch == "e" && offset >= first && offset <= n; ok != want {
			t.Fatalf("of %d events, %d of them old, those since %s %d: %t, want %t", n, aged, epoch, offset, ok, want)
		}
		if ok && int64(len(missed)) != n-offset {
			t.Errorf("%d events came after %d of %d", len(missed), offset, n)
		}
		for k, e := range missed {
			if e.Offset != offset+int64(k)+1 {
				t.Errorf("after %d, event %d is %d", offset, k, e.Offset)
			}
		}
		if line := g.line(offset, now); (line != nil) != (offset > first && offset <= n) || line != nil && line.Offset != offset {
			t.Errorf("the line at %d of %d is %+v", offset, n, line)
		}
		before := len(g.events)
		g.append(&Event{Position: Position{"e", n + 1}, Name: EventChatDeleted, At: presence.MillisOf(now), Data: wire.JSON(DeletedData{offset})})
		if len(g.events) < min(before, LogEvents) {
			t.Errorf("of %d events %d are left", before, len(g.events))
		}
		for _, e := range g.kept(now) {
			if e.deleted != (e.Offset == offset && e.Name == EventChat) {
				t.Errorf("when %d was deleted, %d is deleted: %t", offset, e.Offset, e.deleted)
			}
		}
	})
}

// Whatever somebody says, and is called: another node reads what this one wrote, and what goes on to members is what
// they would have got here.
func FuzzEvent(f *testing.F) {
	for _, data := range []string{`{"text":"hello"}`, `{"text":"a\nb\u2028\ud83d\ude00<>&\u0000"}`, `{"kind":"heart"}`, `"\ud800"`, `[1e400]`, `{"a":1,"a":2}`, "null", "{}\n"} {
		f.Add("chat", []byte(data), "alice", "Alice", true)
		f.Add("x.poll", []byte(data), "a|b", "A\nreactions\n\x00\xff", false)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte, user, called string, from bool) {
		data, err := Check(name, data)
		if err != nil || !utf8.ValidString(user) || !utf8.ValidString(called) { // tokens are JSON
			return
		}
		e := &Event{Position: Position{"e", 7}, Room: studio, Name: name, At: 1790000000000, Data: data}
		view := ""
		if from {
			e.From = &Sender{ID: user, Name: called, Role: auth.RoleViewer}
		} else {
			e.After = &presence.View{State: presence.StateOnline, User: &presence.User{ID: user, Name: called}}
			view = string(wire.JSON(e.After))
		}
		e.encode()
		gotView, message, _ := strings.Cut(view+"\n"+string(e.Message()), "\n") // as it is told on a room's channel
		if gotView != view || message != string(e.Message()) {
			t.Fatalf("%q and %q were told as %q and %q", view, e.Message(), gotView, message)
		}
		got, err := eventOfRedis(message, gotView)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v became %+v, %v", e, got, err)
		}
	})
}

// Signals go to one browser as they are: what a front door lets through is one line that can be read, and says what was
// said.
func FuzzSignalMessage(f *testing.F) {
	for _, data := range []string{"", "null", `{"sdp":"v=0\r\n"}`, "{\n\"a\": 1 }", `"\ud800"`, "[1e400]", "{", `{"a":"<\u2028>"}`} {
		f.Add([]byte(data), "Bob\n")
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		if len(data) > 0 && !json.Valid(data) || !utf8.Valid(data) || !utf8.ValidString(name) {
			return // no message, and no token, has these
		}
		sig := Signal{Room: studio, Session: "s", Kind: SignalOffer, Data: data, To: "n1-1", From: "n1-2", User: presence.User{ID: "bob", Name: name}}
		raw := sig.message()
		if !json.Valid(raw) || !utf8.Valid(raw) || bytes.ContainsRune(raw, '\n') {
			t.Fatalf("sent as %q", raw)
		}
		var got SignalMessage
		if err := json.Unmarshal(raw, &got); err != nil || !sameJSON(got.Data, data) {
			t.Errorf("%q became %q, %v", data, got.Data, err)
		}
		var letters letter
		if err := json.Unmarshal(wire.JSON(letter{ID: "1", From: "n1", Signal: sig}), &letters); err != nil || !bytes.Equal(letters.Signal.message(), raw) {
			t.Errorf("by another node it is %q, not %q, %v", letters.Signal.message(), raw, err)
		}
	})
}

func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var one, two bytes.Buffer
	return json.Compact(&one, a) == nil && json.Compact(&two, b) == nil && bytes.Equal(one.Bytes(), two.Bytes())
}

// What nodes say about numbers of viewers is read as it is meant, or not at all.
func FuzzCount(f *testing.F) {
	for _, payload := range []string{"n1 studio 7", "n1 studio 7 b1", "n1", "", "n1 studio x", "n1  7", "n1 studio -1", "n1 studio 99999999999999999999", "n1 studio 7 b1 more", "5 2 100 0 1", "5 2 300 0 1", "5 2 100 150 1", "5 2 100", "080 080 0 ", "0x5 2 100 0 1"} {
		f.Add(payload, int64(200))
	}
	f.Fuzz(func(t *testing.T, payload string, until int64) {
		if key, n, ok := parseCount(payload); ok {
			said := fmt.Sprintf("%s %s %d", key.node, key.room, n)
			again, m, ok := parseCount(said)
			if spaces := strings.Count(payload, " "); spaces < 2 || spaces > 3 {
				t.Errorf("%q was read", payload)
			}
			if !ok || again != key || m != n || strings.ContainsRune(key.node+key.room, ' ') {
				t.Errorf("%q is %v and %d, and then %v and %d", payload, key, n, again, m)
			}
		}
		watched, err := watchedBy(payload, presence.Millis(until))
		if err != nil {
			if watched != 0 {
				t.Errorf("%q can't be read, and is %d", payload, watched)
			}
			return
		}
		said := strings.Fields(payload)
		numbers := slices.Collect(func(yield func(int64) bool) {
			for _, s := range said[:min(5, len(said))] {
				if n, err := strconv.ParseInt(s, 10, 64); err != nil || !yield(n) {
					return
				}
			}
		})
		if len(numbers) != 5 {
			t.Fatalf("%q was read", payload)
		}
		end := until
		if numbers[3] != 0 {
			end = min(end, numbers[3])
		}
		if want := numbers[0] + numbers[1]*max(0, end-numbers[2]); watched != want {
			t.Errorf("%q until %d is %d, want %d", payload, until, watched, want)
		}
	})
}
