package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// endpoint is who is told by a webhook, and how they answer.
type endpoint struct {
	*httptest.Server
	hook web.Webhook

	mu    sync.Mutex
	tried []time.Time
	ids   map[string]bool
}

// receiveAt registers an endpoint at a node.
func receiveAt(p *process, server *httptest.Server, e *endpoint) *endpoint {
	p.t.Helper()
	e.Server = server
	p.t.Cleanup(server.Close)
	response, body := p.do("POST", "/v1/webhooks", token(p.t, "backend", backendToken), fmt.Sprintf(`{"url":%q}`, server.URL+"/hook"))
	if err := json.Unmarshal([]byte(body), &e.hook); err != nil || response.StatusCode != http.StatusCreated {
		p.t.Fatalf("registering %s: %s", server.URL, body)
	}
	return e
}

// answering returns a handler that checks signatures, remembers when it was asked, and then does as it likes.
func (e *endpoint) answering(t *testing.T, answer http.HandlerFunc) http.Handler {
	e.ids = make(map[string]bool)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.tried = append(e.tried, time.Now())
		e.ids[r.Header.Get("webhook-id")] = true
		e.mu.Unlock()
		answer(w, r)
	})
}

func (e *endpoint) attempts() []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]time.Time(nil), e.tried...)
}

// status asks the node how the endpoint does.
func (e *endpoint) status(p *process) (hook web.Webhook) {
	p.t.Helper()
	_, body := p.get("/v1/webhooks/"+e.hook.ID, token(p.t, "backend", backendToken))
	if err := json.Unmarshal([]byte(body), &hook); err != nil {
		p.t.Fatalf("%v in %s", err, body)
	}
	return hook
}

// An endpoint that fails, hangs or redirects is tried again, with a clear word why, and delays nobody else.
func TestWebhooksThatFail(t *testing.T) {
	p := start(t, "--webhook-allow-private")
	good, broken, hung, away, inner := &endpoint{}, &endpoint{}, &endpoint{}, &endpoint{}, &endpoint{}
	var late []time.Duration // from what happened to its being told
	var mu sync.Mutex
	key := make(chan *standardwebhooks.Webhook, 1)
	receiveAt(p, httptest.NewServer(good.answering(t, func(w http.ResponseWriter, r *http.Request) {
		k := <-key
		key <- k
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := k.Verify(body, r.Header); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		var told struct{ Timestamp time.Time }
		if err := json.Unmarshal(body, &told); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		late = append(late, time.Since(told.Timestamp))
	})), good)
	k, err := standardwebhooks.NewWebhook(good.hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	key <- k
	receiveAt(p, httptest.NewServer(broken.answering(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })), broken)
	done := make(chan struct{})
	defer close(done)
	receiveAt(p, httptest.NewServer(hung.answering(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-done:
		}
	})), hung)
	secret := httptest.NewServer(inner.answering(t, func(http.ResponseWriter, *http.Request) {}))
	defer secret.Close()
	receiveAt(p, httptest.NewServer(away.answering(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secret.URL, http.StatusPermanentRedirect)
	})), away)

	const streamers = 30
	atATime(streamers, func(i int) {
		user := fmt.Sprint("star", i)
		c := p.golive(user)
		if err := c.End(within(t, 20*time.Second), user); err != nil {
			t.Error(err)
		}
	})
	p.eventually("the good one was told everything", 20*time.Second, func() bool { return len(good.attempts()) >= 2*streamers })
	mu.Lock()
	worst := time.Duration(0)
	for _, l := range late {
		worst = max(worst, l)
	}
	mu.Unlock()
	t.Logf("the good one was told %d events, the last of them %s after it happened", len(late), worst)
	if worst > 5*time.Second {
		t.Errorf("it was told %s late", worst)
	}
	for e, want := range map[*endpoint]string{
		broken: "answered 500", hung: "no answer in time", away: "answered 308: redirects are not followed",
	} {
		p.eventually(want, 30*time.Second, func() bool {
			hook := e.status(p)
			return hook.State == webhook.StateFailing && hook.LastError == want && hook.Waiting == 2*streamers
		})
	}
	if n := len(inner.attempts()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
	p.eventually("the broken one is tried again", 20*time.Second, func() bool {
		tried := broken.attempts()
		return tried[len(tried)-1].Sub(tried[0]) > 4*time.Second
	})
	_, body := p.get("/v1/webhooks/"+good.hook.ID+"/deliveries?state=delivered&first=1", token(t, "backend", backendToken))
	if !strings.Contains(body, `"status":200`) || !strings.Contains(body, `"type":"stream.`) {
		t.Errorf("deliveries are %s", body)
	}
}

