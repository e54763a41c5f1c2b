package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
	"github.com/tallylight/tallylight/signalling"
)

// TestLogsAreQuiet sees that whatever is said and done, and whatever fails, no log has a token in it, a secret, a session
// description, or what people say to each other; not even one that logs everything.
func TestLogsAreQuiet(t *testing.T) {
	t.Parallel()
	var log lines
	logger := slog.New(slog.NewTextHandler(lockedWriter{&log}, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	defer broken.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	cfg := devConfig(0)
	cfg.Database = "sqlite:" + t.TempDir() + "/records.db"
	cfg.Redis, cfg.RedisPrefix = secret(testserver.Redis(t)), testserver.RedisPrefix()
	cfg.TURNURL, cfg.TURNSecret, cfg.TURNLife = []string{"turn:turn.example.com"}, []secret{"the-turn-secret"}, time.Hour
	cfg.JWKSURL = gone.URL + "/keys?key=the-key-of-the-keys"
	cfg.WebhookAllowPrivate = true
	addr, stop, halt, ended := serveLogged(t, cfg, logger)
	defer halt()
	p := &process{t: t, addr: addr}
	hidden := map[string]string{"the secret of tokens": testSecret, "that of TURN": "the-turn-secret", "that of the key set": "the-key-of-the-keys"}
	ctx := within(t, 30*time.Second)
	tokenOf := func(user string, change ...func(*auth.Claims)) string {
		made := token(t, user, change...)
		hidden["the token of "+user+", whole"] = made
		hidden["the signature of "+user+"'s token"] = made[strings.LastIndexByte(made, '.')+1:]
		hidden["the claims of "+user+"'s token"] = strings.Split(made, ".")[1]
		return made
	}

	// Tokens that are taken, and such as are not, by every way in.
	alice := p.dial("alice", by(tokenOf("alice", func(c *auth.Claims) { c.TokenID = "the-id-of-a-token" })))
	bob := p.dial("bob", by(tokenOf("bob")), func(c *signalling.ClientConfig) { c.InHeader = true })
	good := tokenOf("carol")
	for _, bad := range []string{good + "x", good[:len(good)-4] + "AAAA", strings.Replace(good, ".", "..", 1), good + good, "Bearer " + good, tokenOf("dave", func(c *auth.Claims) { c.Expires = time.Now().Add(-time.Hour) })} {
		hidden["a bad token "+bad[len(bad)-8:]] = bad
		_, _ = p.tryDial("carol", by(bad))
		_, _ = p.tryDial("carol", by(bad), func(c *signalling.ClientConfig) { c.InHeader = true })
		p.get("/v1/live", bad)
		p.get("/v1/live?token="+strings.ReplaceAll(bad, " ", "+"), "")
		p.get("/v1/ws?access_token="+strings.ReplaceAll(bad, " ", "+"), "")
	}
	if _, err := alice.Refresh(ctx, good); codeOf(err) != signalling.CodeForbidden {
		t.Errorf("another's token: %v", err)
	}
	if _, err := alice.Refresh(ctx, good+"x"); codeOf(err) != signalling.CodeUnauthorized {
		t.Errorf("a bad token: %v", err)
	}

	// What people say, in public and to each other.
	for who, role := range map[*client]auth.Role{alice: auth.RoleStreamer, bob: auth.RoleViewer} {
		if err := who.tryJoin("alice", role); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := alice.Start(ctx, signalling.LiveStart{Room: "alice"}); err != nil {
		t.Fatal(err)
	}
	hidden["a line of chat"] = "between-you-and-me"
	line, err := bob.Chat(ctx, "alice", "between-you-and-me")
	if err != nil {
		t.Fatal(err)
	}
	hidden["a line that is too long"] = "too-long-to-be-said"
	_, _ = bob.Chat(ctx, "alice", strings.Repeat("too-long-to-be-said ", 50))
	hidden["an event's data"] = "only-for-the-room"
	if _, err := bob.Publish(ctx, "alice", "x.note", "only-for-the-room"); err != nil {
		t.Fatal(err)
	}
	hidden["a session description"] = "o=the-address-of-bob"
	for _, signal := range []signalling.Signal{
		{Room: "alice", To: rooms.ToStreamer, Session: "s1", Kind: rooms.SignalRequest, Data: json.RawMessage(`{}`)},
		{Room: "alice", To: rooms.ToStreamer, Session: "s1", Kind: rooms.SignalOffer, Data: json.RawMessage(`{"sdp":"v=0\r\no=the-address-of-bob"}`)},
		{Room: "alice", To: "nobody", Session: "s1", Kind: rooms.SignalOffer, Data: json.RawMessage(`{"sdp":"v=0\r\no=the-address-of-bob"}`)},
		{Room: "alice", To: rooms.ToStreamer, Session: "s1", Kind: "o=the-address-of-bob", Data: json.RawMessage(`{}`)},
	} {
		_ = bob.Signal(ctx, signal)
	}
	hidden["junk"] = "what-is-no-message"
	for range 12 {
		_ = bob.SendRaw(ctx, []byte(`{"type":"hello","token":"what-is-no-message"`))
	}

	// What is asked for over HTTP, and what is made of it.
	created := struct{ ID, Secret string }{}
	if err := json.Unmarshal([]byte(p.ask("POST", "/v1/webhooks", `{"url":"`+broken.URL+`/hook?key=the-key-of-the-hook","events":["stream.offline","chat.message"]}`, http.StatusCreated)), &created); err != nil {
		t.Fatal(err)
	}
	hidden["the secret of a webhook"] = created.Secret
	hidden["the key in a webhook's URL"] = "the-key-of-the-hook"
	p.ask("POST", "/v1/rooms/alice/events", `{"event":"chat","data":{"text":"between-you-and-me"}}`, http.StatusCreated)
	p.ask("POST", "/v1/rooms/alice/events", `{"event":"chat","data":{"text":["between-you-and-me"]}}`, http.StatusBadRequest)
	p.ask("POST", "/v1/revocations", `{"jti":"the-id-of-a-token"}`, http.StatusCreated)
	alice.wantClosed(4403, "revoked")
	if _, err := p.dial("mod", by(tokenOf("mod", admin))).Request(ctx, "moderate", signalling.Moderate{Room: "alice", Action: moderation.Delete, Offset: line.Offset}); err == nil {
		t.Error("a room was moderated that was not joined")
	}
	p.eventually("a webhook has failed", 10*time.Second, func() bool { return strings.Contains(log.String(), "webhook: an attempt failed") })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := log.String()
	for _, said := range []string{"handshake refused", "hello refused", "token refused", "web: request", "the keys can't be fetched", "rooms: moderated"} {
		if !strings.Contains(all, said) {
			t.Errorf("%q is not in the log: the test does not do what it is there for", said)
		}
	}
	for what, text := range hidden {
		if at := strings.Index(all, text); at >= 0 {
			t.Errorf("%s is in the log: …%.300s", what, all[max(0, at-200):])
		}
	}
}

// lockedWriter writes into lines.
type lockedWriter struct{ to *lines }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.to.mu.Lock()
	defer w.to.mu.Unlock()
	return w.to.text.Write(p)
}
