package rooms

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("ü", MaxChatRunes)
	for _, test := range []struct {
		name, event, data string
		want              string // or the code of the refusal
	}{
		{"chat", "chat", ` { "text" : "hello" } `, `{"text":"hello"}`},
		{"chat drops other fields", "chat", `{"text":"hello","html":"<b>"}`, `{"text":"hello"}`},
		{"chat keeps markup, which is but text", "chat", `{"text":"<script>"}`, `{"text":"<script>"}`},
		{"chat keeps spaces", "chat", `{"text":" a  b "}`, `{"text":" a  b "}`},
		{"chat of 500 characters", "chat", `{"text":"` + long + `"}`, `{"text":"` + long + `"}`},
		{"chat of 501", "chat", `{"text":"` + long + `!"}`, "too_large"},
		{"chat of spaces", "chat", `{"text":" \n\t\u00a0"}`, "bad_request"},
		{"chat without text", "chat", `{}`, "bad_request"},
		{"chat of null", "chat", `null`, "bad_request"},
		{"chat of a number", "chat", `{"text":7}`, "bad_request"},
		{"chat of a list", "chat", `["hello"]`, "bad_request"},
		{"chat of nothing", "chat", ``, "bad_request"},
		{"chat that is not JSON", "chat", `hello`, "bad_request"},
		{"chat twice", "chat", `{"text":"a"}{"text":"b"}`, "bad_request"},
		{"chat that is not UTF-8", "chat", "{\"text\":\"\xff\"}", "bad_request"},
		{"reaction", "reaction", ` { "kind" : "heart", "size": 3 } `, `{"kind":"heart"}`},
		{"reaction with an emoji that is joined", "reaction", `{"kind":"👨‍👩‍👧‍👦"}`, `{"kind":"👨‍👩‍👧‍👦"}`},
		{"reaction with a variant of an emoji, escaped", "reaction", `{"kind":"\u2764\ufe0f"}`, `{"kind":"❤️"}`},
		{"reaction that looks like JSON", "reaction", `{"kind":"{\"a\":1}"}`, `{"kind":"{\"a\":1}"}`},
		{"reaction of 32 bytes", "reaction", `{"kind":"` + strings.Repeat("é", 16) + `"}`, `{"kind":"` + strings.Repeat("é", 16) + `"}`},
		{"reaction of 33", "reaction", `{"kind":"` + strings.Repeat("é", 16) + `!"}`, "bad_request"},
		{"reaction without kind", "reaction", `{}`, "bad_request"},
		{"reaction of nothing", "reaction", ``, "bad_request"},
		{"reaction of null", "reaction", `null`, "bad_request"},
		{"reaction of a number", "reaction", `{"kind":1}`, "bad_request"},
		{"reaction of a string", "reaction", `"heart"`, "bad_request"},
		{"reaction with a space", "reaction", `{"kind":"a b"}`, "bad_request"},
		{"reaction with a space at its end", "reaction", `{"kind":"heart "}`, "bad_request"},
		{"reaction with a line break", "reaction", `{"kind":"a\nb"}`, "bad_request"},
		{"reaction with a wide space", "reaction", `{"kind":"a\u3000b"}`, "bad_request"},
		{"reaction with a line separator", "reaction", `{"kind":"a\u2028b"}`, "bad_request"},
		{"reaction with a control", "reaction", `{"kind":"\u0000"}`, "bad_request"},
		{"reaction with a C1 control", "reaction", `{"kind":"\u0085"}`, "bad_request"},
		{"reaction with delete", "reaction", `{"kind":"a\u007f"}`, "bad_request"},
		{"reaction with half a surrogate pair", "reaction", `{"kind":"\ud83d"}`, "bad_request"},
		{"reaction that is not UTF-8", "reaction", "{\"kind\":\"\xff\"}", "bad_request"},
		{"reactions, which the service says", "reactions", `{"kind":"heart"}`, "bad_request"},
		{"custom", "x.poll", ` {"a": [1, 2],` + "\n" + ` "b": null} `, `{"a":[1,2],"b":null}`},
		{"custom without data", "x.poll", ``, `{}`},
		{"custom with a string", "x.poll", `"yes"`, `"yes"`},
		{"custom with null", "x.poll", `null`, `null`},
		{"custom that is not JSON", "x.poll", `{`, "bad_request"},
		{"custom twice", "x.poll", `{}{}`, "bad_request"},
		// The data goes to everybody as it is, and a browser drops its socket
		// over a text frame that is not UTF-8 (RFC 6455 §8.1).
		{"custom that is not UTF-8", "x.poll", "\"\xff\"", "bad_request"},
		{"custom with half a character", "x.poll", "\"\xc3\"", "bad_request"},
		{"custom, too deep", "x.poll", strings.Repeat("[", MaxDataBytes/2) + strings.Repeat("]", MaxDataBytes/2), strings.Repeat("[", MaxDataBytes/2) + strings.Repeat("]", MaxDataBytes/2)},
		{"data of 8 KiB", "x.poll", `"` + strings.Repeat("a", MaxDataBytes-2) + `"`, `"` + strings.Repeat("a", MaxDataBytes-2) + `"`},
		{"data of more", "x.poll", `"` + strings.Repeat("a", MaxDataBytes-1) + `"`, "too_large"},
		{"chat data of more", "chat", `{"text":"a"}` + strings.Repeat(" ", MaxDataBytes), "too_large"},
		{"the longest name", "x." + strings.Repeat("a", 62), `{}`, `{}`},
		{"too long a name", "x." + strings.Repeat("a", 63), `{}`, "bad_request"},
		{"all kinds of letters", "x.Poll-2_v.3", `{}`, `{}`},
		{"no name", "x.", `{}`, "bad_request"},
		{"a name with a line break", "x.poll\n", `{}`, "bad_request"},
		{"a name with an umlaut", "x.ümlaut", `{}`, "bad_request"},
		{"an event of ours", "live.started", `{}`, "bad_request"},
		{"a removal", "chat.deleted", `{"offset":1}`, "bad_request"},
		{"no event", "", `{}`, "bad_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Check(test.event, []byte(test.data))
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				got = []byte(refusal.Code)
				if refusal.Message == "" || refusal.Error() != refusal.Message {
					t.Errorf("refused with %+v", refusal)
				}
			} else if err != nil {
				t.Fatalf("refused with %v, want a Refusal", err)
			}
			if string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestActionOf(t *testing.T) {
	if got := ActionOf("chat"); got != auth.ActionChat {
		t.Errorf("chat needs %q", got)
	}
	if got := ActionOf("reaction"); got != auth.ActionReact {
		t.Errorf("reaction needs %q", got)
	}
	if got := ActionOf("x.poll"); got != "x.poll" {
		t.Errorf("x.poll needs %q", got)
	}
}

// Whatever comes from outside, it is refused, or it is JSON in UTF-8 that can
// be sent to everybody, on one line and of a bounded size.
func FuzzCheck(f *testing.F) {
	for _, event := range []string{"chat", "reaction", "x.poll", "x." + strings.Repeat("a", 63), "live.started", ""} {
		for _, data := range []string{`{"text":"hello"}`, `{"text":"<\u2028\ud83d\ude00>"}`, `{"TEXT":"a","text":"b"}`, `{"kind":"heart"}`, `{"kind":"\u2764\ufe0f"}`, `{"kind":"a b"}`, " {} ", "", "null", "{", "\"\xff\"", `"\ud800"`} {
			f.Add(event, []byte(data))
		}
	}
	f.Fuzz(func(t *testing.T, event string, data []byte) {
		got, err := Check(event, data)
		if err != nil {
			refusal, ok := errors.AsType[*Refusal](err)
			if !ok || (refusal.Code != CodeBadRequest && refusal.Code != CodeTooLarge) || len(refusal.Message) > 400 || !utf8.ValidString(refusal.Message) {
				t.Fatalf("refused with %#v", err)
			}
			return
		}
		if !json.Valid(got) || !utf8.Valid(got) || len(got) > MaxDataBytes {
			t.Fatalf("passed on %q", got)
		}
		if again, err := Check(event, got); err != nil || string(again) != string(got) {
			t.Errorf("%q was passed on, but becomes %q, %v", got, again, err)
		}
		e := &Event{Room: studio, Name: event, Data: got}
		e.encode()
		if !json.Valid(e.Message()) || !utf8.Valid(e.Message()) || strings.Contains(string(e.Message()), "\n") {
			t.Errorf("sent as %q", e.Message())
		}
		if n := len(e.Message()); n > 6*MaxDataBytes+200 {
			t.Errorf("sent as %d bytes", n)
		}
		var back EventMessage
		if err := json.Unmarshal(e.Message(), &back); err != nil || fmt.Sprint(back.Event) != event {
			t.Errorf("read back as %+v, %v", back, err)
		}
	})
}
