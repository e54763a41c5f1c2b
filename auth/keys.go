package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// key is a key and the one algorithm it may be used with. The pair comes from configuration; a token's header can only
// select among pairs, so that a public RSA key can never be taken for an HMAC secret, nor a secret for a weaker method.
type key struct {
	method   jwt.SigningMethod
	material any // what method.Verify wants
}

// keyring is keys that may have signed a token.
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

// pinnedTo returns the material of those keys that are pinned to an algorithm.
func (ks keyring) pinnedTo(alg string) (material []jwt.VerificationKey) {
	for _, k := range ks {
		if k.method.Alg() == alg {
			material = append(material, k.material)
		}
	}
	return material
}

const (
	// minRSA is what RFC 7518 §3.3 asks for, in bits; maxRSA keeps a signature from costing milliseconds.
	minRSA, maxRSA = 2048, 8192
)

// publicKey pins a public key to an algorithm, or, if that is "", to the most common one for keys of its kind.
func publicKey(public any, alg string) (key, error) {
	var fits []string
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return key{}, fmt.Errorf("an RSA key needs %d to %d bits (RFC 7518 §3.3), this one has %d", minRSA, maxRSA, bits)
		}
		fits = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			fits = []string{"ES256"}
		case elliptic.P384():
			fits = []string{"ES384"}
		case elliptic.P521():
			fits = []string{"ES512"}
		default:
			return key{}, errors.New("of elliptic curves only P-256, P-384 and P-521 are supported")
		}
	case ed25519.PublicKey:
		fits = []string{"EdDSA"}
	default:
		return key{}, fmt.Errorf("keys of this kind (%T) are not supported: want RSA, ECDSA or Ed25519", public)
	}
	if alg == "" {
		alg = fits[0]
	}
	if !slices.Contains(fits, alg) {
		return key{}, fmt.Errorf("the key can't be used with %.20q, but with %s", alg, oneOf(fits))
	}
	return key{method: jwt.GetSigningMethod(alg), material: public}, nil
}

// oneOf lists alternatives.
func oneOf(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
