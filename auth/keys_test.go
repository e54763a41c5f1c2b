package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// pair is a key pair of the tests: made once, because that takes a while.
type pair struct {
	private crypto.Signer
	algs    []string // that it can be used with, the most common one first
}

var pairs = sync.OnceValue(func() map[string]pair {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	ec := func(c elliptic.Curve) crypto.Signer { k, err := ecdsa.GenerateKey(c, rand.Reader); return must(k, err) }
	rsaOf := func(bits int) crypto.Signer { k, err := rsa.GenerateKey(rand.Reader, bits); return must(k, err) }
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return map[string]pair{
		"rsa":       {rsaOf(2048), []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		"other rsa": {rsaOf(2048), []string{"RS256"}},
		"p256":      {ec(elliptic.P256()), []string{"ES256"}},
		"p384":      {ec(elliptic.P384()), []string{"ES384"}},
		"p521":      {ec(elliptic.P521()), []string{"ES512"}},
		"ed25519":   {must(ed, err), []string{"EdDSA"}},
	}
})

// publicPEMOf writes the public half of a pair.
func publicPEMOf(t testing.TB, name string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pairs()[name].private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// certificateOf puts it into a certificate, which ended long ago.
func certificateOf(t testing.TB, name string) string {
	t.Helper()
	private := pairs()[name].private
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon.AddDate(-1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func privatePEMOf(t testing.TB, name string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pairs()[name].private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// signedBy makes a good token the way the library does, but for members of its header; nil takes one out.
func signedBy(t testing.TB, alg string, key any, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{"sub": "alice", "exp": noon.Add(time.Hour).Unix()})
	for name, value := range header {
		if value == nil {
			delete(token.Header, name)
			continue
		}
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAlgorithmsOfSecrets(t *testing.T) {
	long := strings.Repeat("k", 64)
	for alg, least := range minSecret {
		for n, ok := range map[int]bool{least - 1: false, least: true} {
			if _, err := NewVerifier(Config{Secrets: []string{long[:n]}, SecretAlgorithm: alg}); (err == nil) != ok {
				t.Errorf("%s with %d bytes: got %v, want it taken: %v", alg, n, err, ok)
			}
		}
		v := newTestVerifier(t, func(c *Config) { c.Secrets, c.SecretAlgorithm = []string{long}, alg })
		for other := range minSecret {
			id, err := v.Verify(t.Context(), signedBy(t, other, []byte(long), nil))
			if other != alg {
				wantRefused(t, id, err, ReasonAlgorithm)
			} else if err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
	}
	if _, err := NewVerifier(Config{Secrets: []string{long}, SecretAlgorithm: "RS256"}); err == nil {
		t.Error("a secret was taken for RS256")
	}
}

// Whoever has the public key could sign with it.
func TestPublicKeysAreNoSecrets(t *testing.T) {
	text := publicPEMOf(t, "rsa")
	block, _ := pem.Decode([]byte(text))
	certificate, _ := pem.Decode([]byte(certificateOf(t, "p256")))
	std, url := base64.StdEncoding, base64.RawURLEncoding
	for name, secret := range map[string]string{
		"PEM":                        text,
		"PEM without its line ends":  strings.ReplaceAll(text, "\n", ""),
		"PEM with text before":       "our key\n" + text,
		"PEM of another kind":        publicPEMOf(t, "ed25519"),
		"a certificate":              certificateOf(t, "rsa"),
		"a private key":              privatePEMOf(t, "p256"),
		"DER":                        string(block.Bytes),
		"DER of a certificate":       string(certificate.Bytes),
		"DER of PKCS #1":             string(x509.MarshalPKCS1PublicKey(pairs()["rsa"].private.Public().(*rsa.PublicKey))),
		"the base64 between":         std.EncodeToString(block.Bytes),
		"the base64 in lines":        strings.Join(betweenMarks(text), "\n"),
		"base64url":                  url.EncodeToString(block.Bytes),
		"the base64 of an EC key":    std.EncodeToString(spki(t, "p256")),
		"the base64 of an Ed25519":   std.EncodeToString(spki(t, "ed25519")),
		"an SSH key":                 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000 us",
		"a JWK":                      `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"a JWK set":                  ` {"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`,
		"a PEM with Windows' breaks": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		_, err := NewVerifier(Config{Secrets: []string{secretA, secret}})
		if err == nil || !strings.Contains(err.Error(), "key of a pair") {
			t.Errorf("%s: got %v, want it refused as a key of a pair", name, err)
		}
	}
	for _, secret := range []string{
		strings.Repeat("0", 32), std.EncodeToString([]byte("0 is how a DER sequence begins, too")), `{"a":"JSON document that is a secret"}`, "0\x82" + strings.Repeat("x", 40),
	} {
		if _, err := NewVerifier(Config{Secrets: []string{secret}}); err != nil {
			t.Errorf("%.20q: %v", secret, err)
		}
	}
}

// betweenMarks returns the lines of base64.
func betweenMarks(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[1 : len(lines)-1]
}

func spki(t testing.TB, name string) []byte {
	block, _ := pem.Decode([]byte(publicPEMOf(t, name)))
	return block.Bytes
}

func TestKeyFiles(t *testing.T) {
	for name, p := range pairs() {
		for _, text := range []string{publicPEMOf(t, name), certificateOf(t, name), "# ours\n" + publicPEMOf(t, name)} {
			path := writeFile(t, text)
			for _, alg := range append([]string{""}, p.algs...) {
				v, err := NewVerifier(Config{KeyFiles: []KeyFile{{path, alg}}, Now: func() time.Time { return noon }})
				if err != nil {
					t.Fatalf("%s for %q: %v", name, alg, err)
				}
				if alg == "" {
					alg = p.algs[0]
				}
				for _, other := range p.algs {
					id, err := v.Verify(t.Context(), signedBy(t, other, p.private, nil))
					if other != alg {
						wantRefused(t, id, err, ReasonAlgorithm)
					} else if err != nil {
						t.Errorf("%s, %s: %v", name, alg, err)
					}
				}
			}
		}
	}
}

func TestKeyFilesRefuse(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(public any) string {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	good := publicPEMOf(t, "p256")
	for _, tt := range []struct{ name, text, alg, want string }{
		{"nothing", "", "", "no PEM block"},
		{"no PEM", "secret", "", "no PEM block"},
		{"a private key", privatePEMOf(t, "rsa"), "", "private key"},
		{"a private key after a public one", good + privatePEMOf(t, "rsa"), "", "private key"},
		{"something else", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "", "CERTIFICATE REQUEST"},
		{"garbage in the block", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "", "can't be read"},
		{"half a block", good[:len(good)-30], "", "broken"},
		{"half a block after a good one", good + good[:len(good)-30], "", "broken"},
		{"half a block before a good one", good[:len(good)-30] + good, "", "broken"},
		{"small", encode(&small.PublicKey), "", "2048"},
		{"a curve of its own", encode(&p224.PublicKey), "", "P-256"},
		{"an algorithm of another kind", good, "RS256", "ES256"},
		{"an algorithm for another curve", good, "ES384", "ES256"},
		{"a secret's algorithm", publicPEMOf(t, "rsa"), "HS256", "RS256"},
		{"no algorithm", publicPEMOf(t, "rsa"), "none", "RS256"},
		{"too much", good + strings.Repeat("\n", maxKeyFile), "", "more than"},
	} {
		_, err := NewVerifier(Config{KeyFiles: []KeyFile{{writeFile(t, tt.text), tt.alg}}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	for _, path := range []string{"", "/no/such/file", t.TempDir(), "/dev/zero"} {
		if _, err := NewVerifier(Config{KeyFiles: []KeyFile{{Path: path}}}); err == nil {
			t.Errorf("%q was read", path)
		}
	}
}

// Keys are rotated without a restart: first both are in the file, then the new one alone.
func TestKeyFileReloads(t *testing.T) {
	path := writeFile(t, publicPEMOf(t, "p256"))
	v, err := NewVerifier(Config{KeyFiles: []KeyFile{{Path: path}}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	was, is := signedBy(t, "ES256", pairs()["p256"].private, nil), signedBy(t, "EdDSA", pairs()["ed25519"].private, nil)
	for _, step := range []struct {
		text     string // "": the file is gone
		was, now bool
	}{
		{publicPEMOf(t, "p256"), true, false},
		{publicPEMOf(t, "p256") + publicPEMOf(t, "ed25519"), true, true},
		{"half written", true, true},
		{"", true, true},
		{publicPEMOf(t, "ed25519"), false, true},
	} {
		_ = os.Remove(path)
		if step.text != "" {
			if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		v.files[0].reload()
		for token, want := range map[string]bool{was: step.was, is: step.now} {
			if _, err := v.Verify(t.Context(), token); (err == nil) != want {
				t.Errorf("with %.40q in the file: got %v, want it taken: %v", step.text, err, want)
			}
		}
	}
}
