package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
)

// issuer serves a key set.
type issuer struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) serve(h http.HandlerFunc) { i.answer.Store(&h) }

// publish serves a set of these keys.
func (i *issuer) publish(jwks ...string) {
	i.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(jwks, ",")) })
}

// jwkOf returns the public half of a pair as a JWK, with some members replaced or, by nil, left out.
func jwkOf(t testing.TB, name, kid string, change map[string]any) string {
	t.Helper()
	return jwkFrom(t, pairs()[name].private.Public(), kid, change)
}

func jwkFrom(t testing.TB, public crypto.PublicKey, kid string, change map[string]any) string {
	t.Helper()
	jwk, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(jwk.Marshal())
	var members map[string]any
	_ = json.Unmarshal(text, &members)
	for member, value := range change {
		if members[member] = value; value == nil {
			delete(members, member)
		}
	}
	text, _ = json.Marshal(members)
	return string(text)
}

// newSetVerifier returns a verifier that has the issuer's keys, if they can be had.
func (i *issuer) newVerifier(t testing.TB, log *bytes.Buffer) *Verifier {
	t.Helper()
	cfg := Config{KeySet: i.URL, Now: func() time.Time { return noon }}
	if log != nil {
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	v, err := NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_ = v.set.fetch(false).wait(t.Context())
	return v
}

func kid(id string) map[string]any { return map[string]any{"kid": id} }

func TestKeySet(t *testing.T) {
	i := newIssuer(t)
	var set []string
	for name, p := range pairs() {
		set = append(set, jwkOf(t, name, name, map[string]any{"alg": p.algs[0]}), jwkOf(t, name, name+" by kind", map[string]any{"alg": nil}))
	}
	set = append(set, jwkOf(t, "rsa", "for PS", map[string]any{"alg": "PS384", "use": "sig", "key_ops": []string{"verify"}}))
	i.publish(set...)
	v := i.newVerifier(t, nil)
	for name, p := range pairs() {
		for _, alg := range p.algs {
			for id, want := range map[string]bool{name: alg == p.algs[0], name + " by kind": alg == p.algs[0]} {
				got, err := v.Verify(t.Context(), signedBy(t, alg, p.private, kid(id)))
				if !want {
					wantRefused(t, got, err, ReasonAlgorithm)
				} else if err != nil {
					t.Errorf("%s by %q: %v", alg, id, err)
				}
			}
		}
	}
	if _, err := v.Verify(t.Context(), signedBy(t, "PS384", pairs()["rsa"].private, kid("for PS"))); err != nil {
		t.Errorf("PS384: %v", err)
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("the set was fetched %d times, want once", n)
	}
}

// What is in a set and must not be used.
func TestKeySetPassesOver(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t)
	i.publish(
		jwkOf(t, "p256", "good", nil),
		jwkOf(t, "rsa", "enc", map[string]any{"use": "enc"}),
		jwkOf(t, "rsa", "ops", map[string]any{"key_ops": []string{"sign"}}),
		jwkOf(t, "rsa", "hmac", map[string]any{"alg": "HS256"}),
		jwkOf(t, "rsa", "none", map[string]any{"alg": "none"}),
		jwkOf(t, "rsa", "EC's", map[string]any{"alg": "ES256"}),
		jwkOf(t, "other rsa", "", nil),
		jwkFrom(t, &small.PublicKey, "small", nil),
		`{"kty":"oct","kid":"oct","alg":"HS256","k":"`+strings.Repeat("A", 43)+`"}`,
		`{"kty":"XYZ","kid":"unheard of"}`,
	)
	var log bytes.Buffer
	v := i.newVerifier(t, &log)
	if _, err := v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, kid("good"))); err != nil {
		t.Errorf("the good one: %v", err)
	}
	for _, id := range []string{"enc", "ops", "hmac", "none", "EC's"} {
		for _, alg := range pairs()["rsa"].algs {
			got, err := v.Verify(t.Context(), signedBy(t, alg, pairs()["rsa"].private, kid(id)))
			wantRefused(t, got, err, ReasonKey)
		}
		if !strings.Contains(log.String(), id) {
			t.Errorf("nobody is told that %q is not used: %s", id, log.String())
		}
	}
	got, err := v.Verify(t.Context(), signedBy(t, "RS256", small, kid("small")))
	wantRefused(t, got, err, ReasonKey)
	for _, id := range []any{"oct", ""} {
		got, err := v.Verify(t.Context(), signedBy(t, "HS256", make([]byte, 32), map[string]any{"kid": id}))
		wantRefused(t, got, err, ReasonAlgorithm)
	}
	got, err = v.Verify(t.Context(), signedBy(t, "RS256", pairs()["other rsa"].private, kid("")))
	wantRefused(t, got, err, ReasonKey)
	got, err = v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, nil))
	wantRefused(t, got, err, ReasonKey)
}

// A new key is found by the first token that names it, and all who come meanwhile wait for it; an old one is gone.
func TestKeySetRotates(t *testing.T) {
	i := newIssuer(t)
	i.publish(jwkOf(t, "p256", "1", nil))
	v := i.newVerifier(t, nil)
	i.serve(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond) // so that many come before it is there
		fmt.Fprintf(w, `{"keys":[%s]}`, jwkOf(t, "ed25519", "2", nil))
	})
	token := signedBy(t, "EdDSA", pairs()["ed25519"].private, kid("2"))
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	if n := i.asked.Load(); n != 2 {
		t.Errorf("the set was fetched %d times, want once more than at first", n-1)
	}
	got, err := v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, kid("1")))
	wantRefused(t, got, err, ReasonKey)
}

