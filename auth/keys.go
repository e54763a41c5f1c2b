package auth

import (
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// minSecret is 256 bits: RFC 7518 §3.2 asks for an HMAC key at least as long as the hash's output.
const minSecret = 32

// key is a key and the one algorithm it may be used with. The pair comes from configuration; a token's header can only
// select among pairs, so that a public RSA key can never be taken for an HMAC secret, nor a secret for a weaker method.
type key struct {
	method   jwt.SigningMethod
	material any // what method.Verify wants
}

func secretKey(secret string) (key, error) {
	switch {
	case secret == "":
		return key{}, errors.New("the secret is empty")
	case len(secret) < minSecret:
		return key{}, fmt.Errorf("a secret for HS256 needs at least %d bytes (RFC 7518 §3.2), this one has %d",
			minSecret, len(secret))
	}
	return key{method: jwt.SigningMethodHS256, material: []byte(secret)}, nil
}

// keyring is all keys that may have signed a token.
type keyring []key

// algorithms lists what the keys are pinned to, each once.
func (ks keyring) algorithms() []string {
	var names []string
	for _, k := range ks {
		if !slices.Contains(names, k.method.Alg()) {
			names = append(names, k.method.Alg())
		}
	}
	return names
}

func (ks keyring) pinned(alg string) bool { return slices.Contains(ks.algorithms(), alg) }

// pick returns the keys pinned to the algorithm that t claims to be signed with. It is a jwt.Keyfunc.
func (ks keyring) pick(t *jwt.Token) (any, error) {
	var set jwt.VerificationKeySet
	for _, k := range ks {
		if k.method.Alg() == t.Method.Alg() {
			set.Keys = append(set.Keys, k.material)
		}
	}
	return set, nil // never empty: WithValidMethods went first
}
