package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// publicKeyFile writes a public key, as whoever signs tokens hands it over.
func publicKeyFile(t *testing.T, public any) (path string) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyFlags(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file, ecFile := publicKeyFile(t, &private.PublicKey), publicKeyFile(t, &other.PublicKey)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(m jwt.SigningMethod, key any) string {
		s, err := jwt.NewWithClaims(m, jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	spaceless := strings.ReplaceAll(testSecret, " ", "_")
	long := strings.Repeat(spaceless, 3)
	for _, tt := range []struct{ args, token, want string }{
		{"--jwt-key " + file, sign(jwt.SigningMethodRS256, private), ""},
		{"--jwt-key @" + file, sign(jwt.SigningMethodRS256, private), ""},
		{"--jwt-key PS256:" + file, sign(jwt.SigningMethodPS256, private), ""},
		{"--jwt-key PS256:@" + file + " --jwt-key " + ecFile, sign(jwt.SigningMethodES256, other), ""},
		{"--jwt-key " + file + "," + ecFile, sign(jwt.SigningMethodES256, other), ""},
		{"--jwt-key " + file + " --jwt-secret " + spaceless, sign(jwt.SigningMethodHS256, []byte(spaceless)), ""},
		{"--jwt-secret " + long + " --jwt-secret-algorithm HS512", sign(jwt.SigningMethodHS512, []byte(long)), ""},
		{"--jwt-key " + file, sign(jwt.SigningMethodPS256, private), "algorithm"},
		{"--jwt-key " + file, sign(jwt.SigningMethodHS256, text), "algorithm"},
		{"--jwt-key ES256:" + file, "x", "--jwt-key: " + file},
		{"--jwt-key /no/such/file", "x", "--jwt-key: "},
		{"--jwt-key HS256:" + file, "x", "--jwt-key: "}, // taken for a path
		{"--jwt-key PS256:", "x", "--jwt-key"},
		{"--jwt-secret @" + file, "x", "--jwt-secret: secret 1 of 1: this is a key of a pair"},
		{"--jwt-secret " + spaceless[:31], "x", "at least 32 bytes"},
		{"--jwt-secret " + spaceless + " --jwt-secret-algorithm HS384", "x", "at least 48 bytes"},
		{"--jwt-secret " + long + " --jwt-secret-algorithm none", "x", "--jwt-secret-algorithm"},
		{"--jwks-url http://id.example/keys", "x", "--jwks-url: keys are fetched by https"},
		{"--jwks-url ftp://id.example/keys", "x", "--jwks-url: "},
		{"", "x", "--jwt-secret is missing, or --jwt-key, or --jwks-url"},
	} {
		code, _, errOut := run(append(append([]string{"token", "check"}, strings.Fields(tt.args)...), tt.token)...)
		if (code == exitOK) != (tt.want == "") || !strings.Contains(errOut, tt.want) || strings.Contains(errOut, spaceless[:31]) {
			t.Errorf("%s: exit code %d, %q, want %q", tt.args, code, errOut, tt.want)
		}
		if tt.token != "x" || code == exitOK {
			continue
		}
		if code != exitUsage {
			t.Errorf("%s: exit code %d, want %d", tt.args, code, exitUsage)
		}
		serveCode, _, serveErr := run(append([]string{"serve", "--listen", "127.0.0.1:0", "--database", "sqlite:" + filepath.Join(t.TempDir(), "x.db")}, strings.Fields(tt.args)...)...)
		if serveCode != exitUsage || !strings.HasPrefix(serveErr, "tallylight: --jwt") && !strings.HasPrefix(serveErr, "tallylight: --jwks-url") {
			t.Errorf("serve %s: exit code %d, %q", tt.args, serveCode, serveErr)
		}
	}
}
