package redisconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tallylight/tallylight/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, url string) *Conn {
	t.Helper()
	c, err := Open(t.Context(), url, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name    string
		info    string
		warning string
		refused string
	}{
		{"a Redis as it comes", "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n", "", ""},
		{"a newer one", "redis_version:10.1.0\r\nmaxmemory:100\r\nmaxmemory_policy:noeviction", "", ""},
		{"Valkey", "redis_version:7.2.4\r\nvalkey_version:9.0.1\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction", "", ""},
		{"an old one", "redis_version:6.2.14\r\nmaxmemory_policy:noeviction", "", "it is version 6.2.14, and 7.0"},
		{"an ancient one", "redis_version:2.8\r\n", "", "2.8"},
		{"something else", "server:other\r\n", "", "it is version , and"},
		{"a cluster's node", "redis_version:7.0.15\r\ncluster_enabled:1", "", "cluster"},
		{"one that drops what it likes", "redis_version:7.0.15\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lfu", "", "allkeys-lfu: when memory runs short"},
		{"one that would, with a bound", "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-random", "allkeys-random", ""},
		{"one that drops what expires", "redis_version:7.0.15\r\nmaxmemory:100\r\nmaxmemory_policy:volatile-ttl", "volatile-ttl", ""},
	} {
		warning, err := judge(fieldsOf(test.info))
		if (test.warning == "") != (warning == "") || !strings.Contains(warning, test.warning) {
			t.Errorf("%s: warned %q, want %q", test.name, warning, test.warning)
		}
		if (test.refused == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: refused %v, want %q", test.name, err, test.refused)
		}
	}
}

// What can't be opened is named, and its password is not.
func TestOpenFails(t *testing.T) {
	for url, want := range map[string]string{
		"redis://user:s3cret@127.0.0.1:1/0":            "redis://user:xxxxx@127.0.0.1:1/0: dial tcp 127.0.0.1:1: connect: connection refused",
		"redis+cluster://user:s3cret@127.0.0.1:1":      "not supported yet",
		"redis+sentinel://user:s3cret@127.0.0.1:1":     "not supported yet",
		"127.0.0.1:6379":                               "not an address",
		"http://user:s3cret@127.0.0.1":                 "not an address",
		"redis://127.0.0.1:1/0?password=s3cret":        "redis://127.0.0.1:1/0: ",
		"redis://user:s3cret@127.0.0.1:1/not-a-number": "not an address",
		"redis://%zz:s3cret":                           "not an address",
	} {
		_, err := Open(t.Context(), url, "test", slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", url, err, want)
		}
	}
}

func TestOpenRefusesEviction(t *testing.T) {
	lossy := testserver.OwnRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	if _, err := Open(t.Context(), lossy.URL, "test", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("got %v, want a word about allkeys-lru", err)
	}
	var log bytes.Buffer
	risky := testserver.OwnRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru")
	c, err := Open(t.Context(), risky.URL, "test", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || !strings.Contains(log.String(), "volatile-lru") {
		t.Fatalf("got %v and the log %q, want a warning", err, log.String())
	}
	c.Close()
}

// A pipeline runs each call once, also on a server that has forgotten the script.
func TestRunAll(t *testing.T) {
	c := open(t, testserver.OwnRedis(t).URL)
	count := NewScript("local n = redis.call('INCRBY', KEYS[1], ARGV[1])", "return n")
	var calls []Call
	for n := range 10 {
		calls = append(calls, Call{Keys: []string{fmt.Sprint("n", n%2)}, Args: []any{1}})
	}
	for round := 1; round <= 3; round++ {
		if round == 2 {
			c.Client().ScriptFlush(t.Context())
		}
		replies, err := c.RunAll(t.Context(), count, calls)
		if err != nil || len(replies) != len(calls) || replies[9].Int() != int64(5*round) {
			t.Fatalf("round %d: %v, %v", round, replies, err)
		}
		for _, key := range []string{"n0", "n1"} {
			if n, err := c.Client().Get(t.Context(), key).Int(); n != 5*round || err != nil {
				t.Errorf("after round %d %s is %d, %v, want %d", round, key, n, err, 5*round)
			}
		}
	}
	wrong := NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
	if _, err := c.RunAll(t.Context(), wrong, []Call{{Keys: []string{"n0"}, Args: []any{"x"}}, calls[0]}); err == nil {
		t.Error("a call that failed is passed over")
	}
	if _, err := c.RunAll(t.Context(), count, nil); err != nil {
		t.Errorf("no calls: %v", err)
	}
}

// ear notes what a handler was told.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (e *ear) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, what)
}

func (e *ear) handler() Handler {
	return Handler{Subscribed: func() { e.note("subscribed") }, Message: e.note}
}

func (e *ear) want(t *testing.T, want ...string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		got := slices.Clone(e.heard)
		e.mu.Unlock()
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
}

func running(t *testing.T, l *Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
}

func (c *Conn) say(t *testing.T, channel, what string) {
	t.Helper()
	if err := c.client.SPublish(t.Context(), channel, what).Err(); err != nil {
		t.Fatal(err)
	}
}

// Each new subscription is told, and channels are apart.
func TestListener(t *testing.T) {
	server := testserver.OwnRedis(t)
	c := open(t, server.URL)
	l := c.Listener("one")
	if err := l.Check(); !errors.Is(err, ErrDeaf) {
		t.Errorf("before it runs: %v, want ErrDeaf", err)
	}
	var a, b ear
	l.Listen("a", a.handler())
	running(t, l)
	a.want(t, "subscribed")
	l.Listen("b", b.handler())
	b.want(t, "subscribed")
	if err := l.Check(); err != nil {
		t.Errorf("subscribed: %v", err)
	}
	c.say(t, "a", "1")
	c.say(t, "b", "2")
	a.want(t, "subscribed", "1")
	b.want(t, "subscribed", "2")
	if err := c.client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	a.want(t, "subscribed", "1", "subscribed")
	b.want(t, "subscribed", "2", "subscribed")
	l.Unlisten("a")
	l.Listen("a", a.handler()) // at once again: the last word counts
	a.want(t, "subscribed", "1", "subscribed", "subscribed")
	l.Unlisten("b")
	c.say(t, "a", "3")
	a.want(t, "subscribed", "1", "subscribed", "subscribed", "3")
	c.say(t, "b", "4")
	c.say(t, "a", "5")
	a.want(t, "subscribed", "1", "subscribed", "subscribed", "3", "5")
	b.want(t, "subscribed", "2", "subscribed")
	server.Stop()
	for end := time.Now().Add(10 * time.Second); l.Check() == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("Redis is gone, and the listener is not deaf")
		}
	}
	server.Start()
	a.want(t, "subscribed", "1", "subscribed", "subscribed", "3", "5", "subscribed")
}
