package deploy_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/signalling"
)

// elsewhere are the lines of coturn's configuration that say where it is reached, which in a test is somewhere else.
var elsewhere = regexp.MustCompile(`^(listening-port|min-port|max-port|external-ip)=`)

// shippedCoturn runs coturn as docker-compose.yml configures it, with a secret.
func shippedCoturn(t *testing.T, c compose, secret string) *testserver.CoturnServer {
	t.Helper()
	s := c.Services["coturn"]
	if len(s.Configs) != 1 || s.Configs[0].Target != "/etc/coturn/turnserver.conf" {
		t.Fatalf("coturn's configuration is %+v", s.Configs)
	}
	content := c.Configs[s.Configs[0].Source].Content
	if n := strings.Count(content, "${TALLYLIGHT_TURN_SECRET:?"); n != 1 {
		t.Fatalf("coturn has the nodes' secret %d times:\n%s", n, content)
	}
	var lines []string
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "static-auth-secret=") {
			line = "static-auth-secret=" + secret
		}
		if !elsewhere.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return testserver.Coturn(t, lines...)
}

// wantRelay sees that a viewer of a node gets credentials that coturn takes.
func wantRelay(t *testing.T, node, secret string, server *testserver.CoturnServer) {
	t.Helper()
	token, err := auth.Mint(secret, auth.Claims{User: "bob", Expires: time.Now().Add(time.Hour), Grants: []auth.Grant{{Room: "*", Role: auth.RoleViewer}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client, err := signalling.Dial(ctx, "ws://"+node+"/v1/ws", signalling.ClientConfig{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Abort()
	joined, err := client.Join(ctx, signalling.Join{Room: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range joined.ICE {
		switch {
		case s.Credential == "":
		case len(s.URLs) != 1 || s.URLs[0] != server.URL:
			t.Errorf("viewers are sent to %q, want %s", s.URLs, server.URL)
		default:
			if err := server.Allocate(s.Username, s.Credential); err != nil {
				t.Errorf("coturn answers %v", err)
			}
			return
		}
	}
	t.Errorf("a viewer is told of the servers %+v", joined.ICE)
}
