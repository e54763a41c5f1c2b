package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
)

// BenchmarkQueryStreamers asks a node for 1,000 of 10,000 streamers who are live, and for 1,000 who are not, of each of
// whom there are 20 broadcasts on record.
func BenchmarkQueryStreamers(b *testing.B) {
	for _, backend := range []struct {
		name     string
		redis    bool
		postgres bool
	}{{"memory, SQLite", false, false}, {"Redis, PostgreSQL", true, true}} {
		cfg := devConfig(0)
		cfg.Database = "sqlite:" + b.TempDir() + "/records.db"
		if backend.redis {
			cfg.Redis, cfg.RedisPrefix = secret(testserver.Redis(b)), testserver.RedisPrefix()
		}
		if backend.postgres {
			cfg.Database = testserver.Postgres(b)
		}
		handler := nodeForBench(b, cfg)
		for _, who := range []string{"live", "gone"} {
			b.Run(backend.name+"/"+who, func(b *testing.B) {
				ids := make([]string, 1000)
				for i := range ids {
					ids[i] = fmt.Sprint(who, i)
				}
				body, err := json.Marshal(map[string][]string{"ids": ids})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/streamers/query", strings.NewReader(string(body))))
					if w.Code != http.StatusOK || strings.Count(w.Body.String(), "last_seen") != len(ids) {
						b.Fatalf("%d %.300s", w.Code, w.Body)
					}
				}
			})
		}
	}
}

// nodeForBench runs a node for whom 10,000 are live, elsewhere.
func nodeForBench(b *testing.B, cfg serveCmd) http.Handler {
	b.Helper()
	if err := cfg.check(); err != nil {
		b.Fatal(err)
	}
	n, err := newNode(b.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	halt, haltNow := context.WithCancel(context.Background())
	n.start(listener, halt, 0)
	b.Cleanup(func() {
		haltNow()
		_ = n.stop(halt, 0)
		if err := n.close(); err != nil {
			b.Error(err)
		}
	})
	const streamers = 10_000
	var lives sync.WaitGroup
	for part := range 10 {
		lives.Go(func() {
			for i := part; i < streamers; i += 10 {
				if err := goLiveElsewhere(b.Context(), n.backend.store, fmt.Sprint("live", i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	lives.Wait()
	tx, err := n.records.db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for i := range 20 * 1000 {
		_, err := tx.Exec(`INSERT INTO broadcasts (id, streamer, streamer_name, room, started_at, ended_at, version) VALUES ($1, $2, '', 'r', $3, $3, 3)`,
			fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i), fmt.Sprint("gone", i%1000), 1790000000000+i)
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if page, err := n.directory.Live(presence.Query{First: 1, Sort: presence.SortStarted}); err == nil && page.Total == streamers {
			return n.http.Handler
		} else if time.Now().After(deadline) {
			b.Fatalf("%d are live, %v", page.Total, err)
		}
	}
}

func goLiveElsewhere(ctx context.Context, store presence.Store, user string) error {
	claimed, err := store.Claim(ctx, presence.Claim{Room: user, User: presence.User{ID: user, Name: user}, Connection: "elsewhere-" + user, Node: "elsewhere"})
	if err != nil {
		return err
	}
	_, err = store.Start(ctx, presence.Hold{Room: user, Fence: claimed.Lease.Fence}, presence.Start{Details: presence.Details{Title: "Sketches", Tags: []string{"ink"}}})
	return err
}
