package rooms

import (
	"slices"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
)

// audienceKeys names what is kept of a broadcast in the studio.
func (n *redisNode) audienceKeys(broadcast string) (audience, distinct string) {
	base := n.relay.parts[presence.PartitionOf(studio)].base
	return base + "audience:" + broadcast, base + "distinct:" + broadcast
}

// account returns what a node has said of a broadcast, with the number of its report.
func (n *redisNode) account(t *testing.T, broadcast string) string {
	t.Helper()
	audience, _ := n.audienceKeys(broadcast)
	account, _ := n.relay.cfg.Conn.Client().HGet(t.Context(), audience, n.relay.cfg.Node).Result()
	return account
}

// What nodes have said is added up, and somebody who is on two of them is one user.
func TestRedisAudienceOfNodes(t *testing.T) {
	p := openPair(t)
	report(t, p.a.relay, watching("b1", 3, 0, time.Minute, "bob", "carol"))
	report(t, p.b.relay, watching("b1", 1, 0, time.Hour, "bob", "dave"))
	for _, n := range []*redisNode{p.a, p.b} {
		wantAudience(t, n.relay, "b1", time.Now().Add(time.Minute), 3, time.Hour+5*time.Minute, 4)
	}
}

// Who watched on a node that was killed did so until it was found dead, and no longer.
func TestRedisAudienceOfADeadNode(t *testing.T) {
	t.Parallel()
	prefix := testserver.RedisPrefix()
	sink, late := newSink(), newSink()
	a := openRedis(t, prefix, "n1", sink)
	report(t, a.relay, watching("b1", 1, 0, 0, "bob"))
	b := openRedis(t, prefix, "n2", late)
	late.wantOthers(t, map[string]int{studio: 1}) // said before it came
	begun := time.Now()
	report(t, b.relay, watching("b1", 10, time.Minute, time.Hour, "carol"))
	sink.wantOthers(t, map[string]int{studio: 10})
	killed(t, b, a)
	sink.wantOthers(t, map[string]int{})
	viewers := a.relay.parts[presence.PartitionOf(studio)].base + "viewers"
	eventually(t, "the dead node's numbers are cleared away", func() bool {
		return a.relay.cfg.Conn.Client().HLen(t.Context(), viewers).Val() == 1
	})
	const later = 10 * time.Hour
	lived := time.Since(begun) // but for the moment until this was seen
	wantAudience(t, a.relay, "b1", time.Now().Add(later), 2, time.Hour+10*(time.Minute+lived)+lived+later, 11)
	// It ended before that: then it counts until the end.
	wantAudience(t, a.relay, "b1", begun.Add(-30*time.Second), 2, time.Hour+5*time.Minute, 11)
}

// A node that was frozen was taken for dead. It knows better how long it was watched there, and that it still is.
func TestRedisAudienceAfterAFreeze(t *testing.T) {
	p := openPair(t)
	report(t, p.a.relay, watching("b1", 3, 0, time.Minute, "bob"))
	p.b.relay.counts.clear(t.Context(), "n1")
	wantAudience(t, p.b.relay, "b1", time.Now().Add(time.Hour), 1, time.Minute, 3)
	eventually(t, "n1 is to say it again", func() bool {
		p.sinkA.mu.Lock()
		defer p.sinkA.mu.Unlock()
		return slices.Contains(p.sinkA.repeats, studio)
	})
	report(t, p.a.relay, watching("b1", 3, 20*time.Second, time.Minute, "bob"))
	wantAudience(t, p.b.relay, "b1", time.Now().Add(time.Hour), 1, 2*time.Minute+3*time.Hour, 3)
}

// Redis carries out a report late that the node had given up: what was said since stands.
func TestRedisAudienceLateReport(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	report(t, n.relay, watching("b1", 3, 0, 0, "bob"))
	report(t, n.relay, watching("b1", 1, 0, time.Minute))
	n.relay.counts.mu.Lock()
	n.relay.counts.reports = 0
	n.relay.counts.mu.Unlock()
	report(t, n.relay, watching("b1", 3, 0, 0, "bob"))
	wantAudience(t, n.relay, "b1", time.Now().Add(time.Minute), 1, 2*time.Minute, 1)
	viewers := n.relay.parts[presence.PartitionOf(studio)].base + "viewers"
	if got := n.relay.cfg.Conn.Client().HGet(t.Context(), viewers, "n1 "+studio).Val(); got != "1 b1" {
		t.Errorf("the viewers are %q", got)
	}
}

