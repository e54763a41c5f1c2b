package auth

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		id         string
		room, user bool
	}{
		{"alice", true, true},
		{"A.b_c-d~e:f", true, true},
		{"0", true, true},
		{strings.Repeat("a", 128), true, true},
		{strings.Repeat("a", 129), false, false},
		{"", false, false},
		{"alice@example.org", false, true},
		{"auth0|5f7c=+", false, true},
		{"*", false, false},
		{"al*", false, false},
		{"a b", false, false},
		{"a/b", false, false},
		{"a{b}", false, false}, // would be a hash tag in a Redis key
		{"a\n", false, false},
		{"zoë", false, false},
		{"a\x00", false, false},
	} {
		if got := ValidRoom(tt.id); got != tt.room {
			t.Errorf("ValidRoom(%q): got %v, want %v", tt.id, got, tt.room)
		}
		if got := ValidUser(tt.id); got != tt.user {
			t.Errorf("ValidUser(%q): got %v, want %v", tt.id, got, tt.user)
		}
	}
}

func TestPatterns(t *testing.T) {
	for p, want := range map[string]bool{
		"alice": true, "*": true, "al*": true, "shop:*": true, strings.Repeat("a", 128) + "*": true,
		"": false, "**": false, "*al": false, "a*e": false, "a b*": false, strings.Repeat("a", 129) + "*": false,
	} {
		if got := validPattern(p); got != want {
			t.Errorf("validPattern(%q): got %v, want %v", p, got, want)
		}
	}
}
