package auth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

// Leeway is how far clocks may differ: a token is taken for this long after its exp and before its nbf and iat.
const Leeway = 30 * time.Second

const (
	// maxToken bounds what is parsed before anything is known of its sender: 8 KiB is the largest header that common
	// balancers let through by default, and room for some hundred grants.
	maxToken = 8 << 10
	// maxName bounds, in characters, a name that will be copied into every event its owner causes.
	maxName = 128
)

// Config is what a Verifier trusts.
type Config struct {
	// Secrets are shared with whoever mints the tokens, by HS256. Any of them may have signed a token, so that they can
	// be changed without a moment in which good tokens are refused.
	Secrets []string
	// Issuer and Audience, when set, must be the token's iss and one of its aud.
	Issuer, Audience string
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Verifier checks tokens. It is safe for concurrent use.
type Verifier struct {
	keys             keyring
	issuer, audience string
	now              func() time.Time
	parser           *jwt.Parser
}

// NewVerifier checks the configuration; its errors say what to change and hold no secret.
func NewVerifier(cfg Config) (*Verifier, error) {
	if len(cfg.Secrets) == 0 {
		return nil, errors.New("auth: no key to check tokens with: at least one secret is needed")
	}
	v := &Verifier{issuer: cfg.Issuer, audience: cfg.Audience, now: cfg.Now}
	if v.now == nil {
		v.now = time.Now
	}
	for i, s := range cfg.Secrets {
		k, err := secretKey(s)
		if err != nil {
			return nil, fmt.Errorf("auth: secret %d of %d: %w", i+1, len(cfg.Secrets), err)
		}
		v.keys = append(v.keys, k)
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(v.keys.algorithms()),
		jwt.WithStrictDecoding(), // one signature has one spelling
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(v.now),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), // or a token from the future would outlive a revocation "issued before now"
	}
	if v.issuer != "" {
		options = append(options, jwt.WithIssuer(v.issuer))
	}
	if v.audience != "" {
		options = append(options, jwt.WithAudience(v.audience))
	}
	v.parser = jwt.NewParser(options...)
	return v, nil
}

// Verify returns who the token's bearer is. The token is not trusted in any way; the error is always an *Error.
func (v *Verifier) Verify(token string) (*Identity, error) {
	if err := checkShape(token); err != nil {
		return nil, err
	}
	var p payload
	parsed, err := v.parser.ParseWithClaims(token, &p, v.keys.pick)
	if err != nil {
		return nil, v.explain(parsed, &p, err)
	}
	// RFC 7515 §4.1.11: extensions that the signer calls critical must be understood. We understand none.
	if _, ok := parsed.Header["crit"]; ok {
		return nil, refuse(ReasonMalformed, `the header's "crit" asks for extensions that are not supported`)
	}
	id, refused := p.identity()
	if refused != nil {
		return nil, refused
	}
	return id, nil
}

// checkShape refuses, before anything is decoded, what cannot be a signed JWT in compact form. The library would let
// line breaks through in the signature, for Go's base64 skips them.
func checkShape(token string) error {
	switch {
	case token == "":
		return refuse(ReasonMissing, "there is no token")
	case len(token) > maxToken:
		return refuse(ReasonMalformed, "the token has %d bytes, more than %d are not read", len(token), maxToken)
	case !only(token, "-_."):
		return refuse(ReasonMalformed, "the token holds bytes that base64url does not use")
	case strings.Count(token, ".") != 2:
		return refuse(ReasonMalformed, "a signed token has three parts with dots between them, this one has %d",
			strings.Count(token, ".")+1)
	case strings.HasPrefix(token, ".") || strings.Contains(token, ".."):
		return refuse(ReasonMalformed, "the token's header or claims are empty")
	}
	return nil
}

