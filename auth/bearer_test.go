package auth

import (
	"errors"
	"net/http"
	"testing"
)

func TestBearer(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers []string
		token   string
		present bool
		reason  Reason
	}{
		{"none", nil, "", false, ""},
		{"emptied by a balancer", []string{""}, "", false, ""},
		{"plain", []string{"Bearer a.b.c"}, "a.b.c", true, ""},
		{"any case, more space", []string{"bEARER   a.b.c "}, "a.b.c", true, ""},
		{"not looked into", []string{"Bearer a b"}, "a b", true, ""},
		{"no token", []string{"Bearer"}, "", true, ReasonMissing},
		{"only spaces", []string{"Bearer  "}, "", true, ReasonMissing},
		{"other scheme", []string{"Basic YTpi"}, "", true, ReasonMalformed},
		{"only a token", []string{"a.b.c"}, "", true, ReasonMalformed},
		{"two", []string{"Bearer a.b.c", "Bearer d.e.f"}, "", true, ReasonMalformed},
	} {
		r := &http.Request{Header: http.Header{"Authorization": tt.headers}}
		token, present, err := Bearer(r)
		if token != tt.token || present != tt.present {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.name, token, present, tt.token, tt.present)
		}
		var refused *Error
		if errors.As(err, &refused); (err == nil) != (tt.reason == "") || err != nil && refused.Reason != tt.reason {
			t.Errorf("%s: got error %v, want reason %q", tt.name, err, tt.reason)
		}
	}
}
