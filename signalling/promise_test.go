package signalling

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// The tests in this file are the promise about presence, row by row, as far as
// one node can keep it: what everybody in the room is told, and within which
// time.

const atOnce = 250 * time.Millisecond

func TestPromiseStartAndEnd(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		if j := bob.join(auth.RoleViewer); j.Streamer.State != presence.StateOffline {
			t.Errorf("before alice comes, her state is %s", j.Streamer.State)
		}
		b := alice.golive()
		started := bob.wait("live.started", atOnce)
		if started.Broadcast.ID != b.ID || started.Broadcast.Title != "Sketches" || started.Broadcast.Version != 1 {
			t.Errorf("started %+v, alice's broadcast is %+v", started.Broadcast, b)
		}
		if err := alice.End(context.Background(), "alice"); err != nil {
			t.Fatal(err)
		}
		ended := bob.wait("live.ended", atOnce)
		if ended.Broadcast.ID != b.ID || ended.Reason != presence.ReasonEndedByStreamer {
			t.Errorf("ended %+v", ended)
		}
		bob.wantEvents("streamer.online", "live.started 1", "live.ended 2 ended_by_streamer")
	})
}

func TestPromiseCloseOpensTheWindow(t *testing.T) {
	for name, away := range map[string]func(*actor){
		"closed with 1000":          func(a *actor) { _ = a.Close() },
		"closed with 1001":          func(a *actor) { _ = a.conn.Close(websocket.StatusGoingAway, "") },
		"reset":                     func(a *actor) { a.Abort() },
		"closed for not being text": func(a *actor) { _ = a.conn.Write(context.Background(), websocket.MessageBinary, []byte{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			onNode(t, nil, func(t *testing.T, n *node) {
				alice, bob := n.connect("alice"), n.connect("bob")
				bob.join(auth.RoleViewer)
				b := alice.golive()
				lost := time.Now()
				away(alice)
				told := bob.wait("live.reconnecting", atOnce)
				if told.Broadcast.ID != b.ID || told.Reason != presence.ReasonConnectionLost {
					t.Errorf("told %+v", told)
				}
				if d := told.Until.Time().Sub(lost); d < 14*time.Second || d > 16*time.Second {
					t.Errorf("the window ends after %s, want 15 s", d)
				}
			})
		})
	}
}

func TestPromiseResume(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice, bob := n.connect("alice"), n.connect("bob")
		bob.join(auth.RoleViewer)
		b := alice.golive()
		alice.Abort()
		bob.wait("live.reconnecting", atOnce)
		time.Sleep(14 * time.Second)
		back := n.connect("alice")
		j := back.join(auth.RoleStreamer)
		if j.Streamer.State != presence.StateLive || j.Streamer.Broadcast.ID != b.ID {
			t.Errorf("back in the window, alice joins to %+v", j.Streamer)
		}
		if resumed := bob.wait("live.resumed", atOnce); resumed.Broadcast.ID != b.ID {
			t.Errorf("resumed %+v, want %s", resumed.Broadcast, b.ID)
		}
		time.Sleep(time.Minute) // and the old window does not end it after all
		bob.wantEvents("streamer.online", "live.started 1", "live.reconnecting 2 connection_lost", "live.resumed 3")
	})
}

func TestPromiseTakeover(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		old, bob := n.connect("alice"), n.connect("bob")
		bob.join(auth.RoleViewer)
		b := old.golive()
		young := n.connect("alice")
		if j := young.join(auth.RoleStreamer); j.Streamer.State != presence.StateLive || j.Streamer.Broadcast.ID != b.ID {
			t.Errorf("taking over, alice joins to %+v", j.Streamer)
		}
		old.wantClosed(4409, atOnce)
		if err := young.End(context.Background(), "alice"); err != nil {
			t.Errorf("the newer connection can't end the broadcast: %v", err)
		}
		time.Sleep(time.Minute) // the old socket's cleanup comes late, and changes nothing
		bob.wantEvents("streamer.online", "live.started 1", "live.ended 2 ended_by_streamer")
		young.wantOpen()
	})
}

func TestPromiseNotBack(t *testing.T) {
	for name, window := range map[string]int64{"default window": -1, "5 s": 5000, "none": 0} {
		t.Run(name, func(t *testing.T) {
			onNode(t, nil, func(t *testing.T, n *node) {
				alice, bob := n.connect("alice"), n.connect("bob")
				bob.join(auth.RoleViewer)
				alice.join(auth.RoleStreamer)
				start, want := LiveStart{Room: "alice"}, presence.DefaultWindow
				if window >= 0 {
					start.WindowMS, want = &window, time.Duration(window)*time.Millisecond
				}
				if _, err := alice.Start(context.Background(), start); err != nil {
					t.Fatal(err)
				}
				lost := time.Now()
				alice.Abort()
				ended := bob.wait("live.ended", want+time.Second)
				if took := ended.when.Sub(lost); took < want {
					t.Errorf("ended after %s, inside the window of %s", took, want)
				}
				if window == 0 {
					bob.wantEvents("streamer.online", "live.started 1", "live.ended 2 connection_lost", "streamer.offline")
				} else {
					bob.wantEvents("streamer.online", "live.started 1", "live.reconnecting 2 connection_lost", "live.ended 3 connection_lost", "streamer.offline")
				}
			})
		})
	}
}