// What has not changed is not written: that time passes is no change. Nor is it one that nobody watches any longer what
// nobody watched before.
func TestRedisWritesNoAudienceTwice(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	report(t, n.relay, watching("b1", 3, 10*time.Second, 0, "bob"))
	written := n.account(t, "b1")
	writes := func() int64 {
		n.relay.counts.mu.Lock()
		defer n.relay.counts.mu.Unlock()
		return n.relay.counts.reports
	}
	before := writes()
	report(t, n.relay, watching("b1", 3, 0, 30*time.Second))
	if now := n.account(t, "b1"); now != written || writes() != before {
		t.Errorf("nothing was new, and %q became %q in %d writes", written, now, writes()-before)
	}
	racing := watching("b1", 3, 0, 0)
	racing.Watching = 4 // somebody came after the viewers were counted, and is gone by the next time
	for i, news := range []Attendance{racing, watching("b1", 3, 0, 0), watching("b1", 3, 0, 0, "carol"), watching("b1", 2, 0, 0), watching("b2", 2, 0, 0), watching("b2", 0, 0, 0)} {
		report(t, n.relay, news)
		if want := before + int64(i) + 1; writes() != want {
			t.Errorf("%d writes after %+v, want %d", writes(), news, want)
		}
	}
	before = writes()
	report(t, n.relay, Attendance{Room: studio})
	if writes() != before || len(n.relay.counts.reported) != 0 {
		t.Errorf("forgetting a broadcast that nobody watches took %d writes, and left %v", writes()-before, n.relay.counts.reported)
	}
}

// What is kept of an audience ends by itself, and soon when it was asked for; a node that reports the end later leaves it
// at that.
func TestRedisAudienceEnds(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	audience, distinct := n.audienceKeys("b1")
	lasts := func(least, most time.Duration) {
		t.Helper()
		for _, key := range []string{audience, distinct} {
			if d := n.relay.cfg.Conn.Client().PTTL(t.Context(), key).Val(); d < least || d > most {
				t.Errorf("%s lasts %s, want %s", key, d, most)
			}
		}
	}
	report(t, n.relay, watching("b1", 3, 0, 0, "bob"))
	lasts(audienceKept-time.Minute, audienceKept)
	audienceOf(t, n.relay, "b1", time.Now())
	lasts(audienceAsked-time.Minute, audienceAsked)
	over := watching("b1", 3, 0, 0)
	over.Over = true
	report(t, n.relay, over)
	lasts(audienceAsked-time.Minute, audienceAsked)
	wantAudience(t, n.relay, "b1", time.Now().Add(time.Minute), 1, 3*time.Minute, 3) // and can be asked for again
}

// studioOn is a hub over Redis, with alice on air. Nothing happens once a second.
func studioOn(t *testing.T, server *testserver.RedisServer) (*house, *redisNode, string) {
	t.Helper()
	conn, err := redisconn.Open(t.Context(), server.URL, "test", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h := open(t)
	n := openConn(t, conn, "n1", h.hub)
	h.hub.cfg.Relay, h.hub.cfg.Store = n.relay, n.store
	return h, n, h.streamer(alice, "n1-a").start().ID
}

// Redis lost everything: what living nodes know comes back, and so does everybody who is there, even where nobody is left
// and so nothing stands among the viewers.
func TestRedisAudienceIsRepeated(t *testing.T) {
	t.Parallel()
	server := testserver.OwnRedis(t)
	h, n, broadcast := studioOn(t, server)
	tell := func() { h.hub.tellAllViewers(t.Context(), time.Now()) }
	b := h.viewer(bob, "n1-b")
	h.viewer(carol, "n1-c")
	eventually(t, "both were told of", func() bool { tell(); return audienceOf(t, n.relay, broadcast, time.Now()).Unique == 2 })
	b.leave(presence.ReasonLeft)
	server.Stop()
	server.Start() // empty
	eventually(t, "what is still known is there again", func() bool {
		tell()
		a, err := n.relay.Audience(t.Context(), studio, broadcast, presence.MillisOf(time.Now()))
		return err == nil && a.Unique == 1 && a.Watched > 0
	})

	h.hub.find(studio).member("n1-c").session.(*client).leave(presence.ReasonLeft)
	tell()
	known := audienceOf(t, n.relay, broadcast, time.Now())
	if err := n.relay.cfg.Conn.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	n.relay.Resync(presence.PartitionOf(studio)) // as presence says once it has put back what it knows
	eventually(t, "what was watched is there again", func() bool {
		tell()
		return audienceOf(t, n.relay, broadcast, time.Now().Add(time.Hour)).Watched == known.Watched
	})
}

// What can't be read, which nobody of us wrote, must not keep what can be from being recorded.
func TestRedisAudienceUnreadable(t *testing.T) {
	n := openRedis(t, testserver.RedisPrefix(), "n1", nil)
	report(t, n.relay, watching("b1", 3, 0, time.Minute, "bob"))
	audience, _ := n.audienceKeys("b1")
	for node, account := range map[string]string{"n2": "", "n3": "1 2 3 0", "n4": "many 1 2 0 4"} {
		if err := n.relay.cfg.Conn.Client().HSet(t.Context(), audience, node, account).Err(); err != nil {
			t.Fatal(err)
		}
	}
	wantAudience(t, n.relay, "b1", time.Now(), 1, time.Minute, 3)
}
