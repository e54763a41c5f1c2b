package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/internal/usage"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/web"
)

// multitude is a node in this process, without sockets: it holds as many broadcasts as are asked for.
type multitude struct {
	t     *testing.T
	id    string
	nodes *presence.Nodes
	store *presence.Redis
	relay *rooms.Redis
}

// nobody is the sink of a node that has no sessions.
type nobody struct{}

func (nobody) Command(rooms.Command)                              {}
func (nobody) OtherViewers(string, int)                           {}
func (nobody) Repeat(string)                                      {}
func (nobody) Reactions(string, map[string]int)                   {}
func (nobody) TakeSignal(_ rooms.Signal, answered func(error))    { answered(rooms.ErrPeerGone) }
func (nobody) Members(string, int, string) ([]rooms.Member, bool) { return nil, false }

func gather(t *testing.T, redis, prefix string) *multitude {
	t.Helper()
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	conn, err := redisconn.Open(ctx, redis, prefix, quiet)
	if err != nil {
		t.Fatal(err)
	}
	m := &multitude{t: t, id: "multitude"}
	m.nodes = presence.NewNodes(conn, m.id, quiet)
	m.store, err = presence.NewRedis(ctx, presence.RedisConfig{Conn: conn, Node: m.id, Nodes: m.nodes, Logger: quiet, Heartbeat: time.Hour},
		rooms.PresenceFollower, record.Follower)
	if err != nil {
		t.Fatal(err)
	}
	m.relay = rooms.NewRedis(rooms.RedisConfig{Conn: conn, Node: m.id, Store: m.store, Nodes: m.nodes, Logger: quiet})
	m.relay.Attach(nobody{})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	for _, run := range []func(context.Context){m.store.Run, m.relay.Run, m.nodes.Run} {
		work.Go(func() { run(running) })
	}
	t.Cleanup(func() {
		stop()
		work.Wait()
		_ = conn.Close()
	})
	return m
}

func streamRoom(i int) string { return fmt.Sprint("stream-", i) }

