package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tallylight/tallylight/auth"
)

const testSecret = "a secret for tests, 32 bytes or more"

// runToken runs "tallylight token" with the arguments and returns what it prints.
func runToken(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var cmd tokenCmd
	var out bytes.Buffer
	parser, err := kong.New(&cmd, kong.Name("tallylight token"), kong.Exit(func(int) { t.Error("it wants to exit") }))
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	cmd.Check.stdin = strings.NewReader(stdin)
	ctx.BindTo(t.Context(), (*context.Context)(nil))
	ctx.BindTo(&out, (*io.Writer)(nil))
	err = ctx.Run()
	return out.String(), err
}

func TestTokenMintAndCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("TALLYLIGHT_JWT_SECRET", testSecret)
		token, err := runToken(t, "", "mint", "--user", "alice", "--name", "Alice", "--streamer", "alice", "--viewer", "*",
			"--moderator", "r1,r2", "--can", "chat", "--scope", "directory", "--expires", "90m", "--id", "t1")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(token, "\n") != 1 || strings.Count(token, ".") != 2 {
			t.Errorf("got %q, want the token alone on a line", token)
		}

		const want = `user     alice
name     Alice
id       "t1"
issued   2000-01-01T00:00:00Z
expires  2000-01-01T01:30:00Z (in 1h30m0s)
scopes   ["directory"]

room   role       may
*      viewer     ["chat"]
alice  streamer   ["chat"]
r1     moderator  ["chat"]
r2     moderator  ["chat"]
`
		for name, check := range map[string]func() (string, error){
			"argument":       func() (string, error) { return runToken(t, "", "check", strings.TrimSpace(token)) },
			"standard input": func() (string, error) { return runToken(t, "  "+token+"\n", "check", "-") },
			"two secrets": func() (string, error) {
				return runToken(t, token, "check", "-", "--jwt-secret", "another secret, it may hold a comma", "--secret", testSecret)
			},
		} {
			if got, err := check(); err != nil || got != want {
				t.Errorf("%s: got error %v and\n%s\nwant\n%s", name, err, got, want)
			}
		}

		time.Sleep(90*time.Minute + auth.Leeway)
		_, err = runToken(t, token, "check", "-")
		var refused *auth.Error
		if !errors.As(err, &refused) || refused.Reason != auth.ReasonExpired {
			t.Errorf("later: got %v, want reason expired", err)
		}
	})
}

func TestTokenMistakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no secret", []string{"mint", "--user", "alice"}, "--jwt-secret"},
		{"no user", []string{"mint", "--secret", testSecret}, "--user"},
		{"short secret", []string{"mint", "--user", "alice", "--secret", "hunter2"}, "RFC 7518"},
		{"secret file missing", []string{"mint", "--user", "alice", "--secret", "@/does/not/exist"}, "--jwt-secret"},
		{"bad user", []string{"mint", "--user", "a b", "--secret", testSecret}, "user id"},
		{"bad room", []string{"mint", "--user", "a", "--viewer", "a b", "--secret", testSecret}, "room"},
		{"bad scope", []string{"mint", "--user", "a", "--scope", "root", "--secret", testSecret}, "--scope"},
		{"no time", []string{"mint", "--user", "a", "--expires", "0s", "--secret", testSecret}, "--expires"},
		{"not a time", []string{"mint", "--user", "a", "--expires", "soon", "--secret", testSecret}, "--expires"},
		{"no token", []string{"check", "--secret", testSecret}, "<token>"},
		{"nothing on standard input", []string{"check", "-", "--secret", testSecret}, "missing"},
		{"not a token", []string{"check", "hello", "--secret", testSecret}, "malformed"},
	} {
		out, err := runToken(t, "", tt.args...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || out != "" {
			t.Errorf("%s: got %q, %v, want an error with %q", tt.name, out, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
	}
}
