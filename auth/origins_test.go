package auth

import (
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, tt := range []struct {
		patterns string
		origin   string
		want     bool
	}{
		{"", "https://a.example", false},
		{"https://a.example", "https://a.example", true},
		{"https://a.example/", "https://a.example", true},
		{"https://A.example", "https://a.EXAMPLE", true},
		{"https://a.example:443", "https://a.example", true},
		{"http://a.example", "http://a.example:80", true},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example:8443", "https://a.example:8443", true},
		{"https://a.example:8443", "https://a.example", false},
		{"https://a.example", "http://a.example", false},
		{"https://b.example https://a.example", "https://a.example", true},
		{"https://a.example", "https://a.example.evil.example", false},
		{"https://a.example", "https://evil-a.example", false},
		{"https://a.example", "https://a.example@evil.example", false},
		{"https://a.example", "https://evil.example/https://a.example", false},
		{"https://a.example", "https://evil.example?https://a.example", false},
		{"https://a.example", "https://evil.example\\.a.example", false},
		{"https://a.example", "https://a.example ", false},
		{"https://a.example", "https://a.example.", false},
		{"https://a.example", "a.example", false},
		{"https://a.example", "null", false},
		{"https://a.example", "", false},
		{"https://*.example.com", "https://a.example.com", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://.example.com", false},
		{"https://*.example.com", "https://evilexample.com", false},
		{"https://*.example.com", "https://a.example.com.evil.example", false},
		{"https://*.example.com", "https://evil.example/.example.com", false},
		{"https://*.example.com", "https://evil.example#.example.com", false},
		{"https://*.example.com", "http://a.example.com", false},
		{"https://*.example.com", "https://a.example.com:8443", false},
		{"https://*.example.com:*", "https://a.example.com:8443", true},
		{"http://localhost:*", "http://localhost:5173", true},
		{"http://localhost:*", "http://localhost", true},
		{"http://localhost:*", "http://localhost.evil.example:5173", false},
		{"http://[::1]:8080", "http://[::1]:8080", true},
		{"http://[::1]", "http://[::1]:8080", false},
		{"capacitor://localhost", "capacitor://localhost", true},
		{"*", "https://whoever.example", true},
		{"*", "null", true},
	} {
		list, err := ParseOrigins(strings.Fields(tt.patterns))
		if err != nil {
			t.Errorf("%s: %v", tt.patterns, err)
		} else if got := list.Allow(tt.origin); got != tt.want {
			t.Errorf("%s: %q is allowed: %v, want %v", tt.patterns, tt.origin, got, tt.want)
		}
	}
	for _, bad := range []string{
		"", "example.com", "https://", "https://a.example/path", "https://a.example?q", "https://u@a.example", "https://*", "https://*.com",
		"https://a.*.example.com", "https://*a.example.com", "*://a.example", "https://a.example:x", "https://a.example:*1", "null", "https://a b",
	} {
		if _, err := ParseOrigins([]string{"https://a.example", bad}); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
}
