package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims is what a token says. Zero fields are left out of it; User and Expires are needed.
type Claims struct {
	User    string // sub
	Name    string
	TokenID string // jti

	IssuedAt, NotBefore, Expires time.Time // iat, nbf, exp; whole seconds count

	Issuer   string
	Audience []string

	Grants []Grant
	Scopes []Scope // scope, separated by spaces
}

// Mint signs c by HS256. It refuses what a Verifier with the same secret would refuse whatever the time.
func Mint(secret string, c Claims) (string, error) { return MintBy("HS256", secret, c) }

// MintBy is Mint by HS256, HS384 or HS512.
func MintBy(algorithm, secret string, c Claims) (string, error) {
	k, err := secretKey(secret, algorithm)
	if err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	token, err := jwt.NewWithClaims(k.method, c.claims()).SignedString(k.material)
	if err != nil {
		return "", fmt.Errorf("auth: signing the token: %w", err)
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("auth: the token would have %d bytes, more than %d are not read", len(token), maxToken)
	}
	return token, nil
}

func (c Claims) check() error {
	switch {
	case !ValidUser(c.User):
		return fmt.Errorf("%s is not a user id: 1 to %d of A-Z a-z 0-9 . _ - ~ : @ | + =", short(c.User), maxID)
	case c.Expires.IsZero():
		return errors.New("a token needs a time at which it ends")
	}
	for _, g := range c.Grants {
		if err := g.check(); err != nil {
			return fmt.Errorf("grant on %s: %w", short(g.Room), err)
		}
	}
	for _, s := range c.Scopes {
		if s == "" || strings.ContainsAny(string(s), " \t\r\n") {
			return fmt.Errorf("%s is not the name of a scope", short(string(s)))
		}
	}
	return nil
}

func (c Claims) claims() jwt.MapClaims {
	m := jwt.MapClaims{"sub": c.User}
	for name, value := range map[string]string{"name": c.Name, "jti": c.TokenID, "iss": c.Issuer, "scope": joinScopes(c.Scopes)} {
		if value != "" {
			m[name] = value
		}
	}
	for name, at := range map[string]time.Time{"iat": c.IssuedAt, "nbf": c.NotBefore, "exp": c.Expires} {
		if !at.IsZero() {
			m[name] = at.Unix()
		}
	}
	if len(c.Audience) > 0 {
		m["aud"] = c.Audience
	}
	if len(c.Grants) > 0 {
		m["grants"] = c.Grants
	}
	return m
}

func joinScopes(scopes []Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}
