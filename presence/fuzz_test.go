package presence

import (
	"context"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/tallylight/tallylight/internal/wire"
)

// Whatever a client says to have seen last of the stream: it gets all that came after it, or is told that this is not known.
func FuzzLastEventID(f *testing.F) {
	for _, position := range []string{"", "-", "01234567-0", "01234567-3", "01234567-5", "01234567-6", "01234567--1", "01234567-18446744073709551615", "01234567-18446744073709551616", "0123456-3", "01234567-3-3", "01234567-+3"} {
		f.Add(position, uint16(5))
	}
	for _, position := range []string{"1", "4095", "4096", "8999"} { // of which the first two are forgotten
		f.Add("01234567-"+position, uint16(9000))
	}
	f.Fuzz(func(t *testing.T, position string, changes uint16) {
		d := NewDirectory(NewMemory(), quiet)
		d.feed.id = "01234567"
		n := uint64(changes) % (3 * feedKept)
		for range n {
			d.feed.append(Change{Viewers: []Entry{}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // it waits for nothing
		got, known, _ := d.Changes(ctx, position)
		from := uint64(0)
		for ; from <= n; from++ { // of all that there are
			if d.feed.position(from) == position {
				break
			}
		}
		switch oldest := n - uint64(len(d.feed.changes)); {
		case known && (len(got) > feedKept*2 || len(got) > 0 && got[len(got)-1].Position != d.feed.position(n)):
			t.Errorf("%d changes since %q, and there are %d", len(got), position, n)
		case from <= n && from >= oldest && (!known || uint64(len(got)) != n-from):
			t.Errorf("%d changes since %q, %t, want %d", len(got), position, known, n-from)
		case from <= n && from < oldest && known:
			t.Errorf("%q is known, and forgotten", position)
		}
	})
}

// What the scripts keep as JSON is read as encoding/json would, and as it was written.
func FuzzDecoderText(f *testing.F) {
	for _, text := range []string{"", "Art", `"`, `a "b" c`, `\`, "<b>&", "é\x00\u2028", "\xff", `\u0041`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := string(wire.JSON(text))
		d := decoder{fields: map[string]string{"title": written}}
		var want string
		if err := json.Unmarshal([]byte(written), &want); err != nil {
			t.Fatal(err)
		}
		if got := d.text("title"); got != want || d.err != nil || utf8.ValidString(text) && got != text {
			t.Errorf("%q became %q, %v", text, got, d.err)
		}
	})
}
