package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// tokenCmd is for trying things out and for finding out why a token is refused. A platform mints its tokens itself, with
// any JWT library.
type tokenCmd struct {
	Mint  tokenMint  `cmd:"" help:"Print a token."`
	Check tokenCheck `cmd:"" help:"Say who a token is for and what it allows, or why it is refused."`
}

type tokenMint struct {
	JWTSecret secret        `name:"jwt-secret" aliases:"secret" env:"TALLYLIGHT_JWT_SECRET" required:"" placeholder:"SECRET" help:"Secret to sign with, or @file."`
	Algorithm string        `name:"jwt-secret-algorithm" env:"TALLYLIGHT_JWT_SECRET_ALGORITHM" enum:"HS256,HS384,HS512" default:"HS256" placeholder:"ALG" help:"What to sign with: HS256, HS384 or HS512."`
	Issuer    string        `name:"jwt-issuer" env:"TALLYLIGHT_JWT_ISSUER" placeholder:"NAME" help:"The token's iss."`
	Audience  []string      `name:"jwt-audience" env:"TALLYLIGHT_JWT_AUDIENCE" placeholder:"NAME" help:"The token's aud."`
	User      string        `required:"" placeholder:"ID" help:"Who the token is for: its sub."`
	Name      string        `help:"What others see of the user; the id if not given."`
	Viewer    []string      `placeholder:"ROOM" help:"Rooms to watch: an id, a prefix with * at its end, or *. May be repeated."`
	Streamer  []string      `placeholder:"ROOM" help:"Rooms to broadcast in."`
	Moderator []string      `placeholder:"ROOM" help:"Rooms to moderate."`
	Can       []string      `placeholder:"ACTION" help:"Narrow what may be done in these rooms to chat, react, signal, x.name or x.*."`
	Scope     []string      `placeholder:"SCOPE" help:"Rights beyond rooms: admin, service or directory."`
	Expires   time.Duration `default:"1h" help:"How long the token lasts."`
	ID        string        `name:"id" help:"The token's jti, by which it can be revoked."`
}

// Validate is called by kong: what it returns is a mistake in the command line.
func (c *tokenMint) Validate() error {
	if c.Expires <= 0 {
		return errors.New("--expires: must be longer than nothing")
	}
	for _, s := range c.Scope {
		switch auth.Scope(s) {
		case auth.ScopeAdmin, auth.ScopeService, auth.ScopeDirectory:
		default:
			return fmt.Errorf("--scope: %q is not admin, service or directory", s)
		}
	}
	return nil
}

// Run prints the token alone, so that it can be taken into a variable.
func (c *tokenMint) Run(out io.Writer) error {
	now := time.Now()
	claims := auth.Claims{
		User:     c.User,
		Name:     c.Name,
		TokenID:  c.ID,
		IssuedAt: now,
		Expires:  now.Add(c.Expires),
		Issuer:   c.Issuer,
		Audience: c.Audience,
	}
	for _, g := range []struct {
		role  auth.Role
		rooms []string
	}{{auth.RoleViewer, c.Viewer}, {auth.RoleStreamer, c.Streamer}, {auth.RoleModerator, c.Moderator}} {
		for _, room := range g.rooms {
			claims.Grants = append(claims.Grants, auth.Grant{Room: room, Role: g.role, Can: c.Can})
		}
	}
	for _, s := range c.Scope {
		claims.Scopes = append(claims.Scopes, auth.Scope(s))
	}
	token, err := auth.MintBy(c.Algorithm, string(c.JWTSecret), claims)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

type tokenCheck struct {
	keyFlags
	Token string `arg:"" help:"The token, or - to read it from standard input."`

	stdin io.Reader // nil is the process's own
}

// Run prints what the token says. The error of a refused one is an *auth.Error.
func (c *tokenCheck) Run(ctx context.Context, out io.Writer) error {
	if !c.given() {
		return usagef("--jwt-secret is missing, or --jwt-key, or --jwks-url: what the token may be signed with")
	}
	token := c.Token
	if token == "-" {
		var in io.Reader = os.Stdin
		if c.stdin != nil {
			in = c.stdin
		}
		data, err := io.ReadAll(io.LimitReader(in, 1<<20)) // any token that is longer is refused as well
		if err != nil {
			return fmt.Errorf("reading the token: %w", err)
		}
		token = strings.TrimSpace(string(data))
	}
	verifier, err := c.verifier(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	id, err := verifier.Verify(ctx, token)
	if err != nil {
		return err
	}
	return printIdentity(out, id, time.Now())
}

func printIdentity(out io.Writer, id *auth.Identity, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "user\t%s\n", id.User)
	fmt.Fprintf(w, "name\t%s\n", id.Name)
	if id.TokenID != "" {
		fmt.Fprintf(w, "id\t%q\n", id.TokenID) // any string: quoted, for it may hold what a terminal obeys
	}
	if !id.IssuedAt.IsZero() {
		fmt.Fprintf(w, "issued\t%s\n", id.IssuedAt.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "expires\t%s (%s)\n", id.Expires.UTC().Format(time.RFC3339), remaining(id.Expires.Sub(now)))
	if len(id.Scopes) > 0 {
		fmt.Fprintf(w, "scopes\t%q\n", id.Scopes)
	}
	if len(id.Grants) == 0 {
		fmt.Fprintln(w, "grants\tnone")
		return w.Flush()
	}
	fmt.Fprintln(w, "\nroom\trole\tmay")
	for _, g := range id.Grants {
		may := "all that the role may"
		if g.Can != nil {
			may = fmt.Sprintf("%q", g.Can)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", g.Room, g.Role, may)
	}
	return w.Flush()
}

func remaining(d time.Duration) string {
	if d <= 0 {
		return "over, within the leeway"
	}
	return "in " + d.Round(time.Second).String()
}
