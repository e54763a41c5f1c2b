package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/signalling"
)

// soak reports whether tests should run in full length.
func soak() bool { return os.Getenv("TALLYLIGHT_SOAK") == "1" }

// service is several nodes that share a Redis and a database.
type service struct {
	t      *testing.T
	prefix string // of the keys in Redis
	flags  []string
	nodes  []*process
}

// startService starts nodes that know each other.
func startService(t *testing.T, nodes int, flags ...string) *service {
	t.Helper()
	return startServiceOn(t, testserver.Redis(t), nodes, flags...)
}

func startServiceOn(t *testing.T, redis string, nodes int, flags ...string) *service {
	t.Helper()
	s := &service{t: t, prefix: testserver.RedisPrefix()}
	s.flags = append([]string{
		"--redis", redis, "--redis-prefix", s.prefix, "--public-directory",
		"--database", "sqlite:" + filepath.Join(t.TempDir(), "shared.db"),
	}, flags...)
	for n := range nodes {
		s.nodes = append(s.nodes, start(t, append(slices.Clone(s.flags), "--node", fmt.Sprint("n", n+1))...))
	}
	for _, p := range s.nodes {
		p.eventually("it is ready", 20*time.Second, func() bool { r, _ := p.get("/readyz", ""); return r.StatusCode == 200 })
	}
	return s
}

// key names one of a room's keys in Redis.
func (s *service) key(kind, room string) string {
	return fmt.Sprintf("%s:{%d}:%s:%s", s.prefix, presence.PartitionOf(room), kind, room)
}

// shippedConf is deploy/nginx.conf in front of the service's nodes.
func (s *service) shippedConf() string {
	s.t.Helper()
	shipped, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		s.t.Fatal(err)
	}
	addrs := make([]string, len(s.nodes))
	for i, p := range s.nodes {
		addrs[i] = p.addr
	}
	for len(addrs) < 2 { // as many as the configuration names
		addrs = append(addrs, addrs[0])
	}
	return testserver.ShippedNginx(s.t, shipped, addrs...)
}

// behind returns what answers at an address, to be asked like a node.
func (s *service) behind(addr string) *process { return &process{t: s.t, addr: addr} }

// replaceOnce changes one place of a configuration.
func replaceOnce(t *testing.T, conf, old, new string) string {
	t.Helper()
	if strings.Count(conf, old) != 1 {
		t.Fatalf("%q is %d times in the configuration, want once", old, strings.Count(conf, old))
	}
	return strings.Replace(conf, old, new, 1)
}

// publish says something in a room as a backend.
func (p *process) publish(room, event string) {
	p.t.Helper()
	backend := token(p.t, "backend", func(c *auth.Claims) { c.Scopes = []auth.Scope{auth.ScopeService} })
	if status := p.post("/v1/rooms/"+room+"/events", backend, `{"event":"`+event+`","data":1}`); status != http.StatusCreated {
		p.t.Fatalf("publishing: %d", status)
	}
}

func (p *process) eventually(what string, within time.Duration, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// told is an event that a viewer was told of, and when.
type told struct {
	rooms.EventMessage
	rooms.BroadcastData
	at time.Time
}

// viewer is a client that notes the events of one room.
type viewer struct {
	*signalling.Client
	t    *testing.T
	name string

	mu     sync.Mutex
	events []told
	joined int           // snapshots that it did not ask for
	shown  presence.View // by the last of them
	epochs int           // how many epochs begin anew under it, as Redis loses data
}

// watch connects a user and joins a room as viewer.
func (p *process) watch(user, room string, change ...func(*signalling.ClientConfig)) *viewer {
	p.t.Helper()
	v := &viewer{t: p.t, name: user}
	v.Client = p.dial(user, append(change, func(c *signalling.ClientConfig) { c.OnMessage = v.note })...).Client
	if _, err := v.Join(within(p.t, 20*time.Second), signalling.Join{Room: room}); err != nil {
		p.t.Fatalf("%s joins: %v", user, err)
	}
	return v
}

func (v *viewer) note(m signalling.Message) {
	e := told{at: time.Now()}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch m.Type {
	case "joined":
		var snapshot signalling.Joined
		if err := m.Decode(&snapshot); err != nil {
			v.t.Errorf("a snapshot can't be read: %v: %s", err, m.Raw)
		}
		v.joined, v.shown = v.joined+1, snapshot.Streamer
	case "event":
		err := m.Decode(&e.EventMessage)
		if err == nil && strings.HasPrefix(e.Event, "live.") {
			err = json.Unmarshal(e.Data, &e.BroadcastData)
		}
		if err != nil {
			v.t.Errorf("an event can't be read: %v: %s", err, m.Raw)
		}
		v.events = append(v.events, e)
	}
}

// knows reports whether the viewer was told of a version of the broadcast, by an event or by a snapshot.
func (v *viewer) knows(version int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	told := func(e told) bool { return e.Broadcast != nil && e.Broadcast.Version == version }
	return slices.ContainsFunc(v.events, told) || v.shown.Broadcast != nil && v.shown.Broadcast.Version == version
}

func (v *viewer) snapshots() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.joined
}

func (v *viewer) all() []told {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.events)
}

// await returns the n-th event of a name, from 1.
func (v *viewer) await(event string, n int) told {
	v.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		found := 0
		for _, e := range v.all() {
			if e.Event == event {
				if found++; found == n {
					return e
				}
			}
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("%s was not told of %s number %d within 20 s", v.name, event, n)
		}
	}
}

// wantEach checks that each event came once and in order, and how many of each name there were.
func (v *viewer) wantEach(counts map[string]int) {
	v.t.Helper()
	events := v.all()
	got := make(map[string]int)
	versions := make(map[string]int64)
	for i, e := range events {
		got[e.Event]++
		switch {
		case i == 0:
		case e.Epoch == events[i-1].Epoch && e.Offset == events[i-1].Offset+1:
		case e.Epoch != events[i-1].Epoch && e.Offset == 1 && v.epochs > 0:
		default:
			v.t.Errorf("%s: event %+v comes after %+v", v.name, e.Position, events[i-1].Position)
		}
		if b := e.Broadcast; b != nil {
			if b.Version != versions[b.ID]+1 {
				v.t.Errorf("%s: version %d of broadcast %s comes after %d", v.name, b.Version, b.ID, versions[b.ID])
			}
			versions[b.ID] = b.Version
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(counts) {
		v.t.Errorf("%s was told %v, want %v", v.name, got, counts)
	}
	if v.joined != v.epochs {
		v.t.Errorf("%s got %d snapshots that it had not asked for, want %d", v.name, v.joined, v.epochs)
	}
}

// delays collects how long things took, by what they were.
type delays map[string][]time.Duration

func (d delays) add(what string, took time.Duration) { d[what] = append(d[what], took) }

func (d delays) median(what string) time.Duration { return d.quantile(what, 0.5) }

func (d delays) quantile(what string, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d[what]))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// table writes the delays for a person to read.
func (d delays) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s %6s %9s %9s %9s", "", "n", "p50", "p99", "max")
	for _, what := range slices.Sorted(maps.Keys(d)) {
		fmt.Fprintf(&b, "\n%-28s %6d %9s %9s %9s", what, len(d[what]), d.quantile(what, 0.5).Round(10*time.Microsecond),
			d.quantile(what, 0.99).Round(10*time.Microsecond), d.quantile(what, 1).Round(10*time.Microsecond))
	}
	return b.String()
}
