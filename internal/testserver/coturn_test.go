package testserver

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCoturn(t *testing.T) {
	s := Coturn(t, SharedSecrets("one", "two")...)
	if !strings.Contains(s.Log(), "SQLite DB connection success: "+s.dir) {
		t.Errorf("it keeps its users somewhere else:\n%s", s.Log())
	}
	for secret, good := range map[string]bool{"one": true, "two": true, "three": false} {
		username := fmt.Sprint(time.Now().Add(time.Minute).Unix(), ":x")
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(username))
		err := s.Allocate(username, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		if good && err != nil || !good && (err == nil || !strings.Contains(err.Error(), "401")) {
			t.Errorf("with the secret %s: %v", secret, err)
		}
	}
}
