package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"
)

// Tokens by which a verifier that has keys of every kind might be had: it takes none of them. Those against what all
// verifiers do are in TestVerifyRefuses.
func TestHostileTokens(t *testing.T) {
	set, evil := newIssuer(t), newIssuer(t)
	set.publish(jwkOf(t, "p384", "ours", nil), jwkOf(t, "rsa", "rsa", map[string]any{"alg": "RS256"}))
	evil.publish(jwkOf(t, "other rsa", "evil", nil), jwkOf(t, "other rsa", "ours", nil))
	v, err := NewVerifier(Config{
		Secrets: []string{secretA}, KeySet: set.URL, Now: func() time.Time { return noon },
		KeyFiles: []KeyFile{{Path: writeFile(t, publicPEMOf(t, "rsa")+publicPEMOf(t, "p256")+publicPEMOf(t, "ed25519"))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.set.fetch(false).wait(t.Context()); err != nil {
		t.Fatal(err)
	}

	ours, theirs := pairs()["rsa"].private.(*rsa.PrivateKey), pairs()["other rsa"].private
	public := publicPEMOf(t, "rsa")
	pkcs1 := x509.MarshalPKCS1PublicKey(&ours.PublicKey)
	goodES := signedBy(t, "ES256", pairs()["p256"].private, nil)
	goodEd := signedBy(t, "EdDSA", pairs()["ed25519"].private, nil)
	goodRS := signedBy(t, "RS256", ours, nil)
	jwk := map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(theirs.(*rsa.PrivateKey).N.Bytes()), "e": "AQAB"}
	x5c := strings.Join(betweenMarks(certificateOf(t, "other rsa")), "")
	header := func(pairs ...any) map[string]any {
		h := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i].(string)] = pairs[i+1]
		}
		return h
	}
	mac := func(secret, header string) string { return sign(secret, header, claims()) }

	for _, good := range []string{goodES, goodEd, goodRS, mac(secretA, hs256), signedBy(t, "ES384", pairs()["p384"].private, kid("ours"))} {
		if _, err := v.Verify(t.Context(), good); err != nil {
			t.Fatalf("a good one: %v", err)
		}
	}
	for _, tt := range []struct {
		name, token string
		want        Reason
	}{
		// The public key taken for a secret, in every form in which a library might have it.
		{"HS256 by the public key's PEM", mac(public, hs256), ReasonSignature},
		{"… without the last line end", mac(strings.TrimSpace(public), hs256), ReasonSignature},
		{"… its DER", mac(string(spki(t, "rsa")), hs256), ReasonSignature},
		{"… its PKCS #1", mac(string(pkcs1), hs256), ReasonSignature},
		{"… its modulus", mac(string(ours.N.Bytes()), hs256), ReasonSignature},
		{"… its JWK", mac(jwkOf(t, "rsa", "rsa", nil), hs256), ReasonSignature},
		{"… of the EC key", mac(publicPEMOf(t, "p256"), hs256), ReasonSignature},
		{"… of the Ed25519 key", mac(string(pairs()["ed25519"].private.Public().(ed25519.PublicKey)), hs256), ReasonSignature},
		{"… naming the key", mac(public, `{"alg":"HS256","kid":"rsa"}`), ReasonSignature},
		{"… naming the set's", mac(jwkOf(t, "p384", "ours", nil), `{"alg":"HS256","kid":"ours"}`), ReasonSignature},
		{"says RS256, is HS256 by the PEM", mac(public, `{"alg":"RS256"}`), ReasonSignature},
		{"says ES256, is HS256 by our secret", mac(secretA, `{"alg":"ES256"}`), ReasonSignature},
		{"says EdDSA, is HS256 by our secret", mac(secretA, `{"alg":"EdDSA"}`), ReasonSignature},

		// An algorithm that the key is not pinned to.
		{"RS384 by the key for RS256", signedBy(t, "RS384", ours, nil), ReasonKey},
		{"RS512 by the key for RS256", signedBy(t, "RS512", ours, nil), ReasonKey},
		{"PS256 by the key for RS256", signedBy(t, "PS256", ours, nil), ReasonKey},
		{"PS256, naming the key", signedBy(t, "PS256", ours, kid("rsa")), ReasonAlgorithm},
		{"none, naming the key", unsigned(`{"alg":"none","kid":"rsa"}`), ReasonAlgorithm},
		{"nOnE", unsigned(`{"alg":"nOnE"}`), ReasonAlgorithm},
		{"alg empty", unsigned(`{"alg":""}`), ReasonAlgorithm},
		{"alg null", unsigned(`{"alg":null}`), ReasonAlgorithm},
		{"alg with a space", mac(secretA, `{"alg":"HS256 "}`), ReasonAlgorithm},
		{"alg with a zero", mac(secretA, `{"alg":"HS256\u0000"}`), ReasonAlgorithm},
		{"alg twice, the last is none", mac(secretA, `{"alg":"HS256","alg":"none"}`), ReasonAlgorithm},
		{"alg twice, the first is none", unsigned(`{"alg":"none","alg":"HS256"}`), ReasonSignature},
		{"alg in capitals beside it", unsigned(`{"ALG":"HS256","alg":"none"}`), ReasonAlgorithm},
		{"ES256K", mac(secretA, `{"alg":"ES256K"}`), ReasonAlgorithm},
		{"A256GCM", mac(secretA, `{"alg":"A256GCM"}`), ReasonAlgorithm},

		// Another's key, named or brought along.
		{"RS256 by another's", signedBy(t, "RS256", theirs, nil), ReasonSignature},
		{"… naming ours", signedBy(t, "RS256", theirs, kid("rsa")), ReasonSignature},
		{"… naming one of another kind", signedBy(t, "RS256", theirs, kid("ours")), ReasonSignature},
		{"ES384 by nobody's name", signedBy(t, "ES384", pairs()["p384"].private, nil), ReasonKey},
		{"ES384 by an empty name", signedBy(t, "ES384", pairs()["p384"].private, kid("")), ReasonKey},
		{"ES384 by a name like ours", signedBy(t, "ES384", pairs()["p384"].private, kid("Ours")), ReasonKey},
		{"ES384 by a path", signedBy(t, "ES384", pairs()["p384"].private, kid("../../../../dev/null")), ReasonKey},
		{"ES384 by a URL", signedBy(t, "ES384", pairs()["p384"].private, kid(evil.URL)), ReasonKey},
		{"ES384 by SQL", signedBy(t, "ES384", pairs()["p384"].private, kid("x' UNION SELECT 'ours")), ReasonKey},
		{"ES384 by a long name", signedBy(t, "ES384", pairs()["p384"].private, kid(strings.Repeat("o", 2000))), ReasonKey},
		{"kid a number", signedBy(t, "ES384", pairs()["p384"].private, header("kid", 1)), ReasonMalformed},
		{"kid a list", signedBy(t, "ES384", pairs()["p384"].private, header("kid", []string{"ours"})), ReasonMalformed},
		{"kid an object", signedBy(t, "RS256", ours, header("kid", map[string]any{"$ne": ""})), ReasonMalformed},
		{"kid true, of a secret", mac(secretA, `{"alg":"HS256","kid":true}`), ReasonMalformed},
		{"jwk", signedBy(t, "RS256", theirs, header("jwk", jwk)), ReasonSignature},
		{"jwk, naming ours", signedBy(t, "RS256", theirs, header("jwk", jwk, "kid", "ours")), ReasonSignature},
		{"jku", signedBy(t, "RS256", theirs, header("jku", evil.URL, "kid", "evil")), ReasonSignature},
		{"jku, naming ours", signedBy(t, "RS256", theirs, header("jku", evil.URL, "kid", "ours")), ReasonSignature},
		{"jku that begins like ours", signedBy(t, "RS256", theirs, header("jku", set.URL+"@"+strings.TrimPrefix(evil.URL, "http://"), "kid", "evil")), ReasonSignature},
		{"x5u", signedBy(t, "RS256", theirs, header("x5u", evil.URL)), ReasonSignature},
		{"x5c", signedBy(t, "RS256", theirs, header("x5c", []string{x5c})), ReasonSignature},
		{"x5t", signedBy(t, "RS256", theirs, header("x5t", "AAAA", "x5t#S256", "AAAA")), ReasonSignature},

		// Signatures that are none.
		{"ES256 of zeros", resign(goodES, make([]byte, 64)), ReasonSignature},
		{"ES256 of the order", resign(goodES, order(64)), ReasonSignature},
		{"ES256 in DER", resign(goodES, der(t, goodES)), ReasonSignature},
		{"ES256 too long", resign(goodES, append(signatureOf(goodES), 0)), ReasonSignature},
		{"ES256 too short", resign(goodES, signatureOf(goodES)[:63]), ReasonSignature},
		{"ES256 empty", resign(goodES, nil), ReasonSignature},
		{"EdDSA of zeros", resign(goodEd, make([]byte, 64)), ReasonSignature},
		{"EdDSA with S of the next round", resign(goodEd, nextRound(signatureOf(goodEd))), ReasonSignature},
		{"EdDSA empty", resign(goodEd, nil), ReasonSignature},
		{"RS256 of zeros", resign(goodRS, make([]byte, 256)), ReasonSignature},
		{"RS256 empty", resign(goodRS, nil), ReasonSignature},
		{"RS256 with a zero before", resign(goodRS, append([]byte{0}, signatureOf(goodRS)...)), ReasonSignature},
		{"RS256's signature under other claims", move(signedBy(t, "RS256", ours, header("x", 1)), goodRS), ReasonSignature},
		{"a secret's signature under a key's header", move(goodRS, mac(secretA, hs256)), ReasonSignature},

		// What is in the header beside that.
		{"crit", signedBy(t, "RS256", ours, header("crit", []string{"exp"})), ReasonMalformed},
		{"crit empty", signedBy(t, "RS256", ours, header("crit", []string{})), ReasonMalformed},
		{"unencoded payload", signedBy(t, "RS256", ours, header("b64", false, "crit", []string{"b64"})), ReasonMalformed},
		{"nested", sign(secretA, `{"alg":"HS256","cty":"JWT"}`, `"`+goodRS+`"`), ReasonMalformed},

		// And with a good signature.
		{"expired by a second", sign(secretA, hs256, claims("exp", in(-Leeway-time.Second))), ReasonExpired},
		{"64 KiB of claims", sign(secretA, hs256, claims("pad", `"`+strings.Repeat("x", 64<<10)+`"`)), ReasonMalformed},
		{"64 KiB of grants", sign(secretA, hs256, claims("grants", `[`+strings.Repeat(`{"room":"a","role":"viewer"},`, 2000)+`{"room":"*","role":"streamer"}]`)), ReasonMalformed},
		{"sub twice, the last is none", sign(secretA, hs256, `{"sub":"alice","sub":"","exp":`+in(time.Hour)+`}`), ReasonNoSubject},
		{"grant on a room of other letters", sign(secretA, hs256, claims("grants", `[{"room":"al\u0131ce","role":"streamer"}]`)), ReasonBadGrant},
		{"grant on a pattern", sign(secretA, hs256, claims("grants", `[{"room":".*","role":"streamer"},{"room":"[a-z]+","role":"streamer"}]`)), ReasonBadGrant},
		{"grant with a star and more", sign(secretA, hs256, claims("grants", `[{"room":"*/*","role":"streamer"}]`)), ReasonBadGrant},
		{"grant on nothing", sign(secretA, hs256, claims("grants", `[{"room":"","role":"streamer"}]`)), ReasonBadGrant},
		{"grant with a zero", sign(secretA, hs256, claims("grants", `[{"room":"a\u0000*","role":"streamer"}]`)), ReasonBadGrant},
		{"grant on a list of rooms", sign(secretA, hs256, claims("grants", `[{"room":["a","b"],"role":"viewer"}]`)), ReasonBadGrant},
		{"role in capitals", sign(secretA, hs256, claims("grants", `[{"room":"a","role":"Streamer"}]`)), ReasonBadGrant},
		{"two roles in one", sign(secretA, hs256, claims("grants", `[{"room":"a","role":"viewer streamer"}]`)), ReasonBadGrant},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := v.Verify(t.Context(), tt.token)
			wantRefused(t, id, err, tt.want)
			if err != nil {
				wantQuiet(t, err, tt.token)
			}
		})
	}
	if n := evil.asked.Load(); n != 0 {
		t.Errorf("a token had its own keys fetched %d times", n)
	}
	if n := set.asked.Load(); n > 2 {
		t.Errorf("the set was fetched %d times", n)
	}
}