// The network goes without a word: no FIN, no RST. Losses at many moments
// between two pings, because the worst one is what is promised.
func TestPromiseSilentLoss(t *testing.T) {
	for phase := time.Duration(0); phase < DefaultPing; phase += 1700 * time.Millisecond {
		onNode(t, nil, func(t *testing.T, n *node) {
			alice, bob := n.connect("alice"), n.connect("bob")
			bob.join(auth.RoleViewer)
			alice.golive()
			time.Sleep(time.Minute + phase) // over some pings, to one moment between two
			bob.wantEvents("streamer.online", "live.started 1")
			lost := time.Now()
			alice.cable.Cut()
			told := bob.wait("live.reconnecting", 35*time.Second)
			t.Logf("loss at phase %s was told after %s", phase, told.when.Sub(lost))
		})
	}
}

// The app hangs, but its sockets still answer pings.
func TestPromiseFrozenApp(t *testing.T) {
	onNode(t, nil, func(t *testing.T, n *node) {
		alice := n.connect("alice", func(c *ClientConfig) { c.Silent = true })
		bob := n.connect("bob", func(c *ClientConfig) { c.Silent = true })
		bob.join(auth.RoleViewer)
		alice.golive()
		frozen := time.Now()
		told := bob.wait("live.reconnecting", 130*time.Second)
		if took := told.when.Sub(frozen); took < 125*time.Second {
			t.Errorf("given up after %s; two throttled beats take 120 s", took)
		}
		alice.wantClosed(4408, atOnce)
		time.Sleep(time.Hour)
		bob.wantOpen() // a viewer needs to send nothing
	})
}

// Whoever fell silent may not know it: a client notices a silent network after up to 25 s. So the window is that long at
// least, whatever the broadcast named.
func TestPromiseSilenceLeavesTimeToComeBack(t *testing.T) {
	for name, fallSilent := range map[string]func(*actor){
		"the network is gone": func(a *actor) { a.cable.Cut() },
		"the app is frozen":   func(*actor) {}, // it answers pings, and says nothing
	} {
		t.Run(name, func(t *testing.T) {
			onNode(t, nil, func(t *testing.T, n *node) {
				alice, bob := n.connect("alice", func(c *ClientConfig) { c.Silent = true }), n.connect("bob")
				bob.join(auth.RoleViewer)
				alice.join(auth.RoleStreamer)
				window := time.Second.Milliseconds()
				if _, err := alice.Start(context.Background(), LiveStart{Room: "alice", WindowMS: &window}); err != nil {
					t.Fatal(err)
				}
				fallSilent(alice)
				told := bob.wait("live.reconnecting", 130*time.Second)
				if d := told.Until.Time().Sub(told.when); d < 24*time.Second || d > 26*time.Second {
					t.Errorf("the window ends after %s, want 25 s", d)
				}
				back := n.connect("alice")
				time.Sleep(20 * time.Second)
				if j := back.join(auth.RoleStreamer); j.Streamer.State != presence.StateLive {
					t.Errorf("back within 25 s, alice joins to %+v", j.Streamer)
				}
			})
		})
	}
}

// A streamer whose heartbeats come, and a viewer whose pongs do, stay for ever.
func TestPromiseNobodyIsCutForNothing(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"with pings":    nil,
		"without pings": func(c *Config) { c.Ping = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			onNode(t, change, func(t *testing.T, n *node) {
				alice, bob := n.connect("alice"), n.connect("bob")
				bob.join(auth.RoleViewer)
				alice.golive()
				time.Sleep(3 * time.Hour)
				bob.wantEvents("streamer.online", "live.started 1")
				alice.wantOpen()
				bob.wantOpen()
			})
		})
	}
}

// A process that was frozen must not blame its peers for its own silence.
func TestPromiseFrozenNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wheel{every: time.Second}
		ctx, stop := context.WithCancel(context.Background())
		ticks := make(chan time.Duration)
		go w.run(ctx, func(now time.Duration) { ticks <- now })
		first := <-ticks
		time.Sleep(40 * time.Second) // the tick is stuck: so is the wheel
		second, third := <-ticks, <-ticks
		stop()
		if d := second - first; d > 2*w.every {
			t.Errorf("40 s of freeze moved the wheel by %s", d)
		}
		if d := third - second; d > 2*w.every {
			t.Errorf("and the tick after by %s", d)
		}
	})
}
