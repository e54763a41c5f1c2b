package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecret(t *testing.T) {
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	for _, tt := range []struct{ name, text, want, err string }{
		{"plain", "hunter2", "hunter2", ""},
		{"at inside", "hunter@2", "hunter@2", ""},
		{"file", file("hunter2"), "hunter2", ""},
		{"file with a line end", file("hunter2\n"), "hunter2", ""},
		{"file from Windows", file("hunter2\r\n"), "hunter2", ""},
		{"only one line end goes", file(" hunter2\n\n"), " hunter2\n", ""},
		{"empty file", file("\n"), "", "is empty"},
		{"no file", "@/does/not/exist", "", "no such file"},
		{"no path", "@", "", "path"},
	} {
		var s secret
		err := s.UnmarshalText([]byte(tt.text))
		if string(s) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, string(s), tt.want)
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	config := struct{ JWT secret }{"hunter2"}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q\n", config, config, config, config.JWT, config.JWT)
	json.NewEncoder(&out).Encode(config)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("start", "config", config, "secret", config.JWT)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the secret is shown:\n%s", out.String())
	}
}
