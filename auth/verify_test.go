package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	secretA = "the first secret, 32 bytes or more"
	secretB = "the other secret, 32 bytes or more"
	secretX = "the secret of somebody else entirely"
)

// noon is when the tests of this file take place.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTestVerifier(t testing.TB, change ...func(*Config)) *Verifier {
	t.Helper()
	cfg := Config{Secrets: []string{secretA, secretB}, Now: func() time.Time { return noon }}
	for _, c := range change {
		c(&cfg)
	}
	v, err := NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sign makes a token of any header and claims, as somebody would who does not use our Mint.
func sign(secret, header, claims string) string {
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// in writes a time relative to noon as a claim.
func in(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }

// claims makes a good payload with some of its members replaced or, by "", left out.
func claims(change ...string) string {
	all := map[string]string{"sub": `"alice"`, "exp": in(time.Hour)}
	for i := 0; i < len(change); i += 2 {
		all[change[i]] = change[i+1]
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if value := all[name]; value != "" {
			list = append(list, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}

func TestVerifyGood(t *testing.T) {
	id, err := newTestVerifier(t).Verify(t.Context(), sign(secretA, hs256, claims(
		"name", `" Alice\u0007\u202e "`, "jti", `"t1"`, "iat", in(-time.Minute), "nbf", in(-time.Minute),
		"iss", `"whoever"`, "aud", `["them"]`, "scope", `"directory  openid"`,
		"grants", `[{"room":"alice","role":"streamer"},{"room":"*","role":"viewer","can":["chat","x.*"],"note":1}]`)))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(id)
	want, _ := json.Marshal(&Identity{
		User: "alice", Name: "Alice", TokenID: "t1",
		IssuedAt: noon.Add(-time.Minute).Local(), Expires: noon.Add(time.Hour).Local(),
		Grants: []Grant{{Room: "alice", Role: RoleStreamer}, {Room: "*", Role: RoleViewer, Can: []string{"chat", "x.*"}}},
		Scopes: []Scope{ScopeDirectory, "openid"},
	})
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVerifyAccepts(t *testing.T) {
	for name, token := range map[string]string{
		"the second secret":         sign(secretB, hs256, claims()),
		"within the leeway":         sign(secretA, hs256, claims("exp", in(-29*time.Second))),
		"nbf within the leeway":     sign(secretA, hs256, claims("nbf", in(29*time.Second))),
		"iat within the leeway":     sign(secretA, hs256, claims("iat", in(29*time.Second))),
		"fractions of a second":     sign(secretA, hs256, claims("exp", in(time.Hour)+".5")),
		"no typ":                    sign(secretA, `{"alg":"HS256"}`, claims()),
		"a kid nobody asked for":    sign(secretA, `{"alg":"HS256","kid":"../../dev/null"}`, claims()),
		"null for what is optional": sign(secretA, hs256, claims("grants", "null", "scope", "null", "nbf", "null", "name", "null")),
		"no grants at all":          sign(secretA, hs256, claims("grants", "[]")),
		"8 KiB":                     padded(maxToken),
	} {
		id, err := newTestVerifier(t).Verify(t.Context(), token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if id.User != "alice" || id.Name != "alice" {
			t.Errorf("%s: got user %q, name %q, want alice twice", name, id.User, id.Name)
		}
	}
}

// padded returns a good token of n bytes.
func padded(n int) string {
	for pad := n / 2; ; pad++ {
		if token := sign(secretA, hs256, claims("pad", `"`+strings.Repeat("x", pad)+`"`)); len(token) >= n {
			return token
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := sign(secretA, hs256, claims())
	part := strings.Split(good, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(claims("scope", `"admin"`)))

	for _, tt := range []struct {
		name, token string
		want        Reason
	}{
		{"no token", "", ReasonMissing},
		{"one word", "token", ReasonMalformed},
		{"only dots", "..", ReasonMalformed},
		{"two parts", part[0] + "." + part[1], ReasonMalformed},
		{"four parts", good + "." + part[2], ReasonMalformed},
		{"empty header", "." + part[1] + "." + part[2], ReasonMalformed},
		{"empty claims", part[0] + ".." + part[2], ReasonMalformed},
		{"empty signature", part[0] + "." + part[1] + ".", ReasonSignature},
		{"cut in the signature", good[:len(good)-3], ReasonSignature},
		{"cut in the claims", part[0] + "." + part[1][:10] + "." + part[2], ReasonMalformed},
		{"not base64", part[0] + "." + part[1] + ".!!!!", ReasonMalformed},
		{"padding", good + "=", ReasonMalformed},
		{"standard base64", strings.Replace(good, ".", "+.", 1), ReasonMalformed},
		{"space before", " " + good, ReasonMalformed},
		{"line end after", good + "\n", ReasonMalformed},
		{"line end in the signature", part[0] + "." + part[1] + ".\n" + part[2], ReasonMalformed},
		{"with its scheme", "Bearer " + good, ReasonMalformed},
		{"quoted", `"` + good + `"`, ReasonMalformed},
		{"not ASCII", good + "é", ReasonMalformed},
		{"zero byte", good + "\x00", ReasonMalformed},
		{"too long", padded(maxToken + 1), ReasonMalformed},
		{"a megabyte of dots", strings.Repeat(".", 1<<20), ReasonMalformed},
		{"encrypted", strings.Repeat("e30.", 4) + "e30", ReasonMalformed},
		{"other spelling of the signature", respell(good), ReasonMalformed},

		{"alg none", sign("", `{"alg":"none"}`, claims()), ReasonAlgorithm},
		{"alg none without signature", unsigned(`{"alg":"none"}`), ReasonAlgorithm},
		{"alg None without signature", unsigned(`{"alg":"None"}`), ReasonAlgorithm},
		{"alg in lower case", sign(secretA, `{"alg":"hs256"}`, claims()), ReasonAlgorithm},
		{"alg missing", sign(secretA, `{"typ":"JWT"}`, claims()), ReasonAlgorithm},
		{"alg a number", sign(secretA, `{"alg":256}`, claims()), ReasonAlgorithm},
		{"alg a list", sign(secretA, `{"alg":["HS256"]}`, claims()), ReasonAlgorithm},
		{"alg unknown", sign(secretA, `{"alg":"`+strings.Repeat("A", 500)+`"}`, claims()), ReasonAlgorithm},
		{"HS384 with our secret", library(t, jwt.SigningMethodHS384, []byte(secretA)), ReasonAlgorithm},
		{"HS512 with our secret", library(t, jwt.SigningMethodHS512, []byte(secretA)), ReasonAlgorithm},
		{"says HS384, is HS256", sign(secretA, `{"alg":"HS384"}`, claims()), ReasonAlgorithm},
		{"RS256 by a key of theirs", library(t, jwt.SigningMethodRS256, rsaKey(t)), ReasonAlgorithm},
		{"says RS256, is HS256", sign(secretA, `{"alg":"RS256"}`, claims()), ReasonAlgorithm},
		{"HS256 by an RSA key's public half", sign(publicPEM(t), hs256, claims()), ReasonSignature},
		{"key in the header", sign(secretX, `{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, claims()), ReasonSignature},
		{"extensions called critical", sign(secretA, `{"alg":"HS256","crit":["exp"]}`, claims()), ReasonMalformed},
		{"header a list", sign(secretA, `[]`, claims()), ReasonMalformed},
		{"header null", sign(secretA, `null`, claims()), ReasonAlgorithm},
		{"header not JSON", sign(secretA, `alg: HS256`, claims()), ReasonMalformed},

		{"other secret", sign(secretX, hs256, claims()), ReasonSignature},
		{"empty secret", sign("", hs256, claims()), ReasonSignature},
		{"claims changed", part[0] + "." + forged + "." + part[2], ReasonSignature},
		{"other secret and expired", sign(secretX, hs256, claims("exp", in(-time.Hour))), ReasonSignature},

		{"claims not JSON", sign(secretA, hs256, `sub=alice`), ReasonMalformed},
		{"claims a list", sign(secretA, hs256, `[]`), ReasonMalformed},
		{"claims a string", sign(secretA, hs256, `"alice"`), ReasonMalformed},
		{"claims null", sign(secretA, hs256, `null`), ReasonNoExpiry},
		{"claims twice", sign(secretA, hs256, claims()+claims()), ReasonMalformed},
		{"deep", sign(secretA, hs256, strings.Repeat("[", 5000)), ReasonMalformed},

		{"no exp", sign(secretA, hs256, claims("exp", "")), ReasonNoExpiry},
		{"exp null", sign(secretA, hs256, claims("exp", "null")), ReasonNoExpiry},
		{"exp only as Exp", sign(secretA, hs256, claims("exp", "", "Exp", in(time.Hour))), ReasonNoExpiry},
		{"expired", sign(secretA, hs256, claims("exp", in(-time.Hour))), ReasonExpired},
		{"expired, leeway just over", sign(secretA, hs256, claims("exp", in(-Leeway))), ReasonExpired},
		{"exp zero", sign(secretA, hs256, claims("exp", "0")), ReasonExpired},
		{"exp negative", sign(secretA, hs256, claims("exp", "-1790000000")), ReasonExpired},
		{"exp a float in the past", sign(secretA, hs256, claims("exp", "1.5")), ReasonExpired},
		{"exp a string", sign(secretA, hs256, claims("exp", `"`+in(time.Hour)+`"`)), ReasonMalformed},
		{"exp huge", sign(secretA, hs256, claims("exp", "1e300")), ReasonMalformed},
		{"exp huge and negative", sign(secretA, hs256, claims("exp", "-1e300")), ReasonMalformed},
		{"exp beyond any float", sign(secretA, hs256, claims("exp", "1e999")), ReasonMalformed},
		{"exp in milliseconds", sign(secretA, hs256, claims("exp", in(time.Hour)+"000")), ReasonMalformed},
		{"exp a boolean", sign(secretA, hs256, claims("exp", "true")), ReasonMalformed},
		{"exp a list", sign(secretA, hs256, claims("exp", "["+in(time.Hour)+"]")), ReasonMalformed},
		{"nbf ahead", sign(secretA, hs256, claims("nbf", in(31*time.Second))), ReasonNotYetValid},
		{"iat ahead", sign(secretA, hs256, claims("iat", in(31*time.Second))), ReasonNotYetValid},
		{"iat a string", sign(secretA, hs256, claims("iat", `"now"`)), ReasonMalformed},

		{"exp twice, the last is over", sign(secretA, hs256, `{"sub":"alice","exp":`+in(time.Hour)+`,"exp":1}`), ReasonExpired},
		{"grants twice, the last is bad", sign(secretA, hs256, claims("grants", `[],"grants":[1]`)), ReasonBadGrant},

		{"no sub", sign(secretA, hs256, claims("sub", "")), ReasonNoSubject},
		{"sub empty", sign(secretA, hs256, claims("sub", `""`)), ReasonNoSubject},
		{"sub null", sign(secretA, hs256, claims("sub", "null")), ReasonNoSubject},
		{"sub only as SUB", sign(secretA, hs256, claims("sub", "", "SUB", `"alice"`)), ReasonNoSubject},
		{"sub a number", sign(secretA, hs256, claims("sub", "42")), ReasonMalformed},
		{"sub with a space", sign(secretA, hs256, claims("sub", `"al ice"`)), ReasonBadSubject},
		{"sub too long", sign(secretA, hs256, claims("sub", `"`+strings.Repeat("a", 129)+`"`)), ReasonBadSubject},
		{"name a list", sign(secretA, hs256, claims("name", `["Alice"]`)), ReasonMalformed},
		{"scope a list", sign(secretA, hs256, claims("scope", `["admin"]`)), ReasonMalformed},
		{"aud a number", sign(secretA, hs256, claims("aud", `1`)), ReasonMalformed},

		{"grants a string", sign(secretA, hs256, claims("grants", `"all"`)), ReasonBadGrant},
		{"grants an object", sign(secretA, hs256, claims("grants", `{"room":"*","role":"viewer"}`)), ReasonBadGrant},
		{"grant null", sign(secretA, hs256, claims("grants", `[null]`)), ReasonBadGrant},
		{"grant without room", sign(secretA, hs256, claims("grants", `[{"role":"viewer"}]`)), ReasonBadGrant},
		{"grant without role", sign(secretA, hs256, claims("grants", `[{"room":"r"}]`)), ReasonBadGrant},
		{"grant of an unknown role", sign(secretA, hs256, claims("grants", `[{"room":"r","role":"king"}]`)), ReasonBadGrant},
		{"grant with Role", sign(secretA, hs256, claims("grants", `[{"room":"r","Role":"streamer"}]`)), ReasonBadGrant},
		{"grant with a star inside", sign(secretA, hs256, claims("grants", `[{"room":"a*b","role":"viewer"}]`)), ReasonBadGrant},
		{"grant with two stars", sign(secretA, hs256, claims("grants", `[{"room":"**","role":"viewer"}]`)), ReasonBadGrant},
		{"grant on a bad room", sign(secretA, hs256, claims("grants", `[{"room":"a/b","role":"viewer"}]`)), ReasonBadGrant},
		{"can a string", sign(secretA, hs256, claims("grants", `[{"room":"r","role":"viewer","can":"chat"}]`)), ReasonBadGrant},
		{"can of numbers", sign(secretA, hs256, claims("grants", `[{"room":"r","role":"viewer","can":[1]}]`)), ReasonBadGrant},
		{"a bad grant after a good one", sign(secretA, hs256, claims("grants", `[{"room":"r","role":"viewer"},7]`)), ReasonBadGrant},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := newTestVerifier(t).Verify(t.Context(), tt.token)
			wantRefused(t, id, err, tt.want)
			if err != nil {
				wantQuiet(t, err, tt.token)
			}
		})
	}
}

func wantRefused(t *testing.T, id *Identity, err error, want Reason) {
	t.Helper()
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %+v, error %v, want reason %q", id, err, want)
	}
	if refused.Reason != want || id != nil {
		t.Errorf("got %+v, %v, want reason %q", id, err, want)
	}
	if refused.Detail == "" {
		t.Errorf("reason %q comes without a detail", refused.Reason)
	}
}

// wantQuiet checks that an error repeats neither a secret nor enough of the token to use it.
func wantQuiet(t *testing.T, err error, token string) {
	t.Helper()
	text := err.Error()
	if len(text) > 300 {
		t.Errorf("the error has %d bytes", len(text))
	}
	parts := strings.Split(token, ".")
	for _, s := range append(parts, secretA, secretB) {
		if len(s) > 8 && strings.Contains(text, s) {
			t.Errorf("the error repeats %q: %s", s, text)
		}
	}
}

func TestVerifyIssuerAndAudience(t *testing.T) {
	v := newTestVerifier(t, func(c *Config) { c.Issuer, c.Audience = "https://id.example", "tallylight" })
	for _, tt := range []struct{ name, iss, aud, want string }{
		{"both", `"https://id.example"`, `"tallylight"`, ""},
		{"one of several", `"https://id.example"`, `["other","tallylight"]`, ""},
		{"no iss", "", `"tallylight"`, "issuer"},
		{"other iss", `"https://id.example/"`, `"tallylight"`, "issuer"},
		{"no aud", `"https://id.example"`, "", "audience"},
		{"other aud", `"https://id.example"`, `"Tallylight"`, "audience"},
		{"empty list", `"https://id.example"`, `[]`, "audience"},
		{"neither", "", "", "issuer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := v.Verify(t.Context(), sign(secretA, hs256, claims("iss", tt.iss, "aud", tt.aud)))
			if tt.want != "" {
				wantRefused(t, id, err, Reason(tt.want))
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// A token is good to the last moment of the leeway, by the real clock as well.
func TestVerifyExpiresWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTestVerifier(t, func(c *Config) { c.Now = nil })
		token, err := Mint(secretA, Claims{User: "alice", Expires: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + Leeway - time.Millisecond)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("1 ms before the end: %v", err)
		}
		time.Sleep(time.Millisecond)
		id, err := v.Verify(t.Context(), token)
		wantRefused(t, id, err, ReasonExpired)
	})
}

func TestNewVerifier(t *testing.T) {
	for _, tt := range []struct {
		name    string
		secrets []string
		want    string // part of the error
	}{
		{"none", nil, "no key"},
		{"empty", []string{""}, "empty"},
		{"short", []string{"31 bytes are one byte too short"}, "at least 32 bytes (RFC 7518 §3.2), this one has 31"},
		{"second short", []string{secretA, "hunter2"}, "secret 2 of 2"},
		{"exactly long enough", []string{strings.Repeat("k", 32)}, ""},
	} {
		_, err := NewVerifier(Config{Secrets: tt.secrets})
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "one byte too short")):
			t.Errorf("%s: the error repeats the secret: %v", tt.name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	v := newTestVerifier(f)
	good := sign(secretA, hs256, claims("name", `"A"`, "scope", `"admin"`, "grants", `[{"room":"r*","role":"viewer","can":["x.*"]}]`))
	for _, seed := range []string{
		"", ".", "..", "...", good, good[:len(good)/2], good + "\n", respell(good), unsigned(`{"alg":"none"}`),
		sign(secretA, `{"alg":"HS384"}`, claims()), sign(secretA, hs256, claims("exp", "1e300")),
		sign(secretA, hs256, claims("grants", `[null,{}]`)), sign(secretA, hs256, "null"), sign(secretX, hs256, claims()),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		check(t, v, token)
	})
}

// FuzzClaims goes behind the signature, where bytes alone never get.
func FuzzClaims(f *testing.F) {
	v := newTestVerifier(f)
	for _, seed := range []string{
		claims(), claims("exp", "1e300"), claims("exp", "-0"), claims("grants", `[{"room":"*","role":"viewer","can":[]}]`),
		claims("sub", `"\ud800"`), claims("aud", `["a","b"]`), claims("name", `"\u0000"`), `{}`, `null`, `[]`,
	} {
		f.Add(hs256, seed)
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		check(t, v, sign(secretA, header, claims))
	})
}

// check says what must hold for any token whatever.
func check(t *testing.T, v *Verifier, token string) {
	id, err := v.Verify(t.Context(), token)
	if err != nil {
		var refused *Error
		if !errors.As(err, &refused) || refused.Reason == "" || refused.Detail == "" || id != nil {
			t.Fatalf("got %+v, %#v, want nothing but an *Error", id, err)
		}
		return
	}
	if !ValidUser(id.User) || id.Name == "" || id.Expires.Add(Leeway).Before(noon) || len(token) > maxToken {
		t.Fatalf("accepted %+v", id)
	}
	for _, g := range id.Grants {
		if g.check() != nil {
			t.Fatalf("accepted grant %+v", g)
		}
	}
}

// unsigned returns a token whose signature is the empty string, as alg none wants it.
func unsigned(header string) string {
	token := sign("", header, claims())
	return token[:strings.LastIndexByte(token, '.')+1]
}

// respell changes the bits of the last character that do not count: 32 bytes leave two of them.
func respell(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	return token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])^1])
}

// library signs good claims the way the library does.
func library(t *testing.T, m jwt.SigningMethod, key any) string {
	t.Helper()
	token, err := jwt.NewWithClaims(m, jwt.MapClaims{"sub": "alice", "exp": noon.Add(time.Hour).Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&rsaKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
