package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/signalling"
)

// crowd is a service with many streamers and viewers, who beat evenly.
type crowd struct {
	*service
	redis     *redis.Client
	streamers int
	beat      time.Duration
}

// connect brings in so many, over all nodes, and waits until what coming costs is over.
func (c *crowd) connect(n int, role auth.Role) {
	c.t.Helper()
	everywhere := func(claims *auth.Claims) { claims.Grants = []auth.Grant{{Room: "*", Role: auth.RoleStreamer}} }
	var all sync.WaitGroup
	places := make(chan struct{}, 50) // at a time
	for i := range n {
		places <- struct{}{}
		if role == auth.RoleStreamer {
			time.Sleep(c.beat / time.Duration(n)) // spread over a beat: then every period holds as many of them
		}
		all.Go(func() {
			defer func() { <-places }()
			user, room := fmt.Sprint(role, i), fmt.Sprint("room", i%c.streamers)
			// Several addresses: each has its own ports, and its own share of what one may open.
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(10+i%20))}}
			client, err := c.nodes[i%len(c.nodes)].tryDial(user, func(cfg *signalling.ClientConfig) {
				cfg.Token = token(c.t, user, everywhere)
				cfg.HTTP = &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
			})
			if err == nil {
				_, err = client.Join(within(c.t, time.Minute), signalling.Join{Room: room, Role: role})
			}
			if err == nil && role == auth.RoleStreamer {
				_, err = client.Start(within(c.t, time.Minute), signalling.LiveStart{Room: room})
			}
			if err != nil {
				c.t.Errorf("%s: %v", user, err)
			}
		})
	}
	all.Wait()
}

// settled waits until all nodes have heard of everybody.
func (c *crowd) settled(viewers int) {
	c.t.Helper()
	for _, p := range c.nodes {
		live := newLiveClient("http://"+p.addr, "")
		p.eventually(fmt.Sprintf("%d live, %d watching", c.streamers, viewers), time.Minute, func() bool {
			page, err := live.all(c.t.Context(), "started")
			sum := 0
			for _, row := range page.Data {
				sum += row.Viewers
			}
			return err == nil && page.Total == c.streamers && sum == viewers
		})
	}
}

// cost is what Redis was asked within a time.
type cost struct {
	commands, scripts int // commands are those inside scripts as well
	beats             int // presence keys that were set
	in, out           int // bytes
	cpu               time.Duration
	by                string
}

func (a cost) String() string {
	return fmt.Sprintf("%d commands, of which %d scripts; %d bytes to Redis, %d from it; %s of its CPU (%s)",
		a.commands, a.scripts, a.in, a.out, a.cpu.Round(time.Millisecond), a.by)
}

// costOf measures for a while.
func (c *crowd) costOf(period time.Duration) (spent cost) {
	c.t.Helper()
	before := c.counters()
	time.Sleep(period)
	var lines []string
	for name, n := range c.counters() {
		d := int(n - before[name])
		command, is := strings.CutPrefix(name, "cmdstat_")
		switch {
		case name == "total_net_input_bytes":
			spent.in = d
		case name == "total_net_output_bytes":
			spent.out = d
		case name == "used_cpu_user" || name == "used_cpu_sys":
			spent.cpu += time.Duration((n - before[name]) * float64(time.Second))
		case is && d > 0:
			spent.commands += d
			lines = append(lines, fmt.Sprintf("%s %d", command, d))
			switch command {
			case "evalsha":
				spent.scripts = d
			case "set":
				spent.beats = d
			}
		}
	}
	slices.Sort(lines)
	spent.by = strings.Join(lines, ", ")
	return spent
}

// counters are those of Redis: the calls of each command, but for INFO, which looks for them, the bytes and the CPU.
func (c *crowd) counters() map[string]float64 {
	c.t.Helper()
	info, err := c.redis.Info(c.t.Context(), "commandstats", "stats", "cpu").Result()
	if err != nil {
		c.t.Fatal(err)
	}
	counts := make(map[string]float64)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value, _, _ = strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		if n, err := strconv.ParseFloat(value, 64); err == nil && name != "cmdstat_info" {
			counts[name] = n
		}
	}
	return counts
}

// TestViewersCostRedisNothing counts commands with streamers alone, and with many viewers more who are just there.
func TestViewersCostRedisNothing(t *testing.T) {
	t.Parallel()
	viewers, period := 300, 10*time.Second
	c := openCrowd(t, 2, 60, 5*time.Second)
	if soak() {
		viewers, period = 5000, time.Minute
		c = openCrowd(t, 2, 1000, signalling.DefaultHeartbeat)
	}
	c.connect(c.streamers, auth.RoleStreamer)
	c.settled(0)
	alone := c.costOf(period)
	t.Logf("%d streamers, %s: %s", c.streamers, period, alone)
	c.connect(viewers, auth.RoleViewer)
	c.settled(viewers)
	watched := c.costOf(period)
	t.Logf("and %d viewers: %s", viewers, watched)
	if float64(watched.commands) > 1.05*float64(alone.commands) {
		t.Errorf("with viewers, Redis was asked %d times, without %d", watched.commands, alone.commands)
	}
}

func openCrowd(t *testing.T, nodes, streamers int, beat time.Duration) *crowd {
	t.Helper()
	server := testserver.OwnRedis(t)
	s := startServiceOn(t, server.URL, nodes, "--heartbeat-interval", beat.String())
	return &crowd{service: s, redis: redisClient(t, server.URL), streamers: streamers, beat: beat}
}

// TestWhatScalesWithWhat measures what the README counts with: what Redis is asked by nodes that have nothing to do, how
// much more by two further nodes, and how much more by streamers who are just live. It judges only that these cost a beat
// each, however many nodes there are; the rest is for a person to read.
func TestWhatScalesWithWhat(t *testing.T) {
	t.Parallel()
	streamers, period, beat := 60, 10*time.Second, 5*time.Second
	if soak() {
		streamers, period, beat = 2000, time.Minute, signalling.DefaultHeartbeat
	}
	want := int(float64(streamers) * period.Seconds() / beat.Seconds())
	for _, nodes := range []int{1, 3} {
		c := openCrowd(t, nodes, streamers, beat)
		idle := c.costOf(period)
		t.Logf("%d nodes with nothing to do, %s: %s", nodes, period, idle)
		c.connect(streamers, auth.RoleStreamer)
		c.settled(0)
		live := c.costOf(period)
		t.Logf("and %d streamers: %s", streamers, live)
		if idle.beats != 0 || live.beats < want/2 || live.beats > want*3/2 {
			t.Errorf("%d nodes: %d beats for nobody, and %d for %d streamers, want about %d", nodes, idle.beats, live.beats, streamers, want)
		}
	}
}
