package signalling

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/tallylight/tallylight/internal/wire"
)

// FuzzMessage feeds the parser of outside bytes: it never panics, and whatever
// it lets through can be replied to.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","id":"1","token":"x"}`, `{"type":"join","room":"a","since":{"epoch":"e","offset":1}}`,
		`{"type":"live.start","tags":["a"],"window_ms":1}`, `{"type":"publish","event":"chat","data":{"text":"x"}}`,
		`{}`, `[]`, `null`, `{"type":null}`, `{"id":"` + "\xff" + `"}`, `{"type":"join","since":null}`, "\x00", `{"type":"members","first":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := parseEnvelope(raw)
		if err != nil {
			told := errorOf(err)
			if told.Code != CodeBadRequest || told.Message == "" || !told.malformed {
				t.Errorf("%q gives %+v", raw, told)
			}
			return
		}
		if len(e.ID) > MaxRequest {
			t.Errorf("an id of %d bytes passed", len(e.ID))
		}
		reply := wire.JSON(refuse(CodeBadRequest, "type %.40q is unknown", e.Type).reply(e.ID))
		if !json.Valid(reply) || !utf8.Valid(reply) {
			t.Errorf("the reply to %q is no JSON: %q", raw, reply)
		}
		for _, decode := range []any{new(Join), new(LiveStart), new(LiveUpdate), new(Publish), new(Members)} {
			_ = json.Unmarshal(raw, decode)
		}
	})
}
