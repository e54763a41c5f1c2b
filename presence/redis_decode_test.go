package presence

import (
	"testing"

	"github.com/tallylight/tallylight/internal/wire"
)

// What the scripts keep as JSON is read as it was, whatever is in it.
func TestDecoderText(t *testing.T) {
	for _, want := range []string{"", "Art", `"`, `""`, `a "b" c`, `\`, `\"`, "<b>&", "🎨 é", "a\nb", "\u2028", "\x00", "'"} {
		d := decoder{fields: map[string]string{"title": string(wire.JSON(want))}}
		if got := d.text("title"); got != want || d.err != nil {
			t.Errorf("%q became %q, %v", want, got, d.err)
		}
	}
	for _, broken := range []string{`"`, `x`, `"a`, `a"`, `1`} {
		d := decoder{fields: map[string]string{"title": broken}}
		if got := d.text("title"); d.err == nil {
			t.Errorf("%s became %q without an error", broken, got)
		}
	}
	if d := (decoder{}); d.text("title") != "" || d.err != nil {
		t.Errorf("what is not there: %v", d.err)
	}
}
