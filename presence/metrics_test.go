package presence

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestDirectoryMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		d := watching(t, s)
		a := join(t, s, alice, "c1")
		a.start(time.Minute)
		a.release(ReasonConnectionLost)
		joinRoom(t, s, bob, "attic", "c2")
		synctest.Wait()
		want := `
			# HELP tallylight_streamers Rooms whose streamer is there, over all nodes, by state.
			# TYPE tallylight_streamers gauge
			tallylight_streamers{state="live"} 0
			tallylight_streamers{state="online"} 1
			tallylight_streamers{state="reconnecting"} 1
			# HELP tallylight_transitions_total Transitions that this node was told of, by kind.
			# TYPE tallylight_transitions_total counter
			tallylight_transitions_total{kind="live.reconnecting"} 1
			tallylight_transitions_total{kind="live.started"} 1
			tallylight_transitions_total{kind="streamer.online"} 2
			# HELP tallylight_directory_stale 1 while what this node knows of who is live may be old.
			# TYPE tallylight_directory_stale gauge
			tallylight_directory_stale 0
		`
		if err := testutil.CollectAndCompare(d, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}
