package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// minSecret is how many bytes a secret must have: RFC 7518 §3.2 asks for a key at least as long as the hash's output.
var minSecret = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// secretKey pins a secret to an algorithm; "" is HS256.
func secretKey(secret, alg string) (key, error) {
	if alg == "" {
		alg = "HS256"
	}
	least, ok := minSecret[alg]
	switch {
	case !ok:
		return key{}, fmt.Errorf("secrets are for HS256, HS384 or HS512, not for %.20q", alg)
	case secret == "":
		return key{}, errors.New("the secret is empty")
	case isPublic(secret):
		return key{}, errors.New("this is a key of a pair, and no secret: who signs with it has the private one, and anybody may have the public one")
	case len(secret) < least:
		return key{}, fmt.Errorf("a secret for %s needs at least %d bytes (RFC 7518 §3.2), this one has %d", alg, least, len(secret))
	}
	return key{method: jwt.GetSigningMethod(alg), material: []byte(secret)}, nil
}

// isPublic tells whether what was configured as a secret is a key of a pair, or holds one, in a form in which such keys are
// handed around. Whoever has the public key could sign tokens with it.
func isPublic(secret string) bool {
	text := strings.TrimSpace(secret)
	for _, begin := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	var jwk struct {
		KTY  string            `json:"kty"`
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal([]byte(text), &jwk) == nil && (jwk.KTY != "" || jwk.Keys != nil) {
		return true
	}
	return strings.Contains(text, "-----BEGIN ") || isDER([]byte(secret)) || isDER(unbase64(text))
}

// unbase64 decodes either alphabet, broken into lines or not, padded or not; what is neither decodes to nothing.
func unbase64(text string) []byte {
	text = strings.NewReplacer("-", "+", "_", "/", "=", "", "\n", "", "\r", "", " ", "").Replace(text)
	der, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return der
}

func isDER(der []byte) bool {
	if !bytes.HasPrefix(der, []byte{0x30}) { // a SEQUENCE, as all of them are
		return false
	}
	_, pkix := x509.ParsePKIXPublicKey(der)
	_, pkcs1 := x509.ParsePKCS1PublicKey(der)
	_, certificate := x509.ParseCertificate(der)
	_, private := x509.ParsePKCS8PrivateKey(der)
	return pkix == nil || pkcs1 == nil || certificate == nil || private == nil
}
