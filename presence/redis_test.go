package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
)

// openConn connects to the tests' server.
func openConn(t *testing.T, prefix string) *redisconn.Conn {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), testserver.Redis(t), prefix, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// openRedis returns the store of one node, running, over the data under a prefix.
func openRedis(t *testing.T, prefix, node string, followers ...string) *Redis {
	t.Helper()
	s, err := NewRedis(t.Context(), RedisConfig{Conn: openConn(t, prefix), Node: node, Logger: quiet, Heartbeat: 50 * time.Second}, followers...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	eventually(t, "the store hears of news", func() bool { return s.Check() == nil })
	return s
}

func TestRedis(t *testing.T) {
	testStore(t, func(t *testing.T, test func(*testing.T, Store)) {
		test(t, openRedis(t, testserver.RedisPrefix(), "n1", "suite"))
	})
}

// zero is a room's deadline that has passed, for a test that does not want to wait.
func zero(room string) redis.Z { return redis.Z{Member: room} }

// onlineKey reads a streamer's presence key: its value, and how long it lasts.
func onlineKey(t *testing.T, s *Redis) (user string, lasts time.Duration) {
	t.Helper()
	key := s.parts[PartitionOf(studio)].base + "online:" + studio
	user, err := s.cfg.Conn.Client().Get(t.Context(), key).Result()
	if errors.Is(err, redis.Nil) {
		return "", 0
	}
	if err != nil {
		t.Fatal(err)
	}
	lasts, err = s.cfg.Conn.Client().PTTL(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	return user, lasts
}

// The presence key is there while its streamer is, and for three heartbeats at most after the last.
func TestRedisPresenceKey(t *testing.T) {
	s := openRedis(t, testserver.RedisPrefix(), "n1")
	within := func(when string, least, most time.Duration) {
		t.Helper()
		if user, lasts := onlineKey(t, s); user != alice.ID || lasts < least || lasts > most {
			t.Errorf("%s, the key says %q and lasts %s, want %s to %s", when, user, lasts, least, most)
		}
	}
	gone := func(when string) {
		t.Helper()
		if user, _ := onlineKey(t, s); user != "" {
			t.Errorf("%s, the key is still there", when)
		}
	}
	gone("at first")
	a := join(t, s, alice, "c1")
	within("once alice has joined", 149*time.Second, 150*time.Second)
	expire := func(d time.Duration) {
		t.Helper()
		key := s.parts[PartitionOf(studio)].base + "online:" + studio
		if err := s.cfg.Conn.Client().PExpire(t.Context(), key, d).Err(); err != nil {
			t.Fatal(err)
		}
	}
	expire(time.Minute)
	beat := func(h Hold) {
		t.Helper()
		if _, err := s.Beat(t.Context(), []Hold{h, {"nowhere", 7}}); err != nil {
			t.Fatal(err)
		}
	}
	beat(a.hold)
	within("after a beat", 149*time.Second, 150*time.Second)
	expire(time.Millisecond)
	eventually(t, "the key ends", func() bool { user, _ := onlineKey(t, s); return user == "" })
	beat(a.hold)
	within("after a beat that came too late", 149*time.Second, 150*time.Second)
	a.start(time.Minute)
	a.release(ReasonConnectionLost)
	gone("while alice is gone")
	beat(a.hold)
	gone("after a late beat of the lost connection")
	back := join(t, s, alice, "c2")
	within("once she is back", 149*time.Second, 150*time.Second)
	back.release(ReasonLeft)
	gone("once she has left")
}

// A restart of Redis forgets every script; a pipeline has no way back from that by itself.
func TestRedisForgetsScripts(t *testing.T) {
	s := openRedis(t, testserver.RedisPrefix(), "n1")
	a := join(t, s, alice, "c1")
	if err := s.cfg.Conn.Client().ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	before := lease(t, s).LastSeen
	time.Sleep(2 * time.Millisecond) // so that the next millisecond is another one
	if _, err := s.Beat(t.Context(), []Hold{a.hold}); err != nil {
		t.Fatal(err)
	}
	if seen := lease(t, s).LastSeen; seen <= before {
		t.Errorf("the beat was lost: last seen at %d, before at %d", seen, before)
	}
	if err := s.cfg.Conn.Client().ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	a.start(time.Minute)
}

// A sweeper that comes second must not move the clock on twice.
func TestSweepLag(t *testing.T) {
	for name, s := range map[string]Store{"Redis": openRedis(t, testserver.RedisPrefix(), "n1"), "memory": NewMemory()} {
		a := join(t, s, alice, "c1")
		a.start(time.Millisecond)
		sweep(t, s)
		a.release(ReasonConnectionLost)
		time.Sleep(10 * time.Millisecond)
		if n, err := s.Sweep(t.Context(), Due{PartitionOf(studio), time.Minute}); n != 0 || err != nil {
			t.Errorf("%s: a sweep right after another ended %d, %v", name, n, err)
		}
		if n := sweep(t, s); n != 1 {
			t.Errorf("%s: a sweep without lag ended %d, want 1", name, n)
		}
	}
}

// A partition that can't be swept does not keep its neighbours from it, and the error says which it is.
func TestSweepPastFailure(t *testing.T) {
	s := openRedis(t, testserver.RedisPrefix(), "n1")
	window := time.Millisecond
	a := join(t, s, alice, "c1")
	a.start(window)
	sweep(t, s)
	a.release(ReasonConnectionLost)
	broken := (PartitionOf(studio) + Partitions - 1) % Partitions
	if err := s.cfg.Conn.Client().Set(t.Context(), s.parts[broken].base+"deadlines", "no sorted set", 0).Err(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	n, err := s.Sweep(t.Context(), Due{Partition: broken}, Due{Partition: PartitionOf(studio)})
	if n != 1 || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("partition %d:", broken)) {
		t.Errorf("changed %d, %v, want 1 and what is wrong with partition %d", n, err, broken)
	}
	all := append(slices.Repeat([]Due{{Partition: broken}}, sweptTogether-1), everyPartition()...)
	if _, err := s.Sweep(t.Context(), all...); err == nil || strings.Count(err.Error(), "partition") != sweptTogether {
		t.Errorf("%v", err)
	}
}

// Redis lost its data while it was swept: what the partition was told before, it does not know any more.
func TestToldInAnotherEpoch(t *testing.T) {
	p := &redisPartition{told: make(map[string]bool)}
	p.begin("one")
	p.tell("one", []string{"n7~1"})
	if untold := p.untold([]string{"n7~1", "n8~1"}); !slices.Equal(untold, []string{"n8~1"}) {
		t.Errorf("%q are untold, want n8~1", untold)
	}
	p.begin("two")
	p.tell("one", []string{"n7~1"}) // the answer to a sweep from before
	if untold := p.untold([]string{"n7~1"}); len(untold) != 1 {
		t.Error("the new epoch is not told of a dead node")
	}
}

// However many leases are asked for, Redis gets one pipeline with a script for each partition at most.
func TestRedisGetAllCost(t *testing.T) {
	server := testserver.OwnRedis(t)
	conn, err := redisconn.Open(t.Context(), server.URL, "test", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := NewRedis(t.Context(), RedisConfig{Conn: conn, Node: "n1", Logger: quiet, Heartbeat: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	trips := &tripCounter{}
	conn.Client().AddHook(trips)
	var rooms []string
	for i := range 1000 {
		rooms = append(rooms, fmt.Sprint("room-", i))
	}
	cost := func(name string, rooms []string, pipelines, scripts int) {
		t.Helper()
		*trips = tripCounter{}
		if leases, err := s.GetAll(t.Context(), rooms); err != nil || len(leases) != len(rooms) {
			t.Fatalf("%s: %d leases, %v", name, len(leases), err)
		}
		if trips.pipelines != pipelines || trips.scripts != scripts || trips.others != 0 {
			t.Errorf("%s cost %+v, want %d pipelines with %d scripts", name, *trips, pipelines, scripts)
		}
	}
	if _, err := s.GetAll(t.Context(), rooms[:1]); err != nil { // from now on Redis has the script
		t.Fatal(err)
	}
	cost("a thousand rooms", rooms, 1, Partitions)
	cost("one room", rooms[:1], 1, 1)
	cost("one room, often", slices.Repeat(rooms[:1], 100), 1, 1)
	cost("no rooms", nil, 0, 0)
}

// tripCounter counts what goes to Redis.
type tripCounter struct{ pipelines, scripts, others int }

func (c *tripCounter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *tripCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.others++
		return next(ctx, cmd)
	}
}

func (c *tripCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.pipelines++
		for _, cmd := range cmds {
			if cmd.Name() == "evalsha" {
				c.scripts++
			} else {
				c.others++
			}
		}
		return next(ctx, cmds)
	}
}

// Redis away: nothing blocks for long, and every error says that the outcome is unknown.
func TestRedisAway(t *testing.T) {
	server := testserver.OwnRedis(t)
	conn, err := redisconn.Open(t.Context(), server.URL, testserver.RedisPrefix(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := NewRedis(t.Context(), RedisConfig{Conn: conn, Node: "n1", Logger: quiet, Heartbeat: time.Minute}, "suite")
	if err != nil {
		t.Fatal(err)
	}
	a := join(t, s, alice, "c1")
	server.Stop()
	ctx, p := t.Context(), PartitionOf(studio)
	for name, ask := range map[string]func() error{
		"claim":   func() error { _, err := claim(s, alice, "c2"); return err },
		"start":   func() error { _, err := s.Start(ctx, a.hold, Start{}); return err },
		"update":  func() error { _, err := s.Update(ctx, a.hold, Changes{}); return err },
		"end":     func() error { _, err := s.End(ctx, a.hold, ReasonLeft); return err },
		"release": func() error { return s.Release(ctx, a.hold, ReasonLeft) },
		"get":     func() error { _, err := s.Get(ctx, studio); return err },
		"get all": func() error { _, err := s.GetAll(ctx, []string{studio, "a", "b"}); return err },
		"beat":    func() error { _, err := s.Beat(ctx, []Hold{a.hold}); return err },
		"sweep":   func() error { _, err := s.Sweep(ctx, Due{Partition: p}); return err },
		"load":    func() error { _, _, err := s.Load(ctx, p); return err },
		"read":    func() error { _, err := s.Read(ctx, p, 0, 1); return err },
		"ack":     func() error { return s.Ack(ctx, "suite", p, 1) },
		"acked":   func() error { _, err := s.Acked(ctx, "suite", p); return err },
		"open": func() error {
			_, err := NewRedis(ctx, RedisConfig{Conn: conn, Node: "n2", Logger: quiet, Heartbeat: time.Minute}, "suite")
			return err
		},
	} {
		if err := ask(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// Redis loses everything: fences go on growing all the same, because they follow its clock.
func TestRedisFencesGrowOverAWipe(t *testing.T) {
	s := openRedis(t, testserver.RedisPrefix(), "n1")
	before := join(t, s, alice, "c1")
	base := s.parts[PartitionOf(studio)].base
	if err := s.cfg.Conn.Client().Del(t.Context(), base+"partition", base+"lease:"+studio, base+"held", base+"log").Err(); err != nil {
		t.Fatal(err)
	}
	if after := join(t, s, alice, "c2"); after.hold.Fence <= before.hold.Fence {
		t.Errorf("fence %d after the wipe, %d before", after.hold.Fence, before.hold.Fence)
	}
}

// Nobody swept, or Redis was away: that time does not count against a window.
func TestRedisFrozenWindow(t *testing.T) {
	s := openRedis(t, testserver.RedisPrefix(), "n1")
	a := join(t, s, alice, "c1")
	a.start(10 * time.Second)
	sweep(t, s)
	a.release(ReasonConnectionLost)
	away := func(d time.Duration) { // as if the last sweep had been so long ago
		t.Helper()
		key := s.parts[PartitionOf(studio)].base + "partition"
		if err := s.cfg.Conn.Client().HIncrBy(t.Context(), key, "swept", -d.Milliseconds()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // 3 s each, whatever the clock says
		away(time.Hour)
		if n := sweep(t, s); n != 0 {
			t.Fatalf("a sweep after an hour's pause ended %d", n)
		}
	}
	away(-time.Hour) // a clock that went back, in a failover
	if n := sweep(t, s); n != 0 {
		t.Fatalf("a sweep under a clock that went back ended %d", n)
	}
	away(2 * time.Second)
	if n := sweep(t, s); n != 1 {
		t.Fatal("after 11 s of sweeps, a window of 10 s has not ended")
	}
}
