package main

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/tallylight/tallylight/auth"
)

// keyFlags say what tokens are checked with.
type keyFlags struct {
	JWTSecret          []secret  `name:"jwt-secret" aliases:"secret" env:"TALLYLIGHT_JWT_SECRET" placeholder:"SECRET" sep:"none" help:"Secret that tokens may be signed with, at least 32 bytes, or @FILE; twice while secrets are rotated."`
	JWTSecretAlgorithm string    `name:"jwt-secret-algorithm" env:"TALLYLIGHT_JWT_SECRET_ALGORITHM" enum:"HS256,HS384,HS512" default:"HS256" placeholder:"ALG" help:"What the secrets are for: HS256, HS384 (at least 48 bytes) or HS512 (at least 64)."`
	JWTKey             []keyFile `name:"jwt-key" env:"TALLYLIGHT_JWT_KEY" placeholder:"[ALG:]FILE" sep:"," help:"File of public keys or certificates in PEM that tokens may be signed for, read again when it changes; several are allowed. Keys are for RS256, ES256, ES384, ES512 or EdDSA as their kind says, unless an algorithm is put before, such as PS256:keys.pem."`
	JWKSURL            string    `name:"jwks-url" env:"TALLYLIGHT_JWKS_URL" placeholder:"URL" help:"JSON Web Key Set of whoever signs the tokens, by https."`
	JWTIssuer          string    `name:"jwt-issuer" env:"TALLYLIGHT_JWT_ISSUER" placeholder:"ISS" help:"Issuer that tokens must name."`
	JWTAudience        string    `name:"jwt-audience" env:"TALLYLIGHT_JWT_AUDIENCE" placeholder:"AUD" help:"Audience that tokens must name."`
}

// keyFile is the value of --jwt-key.
type keyFile struct{ auth.KeyFile }

// UnmarshalText takes the algorithm apart from the path. An @ before the path, which elsewhere stands for what is in a
// file, is one too many, and no harm.
func (f *keyFile) UnmarshalText(text []byte) error {
	value := string(text)
	if alg, path, ok := strings.Cut(value, ":"); ok && validAlgorithm(alg) {
		f.Algorithm, value = alg, path
	}
	f.Path = strings.TrimPrefix(value, "@")
	if f.Path == "" {
		return errors.New("the path of a PEM file is missing")
	}
	return nil
}

func validAlgorithm(name string) bool {
	switch name {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA":
		return true
	}
	return false
}

// given reports whether there is anything to check tokens with.
func (k *keyFlags) given() bool { return len(k.JWTSecret) > 0 || len(k.JWTKey) > 0 || k.JWKSURL != "" }

// verifier makes what checks tokens. Its errors name the flag.
func (k *keyFlags) verifier(logger *slog.Logger) (*auth.Verifier, error) {
	cfg := auth.Config{
		Secrets: reveal(k.JWTSecret), SecretAlgorithm: k.JWTSecretAlgorithm, KeySet: k.JWKSURL,
		Issuer: k.JWTIssuer, Audience: k.JWTAudience, Logger: logger,
	}
	for _, f := range k.JWTKey {
		cfg.KeyFiles = append(cfg.KeyFiles, f.KeyFile)
	}
	v, err := auth.NewVerifier(cfg)
	if wrong, ok := errors.AsType[*auth.ConfigError](err); ok {
		flags := map[string]string{"Secrets": "--jwt-secret", "KeyFiles": "--jwt-key", "KeySet": "--jwks-url"}
		return nil, usagef("%s: %w", flags[wrong.Field], wrong.Err)
	}
	return v, err
}
