package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/web"
)

// lockedBuffer is written by a command while a test looks at it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) waitFor(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(b.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q did not come; got\n%s", text, b)
		}
	}
}

// runLive runs "tallylight live" with the arguments to its end.
func runLive(t *testing.T, ctx context.Context, out, errOut io.Writer, args ...string) error {
	t.Helper()
	var cmd liveCmd
	parser, err := kong.New(&cmd, kong.Name("tallylight live"), kong.Exit(func(int) { t.Error("it wants to exit") }))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		return err
	}
	k.BindTo(ctx, (*context.Context)(nil))
	k.BindTo(out, (*io.Writer)(nil))
	return k.Run(terminal{errOut})
}

// liveRow is alice, bob, … live for some minutes with as many viewers.
func liveRow(user string, n int) web.Row {
	return web.Row{
		Broadcast: "b-" + user, Streamer: presence.User{ID: user, Name: strings.ToUpper(user)}, Room: user, State: presence.StateLive,
		Title: "Title of " + user, StartedAt: web.Time(presence.MillisOf(time.Now().Add(-time.Duration(n) * time.Minute))), Viewers: n,
	}
}

// answering is a service that gives each request what answer returns.
func answering(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(status int, code, detail string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"title": "x", "status": status, "code": code, "detail": detail})
	}
}

func TestLiveFollowsAllPages(t *testing.T) {
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/prefix/v1/live" || q.Get("sort") != "started" || r.Header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("got %s %v", r.URL, r.Header)
		}
		switch q.Get("after") {
		case "":
			sendJSON(w, web.LivePage{Data: []web.Row{liveRow("alice", 3), liveRow("bob", 2)}, Next: "two", Total: 3})
		case "two": // bob's viewers changed meanwhile
			sendJSON(w, web.LivePage{Data: []web.Row{liveRow("bob", 61), liveRow("carol", 1)}, Total: 3, Stale: true})
		}
	})
	args := []string{"--url", url + "/prefix/", "--token", "t0ken", "--sort", "started"}
	var out, errOut bytes.Buffer
	if err := runLive(t, t.Context(), &out, &errOut, args...); err != nil {
		t.Fatal(err)
	}
	const want = `STATE  STREAMER  ROOM   TITLE           VIEWERS  SINCE
live   ALICE     alice  Title of alice  3        3m00s
live   BOB       bob    Title of bob    2        2m00s
live   CAROL     carol  Title of carol  1        1m00s
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !strings.Contains(errOut.String(), "out of date") {
		t.Errorf("got %q on stderr, want a word about stale data", errOut.String())
	}
	out.Reset()
	if err := runLive(t, t.Context(), &out, &errOut, append(args, "--json")...); err != nil {
		t.Fatal(err)
	}
	var page web.LivePage
	if err := json.Unmarshal(out.Bytes(), &page); err != nil || len(page.Data) != 3 || page.Total != 3 || page.Next != "" {
		t.Errorf("got %s, %v, want three rows", out.String(), err)
	}
}

func TestLiveNobody(t *testing.T) {
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a token came from nowhere")
		}
		sendJSON(w, web.LivePage{Data: []web.Row{}})
	})
	var out bytes.Buffer
	if err := runLive(t, t.Context(), &out, io.Discard, "--url", url); err != nil || out.String() != "nobody is live\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestLiveMistakes(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"nobody listens", []string{"--url", gone.URL}, []string{"--url " + gone.URL, "refused"}},
		{"no such host", []string{"--url", "http://nowhere.invalid"}, []string{"--url http://nowhere.invalid"}},
		{"not an address", []string{"--url", "localhost:8080"}, []string{"--url", "localhost:8080"}},
		{"a socket's address", []string{"--url", "ws://localhost:8080"}, []string{"--url"}},
		{"an order that is none", []string{"--sort", "name"}, []string{"--sort"}},
		{"no token", []string{"--url", answering(t, refuse(401, "unauthorized", "there is none"))}, []string{"--token is missing", "directory"}},
		{"bad token", []string{"--token", "x", "--url", answering(t, refuse(401, "unauthorized", "the token ended"))}, []string{"--token: the token ended"}},
		{"other token", []string{"--token", "x", "--url", answering(t, refuse(403, "forbidden", "it takes a scope"))}, []string{"--token: it takes a scope"}},
		{"token file", []string{"--token", "@/does/not/exist"}, []string{"--token", "no such file"}},
		{"another service", []string{"--url", answering(t, http.NotFound)}, []string{"--url", "404"}},
		{"a page", []string{"--url", answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })}, []string{"--url", "200"}},
		{"cut off", []string{"--url", answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[`)
		})}, []string{"--url", "can't be read"}},
		{"stopping", []string{"--url", answering(t, refuse(503, "unavailable", "come back\x1b[2J"))}, []string{"--url", "come back[2J", "unavailable"}},
	} {
		for _, watch := range []bool{false, true} {
			if watch {
				tt.args = append(tt.args, "--watch")
				if tt.name == "cut off" {
					continue
				}
			}
			var out bytes.Buffer
			err := runLive(t, t.Context(), &out, io.Discard, tt.args...)
			if err == nil || out.Len() != 0 {
				t.Errorf("%s: got %v and %q, want an error", tt.name, err, out.String())
				continue
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %q, want %q", tt.name, err, want)
				}
			}
		}
	}
}