// goLive has those from one number to another go live, many at a time.
func (m *multitude) goLive(from, to int) {
	m.t.Helper()
	var all sync.WaitGroup
	var next atomic.Int64
	next.Store(int64(from) - 1)
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)); i < to; i = int(next.Add(1)) {
				user := presence.User{ID: fmt.Sprint("user-", i), Name: fmt.Sprint("User ", i)}
				claimed, err := m.store.Claim(m.t.Context(), presence.Claim{Room: streamRoom(i), User: user, Connection: fmt.Sprint("c", i), Node: m.id})
				if err == nil {
					_, err = m.store.Start(m.t.Context(), presence.Hold{Room: streamRoom(i), Fence: claimed.Lease.Fence}, presence.Start{Details: presence.Details{
						Title: fmt.Sprint("What number ", i, " does all day"), Category: fmt.Sprint("category ", i%40), Language: fmt.Sprint("l", i%9), Tags: []string{"one", "two"},
					}})
				}
				if err != nil {
					m.t.Errorf("stream %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// watch has the number of viewers of random streams change until the context ends.
func (m *multitude) watch(ctx context.Context, streams int, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = m.relay.Report(ctx, []rooms.Attendance{{Room: streamRoom(rand.IntN(streams)), Viewers: 1 + rand.IntN(10_000)}}) // the next one does it again
		}
	}
}

// The list of who is live, of very many: it is complete and without repeats while numbers change, and a node that starts
// has it soon. The figures are for who runs this by itself; make soak has 100,000.
func TestVeryManyLive(t *testing.T) {
	streams := 4000
	if soak() {
		streams = 100_000
	}
	if _, err := binary(); err != nil { // which takes a while the first time
		t.Fatal(err)
	}
	redis := testserver.OwnRedis(t)
	url, prefix := "redis://"+redis.Addr()+"/0", testserver.RedisPrefix()
	m := gather(t, url, prefix)
	flags := []string{"--redis", url, "--redis-prefix", prefix, "--public-directory", "--database", "sqlite:" + t.TempDir() + "/records.db"}

	begun := time.Now()
	m.goLive(0, streams)
	t.Logf("%d went live in %s", streams, time.Since(begun).Round(time.Millisecond))
	begun = time.Now()
	p := start(t, flags...)
	empty := p.usage().Resident
	p.eventually("it has loaded the directory", time.Minute, func() bool { r, _ := p.get("/v1/live?first=1", ""); return r.StatusCode == http.StatusOK })
	t.Logf("a node that starts lists them after %s", time.Since(begun).Round(time.Millisecond))
	p.eventually("it is ready", time.Minute, func() bool { r, _ := p.get("/readyz", ""); return r.StatusCode == http.StatusOK })
	t.Logf("and is ready after %s; it has %.0f MiB, %.2f KiB a record more than when it began to serve",
		time.Since(begun).Round(time.Millisecond), float64(p.usage().Resident)/(1<<20), float64(p.usage().Resident-empty)/1024/float64(streams))

	p.eventually("what came before it is recorded", 2*time.Minute, p.quiet())
	ctx, stop := context.WithCancel(t.Context())
	var changing sync.WaitGroup
	changing.Go(func() { m.watch(ctx, streams, 5*time.Millisecond) })
	defer changing.Wait()
	defer stop()
	for _, sort := range []string{"viewers", "started"} {
		t.Logf("a page by %-7s  %s", sort, p.pageTimes(sort, 400))
	}
	p.wantAllOnce(streams)
}

// pageTimes asks for pages all over the list, and says how long that took; and in turn with it, what takes no time at all,
// as the machine has its own moments.
func (p *process) pageTimes(sort string, n int) string {
	p.t.Helper()
	var pages, nothing []time.Duration
	timed := func(took *[]time.Duration, path string) (response *http.Response, body string) {
		begun := time.Now()
		response, body = p.get(path, "")
		*took = append(*took, time.Since(begun))
		return response, body
	}
	after := ""
	for range n {
		timed(&nothing, "/healthz")
		response, body := timed(&pages, "/v1/live?first=100&sort="+sort+"&after="+after)
		var page web.LivePage
		if err := json.Unmarshal([]byte(body), &page); err != nil || response.StatusCode != http.StatusOK {
			p.t.Fatalf("a page by %s: %s, %v", sort, response.Status, err)
		}
		after = page.Next
	}
	return quantiles(pages) + "; /healthz in turn with it " + quantiles(nothing)
}

func quantiles(took []time.Duration) string {
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p99 %s, max %s", at(.5), at(.99), at(1))
}

// wantAllOnce goes through the list by start.
func (p *process) wantAllOnce(streams int) {
	p.t.Helper()
	seen, after := map[string]int{}, ""
	for {
		_, body := p.get("/v1/live?first=100&sort=started&after="+after, "")
		var page web.LivePage
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			p.t.Fatal(err)
		}
		if page.Total != streams {
			p.t.Fatalf("a page says that %d are live, want %d", page.Total, streams)
		}
		for _, row := range page.Data {
			seen[row.Room]++
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for i := range streams {
		if n := seen[streamRoom(i)]; n != 1 {
			p.t.Fatalf("%s is listed %d times", streamRoom(i), n)
		}
	}
	if len(seen) != streams {
		p.t.Fatalf("%d are listed, want %d", len(seen), streams)
	}
}

// quiet returns what says whether the process used less than a tenth of a processor since it was last asked; where that
// can't be known, it did.
func (p *process) quiet() func() bool {
	before, asked := p.usage().CPU, time.Now()
	return func() bool {
		since := time.Since(asked)
		if since < time.Second {
			return false
		}
		now := p.usage().CPU
		calm := now-before < since/10
		before, asked = now, time.Now()
		return calm
	}
}

// usage returns what the process uses; nothing where that can't be known.
func (p *process) usage() usage.Process {
	u, _ := usage.Of(p.cmd.Process.Pid)
	return u
}
