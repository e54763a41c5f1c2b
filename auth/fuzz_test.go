package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// canned answers every request with the same bytes.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(c)), Request: r}, nil
}

// newCannedSet returns a set that was fetched from such a server.
func newCannedSet(t testing.TB, answer string) (*remote, error) {
	r, err := newRemote("https://id.example/keys", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.client = &http.Client{Transport: bounded{canned(answer)}}
	return r, r.fetch(false).wait(t.Context())
}

// wantPinned checks that a key can be used with its algorithm and no other.
func wantPinned(t *testing.T, k key) {
	t.Helper()
	ok := false
	switch material := k.material.(type) {
	case *rsa.PublicKey:
		_, rs := k.method.(*jwt.SigningMethodRSA)
		_, ps := k.method.(*jwt.SigningMethodRSAPSS)
		ok = (rs || ps) && material.N.BitLen() >= minRSA && material.N.BitLen() <= maxRSA
	case *ecdsa.PublicKey:
		m, es := k.method.(*jwt.SigningMethodECDSA)
		ok = es && m.CurveBits == material.Curve.Params().BitSize
	case ed25519.PublicKey:
		_, ed := k.method.(*jwt.SigningMethodEd25519)
		ok = ed && len(material) == ed25519.PublicKeySize
	}
	if !ok {
		t.Fatalf("%T is pinned to %s", k.material, k.method.Alg())
	}
}

func FuzzKeySet(f *testing.F) {
	for name := range pairs() {
		f.Add(`{"keys":[` + jwkOf(f, name, name, nil) + `]}`)
		f.Add(`{"keys":[` + jwkOf(f, name, "k", map[string]any{"alg": "ES256", "use": "sig", "key_ops": []string{"verify"}}) + `,` + jwkOf(f, name, "k", nil) + `]}`)
	}
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"keys":null}`, `{"keys":[null]}`, `{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}`, `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`,
		`{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"OKP","kid":"a","crv":"Ed25519","x":"AA"}]}`, `{"keys":[{"kty":"OKP","kid":"a","crv":"X25519","x":"` + strings.Repeat("A", 43) + `"}]}`,
		`{"keys":[{"kty":"RSA","kid":"a","n":"` + strings.Repeat("_", 2000) + `","e":"AA"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		r, err := newCannedSet(t, answer)
		set := r.keys.Load()
		if (err == nil) != (set != nil) {
			t.Fatalf("the set is %v, and the error %v", set, err)
		}
		if set == nil {
			return
		}
		count := 0
		for id, keys := range *set {
			if count += len(keys); id == "" || len(keys) == 0 {
				t.Fatalf("key %q has %d keys", id, len(keys))
			}
			for _, k := range keys {
				wantPinned(t, k)
			}
		}
		if count == 0 {
			t.Fatal("a set without keys was taken")
		}
	})
}

func FuzzPEM(f *testing.F) {
	for name, p := range pairs() {
		f.Add(publicPEMOf(f, name), p.algs[0])
		f.Add(certificateOf(f, name)+publicPEMOf(f, "p256"), "")
		f.Add(privatePEMOf(f, name), "")
	}
	f.Add("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "HS256")
	f.Fuzz(func(t *testing.T, text, alg string) {
		keys, err := parsePEM([]byte(text), alg)
		if err != nil {
			if keys != nil {
				t.Fatalf("got %d keys and %v", len(keys), err)
			}
			return
		}
		if len(keys) == 0 || len(keys) != strings.Count(text, "-----BEGIN ") {
			t.Fatalf("got %d keys of %q", len(keys), text)
		}
		for _, k := range keys {
			if wantPinned(t, k); alg != "" && k.method.Alg() != alg {
				t.Fatalf("a key for %q is pinned to %s", alg, k.method.Alg())
			}
		}
	})
}

// FuzzSecret has text around a public key, in all forms in which one is handed around.
func FuzzSecret(f *testing.F) {
	f.Add("", "")
	f.Add("our key:\n", "\n")
	f.Add("\ufeff", "\r\n")
	f.Add(strings.Repeat("x", 64), "")
	public := publicPEMOf(f, "ed25519")
	f.Fuzz(func(t *testing.T, before, after string) {
		if _, err := secretKey(before+public+after, ""); err == nil {
			t.Fatalf("a public key with %q before and %q after it was taken for a secret", before, after)
		}
		text := before + after
		k, err := secretKey(text, "")
		if err == nil && (len(text) < 32 || k.method.Alg() != "HS256" || string(k.material.([]byte)) != text) {
			t.Fatalf("%q became %+v", text, k)
		}
	})
}

// FuzzTokens gives a verifier that has keys of every kind a header and claims under a signature by one of them.
func FuzzTokens(f *testing.F) {
	set, err := newCannedSet(f, `{"keys":[`+jwkOf(f, "p384", "ours", nil)+`]}`)
	if err != nil {
		f.Fatal(err)
	}
	set.askedAt = time.Now().Add(24 * time.Hour) // it is not fetched again
	v := newTestVerifier(f)
	v.set = set
	for _, name := range []string{"p256", "ed25519"} {
		file, err := openKeyFile(KeyFile{Path: writeFile(f, publicPEMOf(f, name))}, slog.New(slog.DiscardHandler))
		if err != nil {
			f.Fatal(err)
		}
		v.files = append(v.files, file)
	}
	methods := map[string]string{"p256": "ES256", "ed25519": "EdDSA", "p384": "ES384"}
	for name, alg := range methods {
		f.Add(name, `{"alg":"`+alg+`"}`, claims())
		f.Add(name, `{"alg":"`+alg+`","kid":"ours","jwk":{}}`, claims("grants", `[{"room":"*","role":"viewer"}]`))
	}
	f.Add("p384", `{"alg":"ES256","kid":"ours"}`, claims())
	f.Add("p256", `{"alg":"none","kid":1}`, claims())
	f.Fuzz(func(t *testing.T, name, header, payload string) {
		alg, ok := methods[name]
		if !ok {
			return
		}
		unsigned := sign("", header, payload)
		text := unsigned[:strings.LastIndexByte(unsigned, '.')]
		signature, err := jwt.GetSigningMethod(alg).Sign(text, pairs()[name].private)
		if err != nil {
			t.Fatal(err)
		}
		token := resign(unsigned, signature)
		check(t, v, token)
		var says map[string]any
		if _, err := v.Verify(t.Context(), token); err == nil && (json.Unmarshal([]byte(header), &says) != nil || says["alg"] != alg) {
			t.Fatalf("a token signed by %s is taken for %s", alg, header)
		}
	})
}