// Who can't wait is put off while it is not known whether the key is there.
func TestKeySetWithoutWaiting(t *testing.T) {
	i := newIssuer(t)
	i.publish(jwkOf(t, "p256", "1", nil))
	v := i.newVerifier(t, nil)
	arrived := make(chan struct{})
	i.serve(func(w http.ResponseWriter, _ *http.Request) {
		<-arrived
		fmt.Fprintf(w, `{"keys":[%s]}`, jwkOf(t, "ed25519", "2", nil))
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	known, young, made := signedBy(t, "ES256", pairs()["p256"].private, kid("1")), signedBy(t, "EdDSA", pairs()["ed25519"].private, kid("2")), signedBy(t, "ES256", pairs()["p256"].private, kid("3"))
	for range 3 {
		if _, err := v.Verify(ended, young); !errors.Is(err, ErrKeysAway) {
			t.Errorf("while the set is being fetched: %v, want %v", err, ErrKeysAway)
		}
		if _, err := v.Verify(ended, known); err != nil {
			t.Errorf("a key that is known: %v", err)
		}
	}
	close(arrived)
	for v.set.fetching() {
		time.Sleep(time.Millisecond)
	}
	if _, err := v.Verify(ended, young); err != nil {
		t.Errorf("once it was fetched: %v", err)
	}
	got, err := v.Verify(ended, made)
	wantRefused(t, got, err, ReasonKey)
}

func (r *remote) fetching() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flight != nil
}

// Whoever makes up key ids can't have the set fetched all the time.
func TestKeySetBacksOff(t *testing.T) {
	i := newIssuer(t)
	i.publish(jwkOf(t, "p256", "1", nil))
	v := i.newVerifier(t, nil)
	for n := range 100 {
		got, err := v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, kid(fmt.Sprint("made up ", n))))
		wantRefused(t, got, err, ReasonKey)
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("the set was fetched %d times for unknown keys, want once", n-1)
	}
	v.set.askedAt = v.set.askedAt.Add(-unknownEvery)
	for range 100 {
		_, _ = v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, kid("2")))
	}
	if n := i.asked.Load(); n != 3 {
		t.Errorf("the set was fetched %d times for unknown keys, want once more after a while", n-1)
	}
	if _, err := v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, kid("1"))); err != nil {
		t.Errorf("the key that is there: %v", err)
	}
}

// The last good set stays, whatever comes after it.
func TestKeySetKeepsTheLastGood(t *testing.T) {
	i := newIssuer(t)
	i.publish(jwkOf(t, "p256", "1", nil))
	v := i.newVerifier(t, nil)
	elsewhere := newIssuer(t)
	elsewhere.publish(jwkOf(t, "ed25519", "1", nil))
	var endless atomic.Int64 // bytes of the answer without an end that were taken, or wait in buffers
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, answer := range map[string]http.HandlerFunc{
		"500":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a page":           func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>we'll be back") },
		"no keys":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) },
		"another document": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error":"maintenance"}`) },
		"no key of use":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`) },
		"half":             func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[`) },
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"keys":[`)
		},
		"no end": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"keys":[{"kty":"`)
			for line := []byte(strings.Repeat("x", 64<<10)); r.Context().Err() == nil; {
				n, err := w.Write(line)
				if endless.Add(int64(n)); err != nil {
					return
				}
			}
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"nothing": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
	} {
		i.serve(answer)
		begun := time.Now()
		if err := v.set.fetch(false).wait(t.Context()); err == nil {
			t.Errorf("%s: was taken", name)
		} else if took := time.Since(begun); took > 2*fetchTimeout {
			t.Errorf("%s: took %s", name, took)
		}
		if _, err := v.Verify(t.Context(), signedBy(t, "ES256", pairs()["p256"].private, kid("1"))); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if n := endless.Load(); n > 16*maxSet {
		t.Errorf("%d MiB of an answer without an end were taken", n>>20)
	}
	if n := elsewhere.asked.Load(); n != 0 {
		t.Error("the redirect was followed")
	}
}

// Without a set nobody knows whether a token is good; it is there as soon as it can be had.
func TestKeySetAway(t *testing.T) {
	i := newIssuer(t)
	i.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	v := i.newVerifier(t, nil)
	token := signedBy(t, "ES256", pairs()["p256"].private, kid("1"))
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrKeysAway) || v.Ready() == nil {
		t.Errorf("got %v, and ready: %v, want %v and not", err, v.Ready(), ErrKeysAway)
	}
	got, err := v.Verify(t.Context(), sign(secretX, hs256, claims()))
	wantRefused(t, got, err, ReasonAlgorithm)
	i.publish(jwkOf(t, "p256", "1", nil))
	v.set.askedAt = time.Time{}
	if _, err := v.Verify(t.Context(), token); err != nil || v.Ready() != nil {
		t.Errorf("got %v, and ready: %v, want neither", err, v.Ready())
	}
}

func TestKeySetURLs(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://id.example/keys": true, "http://127.0.0.1:8080/keys": true, "http://[::1]/keys": true, "http://localhost/keys": true,
		"http://127.1.2.3/keys":       true,
		"http://id.example/keys":      false,
		"http://10.0.0.1/keys":        false,
		"http://localhost.evil/":      false,
		"http://127.0.0.1@evil/":      false,
		"https://u:p@id.example/keys": false,
		"file:///etc/keys":            false,
		"id.example/keys":             false,
		"https:///keys":               false,
		"":                            true, // there is none
	} {
		_, err := NewVerifier(Config{Secrets: []string{secretA}, KeySet: address})
		if (err == nil) != ok {
			t.Errorf("%q: got %v, want it taken: %v", address, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error tells the password: %v", address, err)
		}
	}
	if err := loopbackOnly("tcp", "192.0.2.1:80", nil); err == nil {
		t.Error("a name that leads elsewhere is no loopback address")
	}
}
