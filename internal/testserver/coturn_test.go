package testserver

import (
	"strings"
	"testing"
)

func TestCoturn(t *testing.T) {
	s := Coturn(t, []string{"one", "two"}, "max-bps=1000000")
	if !strings.HasPrefix(s.URL, "turn:127.0.0.1:") {
		t.Errorf("it is at %q", s.URL)
	}
	if !strings.Contains(s.Log(), "SQLite DB connection success: "+s.dir) {
		t.Errorf("it keeps its users somewhere else:\n%s", s.Log())
	}
}
