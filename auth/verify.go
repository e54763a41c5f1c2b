package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
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

// Config is what a Verifier trusts: one key at least, of whatever kind.
type Config struct {
	// Secrets are shared with whoever mints the tokens. Any of them may have signed a token, so that they can be changed
	// without a moment in which good tokens are refused. All are for the same algorithm: HS256, HS384 or HS512; "" is the
	// first.
	Secrets         []string
	SecretAlgorithm string
	// KeyFiles hold public keys. What changes in them is taken up while Run runs.
	KeyFiles []KeyFile
	// KeySet is the URL of a JSON Web Key Set; "": there is none. Run fetches it, and again from time to time. A token
	// must name its key there (kid).
	KeySet string
	// Issuer and Audience, when set, must be the token's iss and one of its aud.
	Issuer, Audience string
	// Logger hears of keys that can't be read; nil: nobody does.
	Logger *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Verifier checks tokens. It is safe for concurrent use.
type Verifier struct {
	secrets          keyring
	files            []*keyFile
	set              *remote // nil: there is none
	issuer, audience string
	now              func() time.Time
	parser           *jwt.Parser
}

// ConfigError is what is wrong with a field of Config. It holds no secret.
type ConfigError struct {
	Field string // Secrets, KeyFiles or KeySet
	Err   error
}

func (e *ConfigError) Error() string { return fmt.Sprintf("auth: %s: %v", e.Field, e.Err) }

// NewVerifier checks the configuration and reads the files. Its error is a *ConfigError.
func NewVerifier(cfg Config) (*Verifier, error) {
	if len(cfg.Secrets) == 0 && len(cfg.KeyFiles) == 0 && cfg.KeySet == "" {
		return nil, &ConfigError{"Secrets", errors.New("there is no key to check tokens with: a secret, a file or a set of keys is needed")}
	}
	v := &Verifier{issuer: cfg.Issuer, audience: cfg.Audience, now: cfg.Now}
	if v.now == nil {
		v.now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	for i, s := range cfg.Secrets {
		k, err := secretKey(s, cfg.SecretAlgorithm)
		if err != nil {
			return nil, &ConfigError{"Secrets", fmt.Errorf("secret %d of %d: %w", i+1, len(cfg.Secrets), err)}
		}
		v.secrets = append(v.secrets, k)
	}
	for _, file := range cfg.KeyFiles {
		f, err := openKeyFile(file, cfg.Logger)
		if err != nil {
			return nil, &ConfigError{"KeyFiles", err}
		}
		v.files = append(v.files, f)
	}
	if cfg.KeySet != "" {
		var err error
		if v.set, err = newRemote(cfg.KeySet, cfg.Logger); err != nil {
			return nil, &ConfigError{"KeySet", err}
		}
	}
	options := []jwt.ParserOption{
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

// reloadEvery is how often key files are looked at.
const reloadEvery = 5 * time.Second

// Run keeps the keys up to date until the context ends.
func (v *Verifier) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	if v.set != nil {
		running.Go(func() { v.set.run(ctx) })
	}
	if len(v.files) == 0 {
		return
	}
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, f := range v.files {
				f.reload()
			}
		}
	}
}

// Ready returns ErrKeysAway while it is not known which keys there are.
func (v *Verifier) Ready() error {
	if v.set != nil && v.set.keys.Load() == nil {
		return ErrKeysAway
	}
	return nil
}

// Verify returns who the token's bearer is. The token is not trusted in any way. The error is an *Error, or ErrKeysAway.
// It blocks only for a token whose key is in no set that was fetched, see Config.KeySet: that may be fetched again, which
// takes some seconds at most. If the context ends before, it is ErrKeysAway; with one that has ended it never blocks.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) {
	if err := checkShape(token); err != nil {
		return nil, err
	}
	var p payload
	parsed, err := v.parser.ParseWithClaims(token, &p, func(t *jwt.Token) (any, error) { return v.keysFor(ctx, t) })
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

// keysFor returns the keys that may have made a token's signature: those that are pinned to the algorithm that its header
// names. Nothing else of the header is taken for a key, or a place to find one. Its errors are *Error, or ErrKeysAway.
func (v *Verifier) keysFor(ctx context.Context, t *jwt.Token) (any, error) {
	alg := t.Method.Alg()
	found := v.secrets.pinnedTo(alg)
	for _, f := range v.files {
		found = append(found, f.keys.Load().pinnedTo(alg)...)
	}
	kid, named := t.Header["kid"]
	id, text := kid.(string)
	switch {
	case named && !text:
		return nil, refuse(ReasonMalformed, "the header's kid is not a string")
	case v.set != nil && id != "" && asymmetric(t.Method):
		keys, err := v.set.find(ctx, id)
		if err != nil && len(found) == 0 {
			return nil, err
		}
		pinned := keys.pinnedTo(alg)
		if keys != nil && pinned == nil && len(found) == 0 {
			return nil, refuse(ReasonAlgorithm, "the token's alg is %s, its key %s is for %s", short(alg), short(id), oneOf(keys.algorithms()))
		}
		found = append(found, pinned...)
	}
	if len(found) > 0 {
		return jwt.VerificationKeySet{Keys: found}, nil
	}
	switch {
	case v.set == nil || !asymmetric(t.Method):
		return nil, v.refuseAlgorithm(alg)
	case id == "":
		return nil, refuse(ReasonKey, "the token does not name its key (kid)")
	default:
		return nil, refuse(ReasonKey, "the token's key %s is not in the set", short(id))
	}
}

// asymmetric keys alone are handed out in sets.
func asymmetric(m jwt.SigningMethod) bool {
	_, secret := m.(*jwt.SigningMethodHMAC)
	return !secret && m.Alg() != jwt.SigningMethodNone.Alg()
}

// refuseAlgorithm refuses a token whose algorithm no key is pinned to.
func (v *Verifier) refuseAlgorithm(alg string) *Error {
	pinned := v.secrets
	for _, f := range v.files {
		pinned = append(pinned[:len(pinned):len(pinned)], *f.keys.Load()...)
	}
	names := pinned.algorithms()
	if v.set != nil {
		names = append(names, "those of the set")
	}
	return refuse(ReasonAlgorithm, "the token's alg is %s, the configured keys are for %s", short(alg), strings.Join(names, ", "))
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
func (v *Verifier) explain(t *jwt.Token, p *payload, err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	switch {
	case errors.Is(err, ErrKeysAway):
		return ErrKeysAway
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(ReasonMalformed, "the token's header, claims or signature are not base64url of what RFC 7519 wants")
	case t == nil || t.Method == nil:
		return v.refuseAlgorithm(algorithm(t))
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
