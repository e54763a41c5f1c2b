package rooms

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
)

// hubOn is a node whose hub is over Redis, with the hub running.
func hubOn(t *testing.T, url, prefix, node string) *house {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), url, prefix, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h := open(t, func(c *Config) { c.Node = node })
	n := openConn(t, conn, node, h.hub)
	h.hub.cfg.Relay, h.hub.cfg.Store = n.relay, n.store
	ctx, cancel := context.WithCancel(context.Background())
	var hub sync.WaitGroup
	hub.Go(func() { h.hub.Run(ctx) })
	t.Cleanup(func() { cancel(); hub.Wait() })
	return h
}

// heardOf collects what a client is told of reactions.
type heardOf struct {
	c     *client
	all   []map[string]int
	first time.Time
	last  time.Time
}

func (o *heardOf) sum() map[string]int {
	told, when := o.c.reactions()
	if len(told) > 0 {
		if o.first.IsZero() {
			o.first = when[0]
		}
		o.last = when[len(when)-1]
	}
	o.all = append(o.all, told...)
	return sum(o.all)
}

// Members of all nodes are told the same sums, exactly, and once a second.
func TestRedisReactionsOfNodes(t *testing.T) {
	t.Parallel()
	prefix := testserver.RedisPrefix()
	nodes := []*house{hubOn(t, testserver.Redis(t), prefix, "n1"), hubOn(t, testserver.Redis(t), prefix, "n2")}
	var told []*heardOf
	for i, h := range nodes {
		for n := range 3 {
			told = append(told, &heardOf{c: h.viewer(bob, fmt.Sprintf("n%d-%d", i+1, n))})
		}
	}
	var reacting sync.WaitGroup
	const each = 1250
	for i, h := range nodes {
		for range 4 {
			reacting.Go(func() {
				for n := range each {
					h.reacts([]string{"heart", "wow", fmt.Sprint("n", i)}[n%3], 1)
					if n%25 == 0 {
						time.Sleep(20 * time.Millisecond) // so that it takes more than a second
					}
				}
			})
		}
	}
	reacting.Wait()
	want := map[string]int{"heart": 8 * 417, "wow": 8 * 417, "n0": 4 * 416, "n1": 4 * 416}
	for _, o := range told {
		eventually(t, o.c.id+" was told of all reactions", func() bool { return maps.Equal(o.sum(), want) })
		if most := int(o.last.Sub(o.first).Seconds()+0.5) + 1; len(o.all) > most {
			t.Errorf("%s was told %d times in %s", o.c.id, len(o.all), o.last.Sub(o.first))
		}
	}
	time.Sleep(2 * reactionsEvery)
	for _, o := range told {
		if got := o.sum(); !maps.Equal(got, want) {
			t.Errorf("%s was told of %v after all, want %v", o.c.id, got, want)
		}
	}
}

// While Redis is away, reactions are dropped and members keep their connections; later ones are told again.
func TestRedisReactionsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t)
	h, _, _ := studioOn(t, server)
	o := &heardOf{c: h.viewer(bob, "n1-b")}
	told := func(kind string) func() bool {
		return func() bool {
			h.reacts(kind, 1)
			h.hub.publishReactions(t.Context())
			h.hub.tellReactions()
			return o.sum()[kind] > 0
		}
	}
	eventually(t, "a reaction is told", told("before"))
	server.Stop()
	h.reacts("lost", 1000)
	begun := time.Now()
	h.hub.publishReactions(t.Context())
	if took := time.Since(begun); took > reactionsEvery {
		t.Errorf("it took %s to drop them", took)
	}
	server.Start()
	eventually(t, "a later one is told", told("after"))
	if got := o.sum(); got["lost"] != 0 {
		t.Errorf("told of %v", got)
	}
	o.c.wantCut()
}

// What can't be read is passed over, and what follows it is heard.
func TestRedisReactionsUnreadable(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	b := n.relay.sink.(*basin)
	e := subscribe(t, n.relay, studio)
	for _, payload := range []string{"reactions", "reactions\n", "reactions\n[1]", "reactions\n{\"heart\":\"many\"}"} {
		if err := n.relay.cfg.Conn.Client().SPublish(t.Context(), n.relay.sayChannel(studio), payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	heart := Reactions{studio, map[string]int{"heart": 1}}
	react(t, n.relay, heart)
	b.wantReacted(t, heart)
	publish(t, n.relay, chat("one"))
	e.heard(1)
}
