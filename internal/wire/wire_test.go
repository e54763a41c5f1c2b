package wire

import (
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	for want, v := range map[string]any{
		`"<b> & 🎨"`:      "<b> & 🎨",
		`{"a":[1,null]}`: map[string]any{"a": []any{1, nil}},
		`"one\ntwo"`:     "one\ntwo",
	} {
		if got := string(JSON(v)); got != want {
			t.Errorf("%v became %s, want %s", v, got, want)
		}
	}
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, "chan int") {
			t.Errorf("what can't be encoded: %q, want a panic that names its type", said)
		}
	}()
	JSON(make(chan int))
}
