package auth

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// payload is the claims of a token as read from it, before its signature is checked. It is a jwt.Claims.
type payload struct {
	subject, name, issuer, id, scope string
	audience                         jwt.ClaimStrings
	expires, notBefore, issuedAt     *jwt.NumericDate
	grants                           json.RawMessage // read after the signature was found good
}

var _ jwt.Claims = (*payload)(nil)

func (p *payload) GetExpirationTime() (*jwt.NumericDate, error) { return p.expires, nil }
func (p *payload) GetNotBefore() (*jwt.NumericDate, error)      { return p.notBefore, nil }
func (p *payload) GetIssuedAt() (*jwt.NumericDate, error)       { return p.issuedAt, nil }
func (p *payload) GetIssuer() (string, error)                   { return p.issuer, nil }
func (p *payload) GetSubject() (string, error)                  { return p.subject, nil }
func (p *payload) GetAudience() (jwt.ClaimStrings, error)       { return p.audience, nil }

// members is a JSON object read to the letter. encoding/json matches a struct's fields whatever their case, so that
// {"sub":"alice","SUB":"bob"} would be bob to us and alice to every other reader of the token. Of members with the very
// same name the last counts, as RFC 7519 §4 allows.
type members map[string]json.RawMessage

// decode reads the named member into v, which stays as it is when there is none or when it is null.
func (m members) decode(name string, v any) error {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	return json.Unmarshal(raw, v)
}

// UnmarshalJSON reads the claims we know. Its errors are *Error.
func (p *payload) UnmarshalJSON(data []byte) error {
	var m members
	if err := json.Unmarshal(data, &m); err != nil {
		return refuse(ReasonMalformed, "the token's claims are not a JSON object")
	}
	for _, claim := range []struct {
		name string
		into *string
	}{{"sub", &p.subject}, {"name", &p.name}, {"iss", &p.issuer}, {"jti", &p.id}, {"scope", &p.scope}} {
		if m.decode(claim.name, claim.into) != nil {
			return refuse(ReasonMalformed, "%s is not a string", claim.name)
		}
	}
	for _, claim := range []struct {
		name string
		into **jwt.NumericDate
	}{{"exp", &p.expires}, {"nbf", &p.notBefore}, {"iat", &p.issuedAt}} {
		var seconds *float64 // not json.Number, which takes "1790000000" in quotes
		if err := m.decode(claim.name, &seconds); err != nil {
			return refuse(ReasonMalformed, "%s is not a number of seconds since 1970", claim.name)
		}
		if seconds == nil {
			continue
		}
		t, err := unixTime(*seconds)
		if err != nil {
			return refuse(ReasonMalformed, "%s %v", claim.name, err)
		}
		*claim.into = &jwt.NumericDate{Time: t}
	}
	if m.decode("aud", &p.audience) != nil {
		return refuse(ReasonMalformed, "aud is not a string or a list of strings")
	}
	p.grants = m["grants"]
	return nil
}

// maxUnix is the last second of the year 9999, the end of what RFC 3339 can write. Larger floats would be turned into
// an int64 in ways that differ between processors.
const maxUnix = 253402300799

func unixTime(seconds float64) (time.Time, error) {
	if math.Abs(seconds) > maxUnix {
		return time.Time{}, fmt.Errorf("is not a time before the year 10000 (it is in seconds, not milliseconds)")
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}