// Scopes and grants that look like more than they are.
func TestHostileRights(t *testing.T) {
	for _, tt := range []struct{ name, claims string }{
		{"another's room", claims("grants", `[{"room":"alice","role":"streamer"}]`)},
		{"a prefix of the room", claims("grants", `[{"room":"bo","role":"streamer"}]`)},
		{"a longer room", claims("grants", `[{"room":"bobby*","role":"streamer"}]`)},
		{"other letters", claims("grants", `[{"room":"BOB","role":"streamer"}]`)},
		{"scope in capitals", claims("scope", `"ADMIN Admin"`)},
		{"scope with a comma", claims("scope", `"admin,service"`)},
		{"scope with a prefix", claims("scope", `"tallylight:admin"`)},
		{"scope with letters that cannot be seen", claims("scope", `"admin\u200b"`)},
		{"scope by another name", claims("scopes", `["admin"]`, "Scope", `"admin"`, "role", `"admin"`)},
		{"grants by another name", claims("Grants", `[{"room":"*","role":"streamer"}]`)},
		{"grants as text", claims("grant", `"*:streamer"`)},
	} {
		id, err := newTestVerifier(t).Verify(t.Context(), sign(secretA, hs256, tt.claims))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, role := range []Role{RoleViewer, RoleStreamer, RoleModerator} {
			if id.MayJoin("bob", role) || id.May("bob", role, ActionChat) {
				t.Errorf("%s: may join bob as %s", tt.name, role)
			}
		}
		if id.MayModerate("bob") || id.MayRead("bob") || id.HasScope(ScopeAdmin, ScopeService, ScopeDirectory) {
			t.Errorf("%s: may more than join", tt.name)
		}
	}
}

