package auth

import "fmt"

// Reason is why a token is refused. The strings are stable: clients, logs and metrics use them.
type Reason string

const (
	ReasonMissing     Reason = "missing"       // there is no token
	ReasonMalformed   Reason = "malformed"     // not a JWT as we read it
	ReasonAlgorithm   Reason = "algorithm"     // signed by a method that no key of ours is pinned to
	ReasonKey         Reason = "key"           // signed by a key of no set of ours, or it does not say which
	ReasonSignature   Reason = "signature"     // signed by none of our keys
	ReasonRevoked     Reason = "revoked"       // it was good, until somebody took it back
	ReasonExpired     Reason = "expired"       // exp and the leeway are over
	ReasonNotYetValid Reason = "not_yet_valid" // nbf or iat is in the future
	ReasonNoExpiry    Reason = "no_expiry"     // exp is missing
	ReasonNoSubject   Reason = "no_subject"    // sub is missing or empty
	ReasonBadSubject  Reason = "bad_subject"   // sub is not a valid user id
	ReasonBadGrant    Reason = "bad_grant"     // grants holds something that is not a grant
	ReasonIssuer      Reason = "issuer"        // iss is not the configured one
	ReasonAudience    Reason = "audience"      // aud does not name the configured one
)

// Error says why a token is refused. It may be shown to whoever sent the token.
type Error struct {
	Reason Reason
	// Detail is a sentence for the developer who makes the tokens. It never holds the token or a secret; what it
	// repeats of the token's contents is quoted and short.
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("token refused (%s): %s", e.Reason, e.Detail) }

func refuse(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
}
