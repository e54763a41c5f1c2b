package bench

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tallylight/tallylight/internal/bare"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Against a server that is known to be right, everything is delivered, everybody comes back, and nothing is complained of.
func TestBenchAgainstBareServers(t *testing.T) {
	for name, handler := range map[string]*bare.Server{"slim": {}, "plain": {Plain: true}} {
		t.Run(name, func(t *testing.T) {
			one, two := httptest.NewServer(handler), httptest.NewServer(handler)
			defer two.Close()
			defer one.Close()
			var phases []string
			report := bench(t, config(func(c *Config) {
				c.URLs, c.Streamers, c.Viewers, c.Rooms = []string{one.URL, two.URL}, 4, 60, 3
				c.Rate, c.For, c.Settle, c.Idle, c.Reconnect = 50, time.Second, 20*time.Millisecond, 20*time.Millisecond, true
				c.Progress = func(p Progress) {
					if p.Over {
						phases = append(phases, p.Phase)
					}
					if p.Over && p.Phase == "connect" && (p.Done != 66 || p.Total != 66) {
						t.Errorf("the connect phase ended with %d of %d", p.Done, p.Total)
					}
				}
			}))
			if err := report.Broken(); err != nil {
				t.Errorf("broken: %v", err)
			}
			if got := strings.Join(phases, " "); got != "connect settle idle publish reconnect" {
				t.Errorf("phases were %s", got)
			}
			// 22 members of each room: a streamer, a moderator for more than 40 a second, and 20 viewers.
			if p := report.Publish; p.Published != 150 || p.Accepted != 150 || p.Deliveries != 150*22 {
				t.Errorf("got %+v, want 150 published and %d delivered", p, 150*22)
			}
			if r := report.Reconnect; r.Dropped != 60 || r.Back != 60 {
				t.Errorf("got %+v, want all 60 back", r)
			}
			if c := report.Connect; c.Joined != 66 || c.Took.P50 <= 0 || c.Took.Max < c.Took.P99 {
				t.Errorf("got %+v", c)
			}
			if l := report.Publish.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
				t.Errorf("latency is %+v", l)
			}
		})
	}
}

// bench runs one to its end.
func bench(t *testing.T, cfg Config) Report {
	t.Helper()
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestInterruptedBenchReportsWhatItHas(t *testing.T) {
	server := httptest.NewServer(&bare.Server{})
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	report, err := Run(ctx, config(func(c *Config) {
		c.URLs, c.For, c.Rate = []string{server.URL}, time.Hour, 100
		c.Progress = func(p Progress) {
			if p.Phase == "publish" && p.Elapsed > 300*time.Millisecond {
				cancel()
			}
		}
	}))
	if err != nil || !report.Interrupted {
		t.Errorf("got %v, interrupted %t", err, report.Interrupted)
	}
	if report.Publish == nil || report.Publish.Deliveries == 0 || report.Broken() != nil {
		t.Errorf("published: %+v; broken: %v", report.Publish, report.Broken())
	}
}