func signatureOf(token string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
	if err != nil {
		panic(err)
	}
	return b
}

// resign puts another signature under a token.
func resign(token string, signature []byte) string {
	return token[:strings.LastIndexByte(token, '.')+1] + base64.RawURLEncoding.EncodeToString(signature)
}

// move puts the signature of one token under another.
func move(token, from string) string { return resign(token, signatureOf(from)) }

// order is the order of P-256 twice, which is zero to who does not look.
func order(size int) []byte {
	n := pairs()["p256"].private.(*ecdsa.PrivateKey).Params().N.Bytes()
	return append(n, n...)[:size]
}

// der writes an ECDSA signature as X.509 has it, which would be a second spelling.
func der(t *testing.T, token string) []byte {
	s := signatureOf(token)
	b, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:])})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nextRound adds the group's order to S, RFC 8032 §8.4: who does not look takes it for the same.
func nextRound(signature []byte) []byte {
	l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	reverse := func(b []byte) []byte {
		r := make([]byte, 32)
		for i := range b {
			r[31-i] = b[i]
		}
		return r
	}
	s := new(big.Int).SetBytes(reverse(signature[32:]))
	sum := s.Add(s, l).FillBytes(make([]byte, 32))
	return append(append([]byte{}, signature[:32]...), reverse(sum)...)
}