// explain turns the library's error into ours. The library may find several things wrong; the first of them in the
// order below is told. Its own words are not passed on, as some repeat what they choke on.
func (v *Verifier) explain(t *jwt.Token, p *payload, err error) *Error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(ReasonMalformed, "the token's header, claims or signature are not base64url of what RFC 7519 wants")
	case t == nil || t.Method == nil || !v.keys.pinned(t.Method.Alg()):
		return refuse(ReasonAlgorithm, "the token's alg is %s, the configured keys are for %s",
			short(algorithm(t)), strings.Join(v.keys.algorithms(), ", "))
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return refuse(ReasonSignature, "none of the configured keys made the token's signature")
	case p.expires == nil:
		return refuse(ReasonNoExpiry, "the token has no exp")
	case errors.Is(err, jwt.ErrTokenExpired):
		return refuse(ReasonExpired, "the token's exp was %s, it is %s now", stamp(p.expires.Time), stamp(v.now()))
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return refuse(ReasonNotYetValid, "the token's nbf is %s, it is %s now", stamp(p.notBefore.Time), stamp(v.now()))
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refuse(ReasonNotYetValid, "the token's iat is %s, it is %s now", stamp(p.issuedAt.Time), stamp(v.now()))
	case v.issuer != "" && p.issuer != v.issuer:
		return refuse(ReasonIssuer, "the token's iss is %s, %s is wanted", short(p.issuer), short(v.issuer))
	default:
		return refuse(ReasonAudience, "the token's aud does not name %s", short(v.audience))
	}
}

func algorithm(t *jwt.Token) string {
	if t == nil {
		return ""
	}
	alg, _ := t.Header["alg"].(string)
	return alg
}

// short quotes a piece of a token for an error.
func short(s string) string { return fmt.Sprintf("%.64q", s) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// identity reads what only matters once the signature is known to be good.
func (p *payload) identity() (*Identity, *Error) {
	switch {
	case p.subject == "":
		return nil, refuse(ReasonNoSubject, "the token has no sub")
	case !ValidUser(p.subject):
		return nil, refuse(ReasonBadSubject, "the token's sub is not a user id: 1 to %d of A-Z a-z 0-9 . _ - ~ : @ | + =", maxID)
	}
	grants, err := decodeGrants(p.grants)
	if err != nil {
		return nil, err
	}
	id := &Identity{
		User:    p.subject,
		Name:    cmp.Or(tidyName(p.name), p.subject),
		TokenID: p.id,
		Expires: p.expires.Time,
		Grants:  grants,
	}
	if p.issuedAt != nil {
		id.IssuedAt = p.issuedAt.Time
	}
	for s := range strings.FieldsSeq(p.scope) { // unknown ones may be meant for other services
		id.Scopes = append(id.Scopes, Scope(s))
	}
	return id, nil
}

// decodeGrants reads the grants claim. One bad grant refuses the token: half of what the platform meant would be found
// much later, by a user.
func decodeGrants(data json.RawMessage) ([]Grant, *Error) {
	var list []members
	if data != nil && json.Unmarshal(data, &list) != nil {
		return nil, refuse(ReasonBadGrant, "grants is not a list of objects")
	}
	grants := make([]Grant, 0, len(list))
	for i, m := range list {
		var g Grant
		if m.decode("room", &g.Room) != nil || m.decode("role", &g.Role) != nil || m.decode("can", &g.Can) != nil {
			return nil, refuse(ReasonBadGrant, "grant %d: room and role are strings, can is a list of strings", i)
		}
		if err := g.check(); err != nil {
			return nil, refuse(ReasonBadGrant, "grant %d: %v", i, err)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

func (g Grant) check() error {
	switch {
	case !validPattern(g.Room):
		return errors.New("room is not a room id, a prefix of one with * at its end, or *")
	case !g.Role.Valid():
		return fmt.Errorf("role %s is not viewer, streamer or moderator", short(string(g.Role)))
	}
	return nil
}

// tidyName makes a name fit for one line on other people's screens: no control characters, no line ends, nothing that
// turns the direction of the text around it. Other invisible characters stay, emoji are built from them.
func tidyName(name string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, name)
	if runes := []rune(printable); len(runes) > maxName {
		printable = string(runes[:maxName])
	}
	return strings.TrimSpace(printable)
}
