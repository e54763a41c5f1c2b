package auth

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMint(t *testing.T) {
	c := Claims{
		User: "alice", Name: "Alice", TokenID: "t1",
		IssuedAt: noon, NotBefore: noon, Expires: noon.Add(time.Hour),
		Issuer: "us", Audience: []string{"tallylight"},
		Grants: []Grant{{Room: "alice", Role: RoleStreamer}, {Room: "*", Role: RoleViewer, Can: []string{}}},
		Scopes: []Scope{ScopeDirectory, ScopeService},
	}
	token, err := Mint(secretB, c)
	if err != nil {
		t.Fatal(err)
	}

	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	json.Unmarshal([]byte(`{"sub":"alice","name":"Alice","jti":"t1","iat":1772366400,"nbf":1772366400,"exp":1772370000,
		"iss":"us","aud":["tallylight"],"scope":"directory service",
		"grants":[{"room":"alice","role":"streamer"},{"room":"*","role":"viewer","can":[]}]}`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	id, err := newTestVerifier(t, func(cfg *Config) { cfg.Issuer, cfg.Audience = "us", "tallylight" }).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(id.Grants, c.Grants) || !reflect.DeepEqual(id.Scopes, c.Scopes) || !id.Expires.Equal(c.Expires) {
		t.Errorf("got %+v, want what was minted: %+v", id, c)
	}
}

func TestMintRefuses(t *testing.T) {
	end := noon.Add(time.Hour)
	for _, tt := range []struct {
		name, secret string
		claims       Claims
		want         string
	}{
		{"short secret", "hunter2", Claims{User: "alice", Expires: end}, "RFC 7518"},
		{"no user", secretA, Claims{Expires: end}, "user id"},
		{"bad user", secretA, Claims{User: "a b", Expires: end}, "user id"},
		{"no end", secretA, Claims{User: "alice"}, "ends"},
		{"bad role", secretA, Claims{User: "alice", Expires: end, Grants: []Grant{{Room: "r", Role: "king"}}}, "king"},
		{"bad room", secretA, Claims{User: "alice", Expires: end, Grants: []Grant{{Room: "a b", Role: RoleViewer}}}, "room"},
		{"two scopes in one", secretA, Claims{User: "alice", Expires: end, Scopes: []Scope{"a b"}}, "scope"},
		{"too long", secretA, Claims{User: "alice", Expires: end, Name: strings.Repeat("x", maxToken)}, "bytes"},
	} {
		token, err := Mint(tt.secret, tt.claims)
		if token != "" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", tt.name, token, err, tt.want)
		}
	}
}