// Without --webhook-allow-private nothing reaches an address that is private, by whatever name; and plain http is
// refused at once.
func TestWebhooksOfPrivateAddresses(t *testing.T) {
	p := start(t)
	for url, mention := range map[string]string{
		"http://example.com/": "--webhook-allow-private", "https://127.0.0.1/": "private", "https://[::1]/": "private", "https://169.254.169.254/latest": "private",
	} {
		response, body := p.do("POST", "/v1/webhooks", token(t, "backend", backendToken), fmt.Sprintf(`{"url":%q}`, url))
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, mention) {
			t.Errorf("%s: %d %s", url, response.StatusCode, body)
		}
	}
	named := &endpoint{}
	server := httptest.NewTLSServer(named.answering(t, func(http.ResponseWriter, *http.Request) {}))
	server.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // which leads there all the same
	receiveAt(p, server, named)
	p.golive("alice")
	const want = "its address is private or reserved, which takes --webhook-allow-private"
	p.eventually("the attempt fails", 20*time.Second, func() bool { return named.status(p).LastError == want })
	if n := len(named.attempts()); n != 0 {
		t.Errorf("it was reached %d times", n)
	}
}

// Whoever asks for chat by name is told each line, and rooms that are viewed or not any more are told of.
func TestWebhooksOfRooms(t *testing.T) {
	s := startService(t, 2, "--webhook-allow-private")
	var mu sync.Mutex
	var told []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Type string
			Data struct {
				Room, Text string
				From       struct{ ID string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, strings.Join(strings.Fields(fmt.Sprint(body.Type, " ", body.Data.Room, " ", body.Data.From.ID, " ", body.Data.Text)), " "))
	}))
	defer server.Close()
	response, body := s.nodes[0].do("POST", "/v1/webhooks", token(t, "backend", backendToken),
		fmt.Sprintf(`{"url":%q,"events":["chat.message","room.occupied","room.vacated"]}`, server.URL))
	if response.StatusCode != http.StatusCreated {
		t.Fatal(body)
	}
	all := func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(told) }
	heard := func(n int) {
		t.Helper()
		s.nodes[0].eventually(fmt.Sprint(n, " events are told"), 20*time.Second, func() bool { return len(all()) >= n })
	}
	bob, carol := s.nodes[0].dial("bob"), s.nodes[1].dial("carol")
	for _, c := range []*client{bob, carol} {
		if _, err := c.Join(within(t, 20*time.Second), signalling.Join{Room: "alice"}); err != nil {
			t.Fatal(err)
		}
	}
	heard(1)
	// Both nodes hear within a second that chat is asked for.
	for _, c := range []struct {
		*client
		user string
	}{{bob, "bob"}, {carol, "carol"}} {
		s.nodes[0].eventually(c.user+" is heard", 20*time.Second, func() bool {
			_, err := c.Chat(within(t, 20*time.Second), "alice", "hello?") // as often as the limit of chat allows
			time.Sleep(200 * time.Millisecond)
			return (err == nil || codeOf(err) == signalling.CodeRateLimited) && slices.Contains(all(), "chat.message alice "+c.user+" hello?")
		})
	}
	for i, c := range []*client{bob, carol, bob} {
		s.nodes[0].eventually("a line is said", 20*time.Second, func() bool {
			_, err := c.Chat(within(t, 20*time.Second), "alice", fmt.Sprint("line ", i))
			return err == nil
		})
	}
	bob.Abort()
	carol.Abort()
	s.nodes[0].eventually("the room is vacated", 20*time.Second, func() bool { return slices.Contains(all(), "room.vacated alice") })
	got := slices.DeleteFunc(all(), func(line string) bool { return strings.HasSuffix(line, "hello?") })
	want := []string{"room.occupied alice", "chat.message alice bob line 0", "chat.message alice carol line 1", "chat.message alice bob line 2", "room.vacated alice"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
