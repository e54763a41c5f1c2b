package main

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// demoRoom is the room that the printed links are about.
const demoRoom = "demo"

// linksFor is how long the tokens in the links last.
const linksFor = 24 * time.Hour

// printLinks prints what to open in a browser first. The tokens are in the
// fragment, which browsers do not send to any server.
func printLinks(out io.Writer, addr net.Addr, cfg serveCmd) {
	base := "http://" + reachable(addr)
	grant := func(role auth.Role) []auth.Grant { return []auth.Grant{{Room: demoRoom, Role: role}} }
	fmt.Fprintf(out, "\nTallylight is up. Open these, in this order:\n\n")
	for _, link := range []struct {
		name, path string
		claims     auth.Claims
	}{
		{"studio", "/studio/" + demoRoom, auth.Claims{User: "alice", Name: "Alice", Grants: grant(auth.RoleStreamer)}},
		{"watch", "/watch/" + demoRoom, auth.Claims{User: "bob", Name: "Bob", Grants: grant(auth.RoleViewer)}},
		{"admin", "/admin", auth.Claims{User: "admin", Name: "Admin", Scopes: []auth.Scope{auth.ScopeAdmin}}},
	} {
		token, err := cfg.mintLink(link.claims)
		if err != nil {
			fmt.Fprintf(out, "  %s  no link: %s\n\n", link.name, err)
			continue
		}
		fmt.Fprintf(out, "  %-6s  %s%s#token=%s\n\n", link.name, base, link.path, token)
	}
	fmt.Fprintf(out, "  live    %s/\n\n", base)
	fmt.Fprintf(out, "Press Ctrl-C to stop, twice to stop at once.\n\n")
}

func (c *serveCmd) mintLink(claims auth.Claims) (string, error) {
	claims.Expires, claims.Issuer = time.Now().Add(linksFor), c.JWTIssuer
	if c.JWTAudience != "" {
		claims.Audience = []string{c.JWTAudience}
	}
	return auth.MintBy(c.JWTSecretAlgorithm, string(c.JWTSecret[0]), claims)
}

// reachable returns the address as one would type it on this machine.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}
