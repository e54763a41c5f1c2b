package bench

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/usage"
)

// measured is a report of everything, from samples as they might be.
func measured() Report {
	r := &run{cfg: config(func(c *Config) { c.Pids, c.Streamers, c.Viewers = []int{7, 8}, 2, 9998 })}
	r.cast()
	report := r.newReport()
	self := report.Processes[2].Pid
	used := func(cpu time.Duration, mib int64) usage.Process {
		return usage.Process{Name: "tallylight", Resident: mib << 20, CPU: cpu, Files: int(mib)}
	}
	before := sample{7: used(time.Second, 30), 8: used(0, 10), self: used(0, 20)}
	after := sample{7: used(2*time.Second, 130), 8: used(100*time.Millisecond, 12), self: used(3*time.Second, 70)}

	r.tally.joined.Store(10_000)
	for i := range 100 {
		r.tally.connect.add(time.Duration(i+1) * time.Millisecond)
		r.tally.shard(i).latency.add(time.Duration(i+1) * 100 * time.Microsecond)
		r.tally.back.add(time.Duration(i+1) * 40 * time.Millisecond)
	}
	report.connected(&r.tally, 20*time.Second, before, after)
	report.idle(before, after, 30*time.Second, 10_000)
	report.hold(before, after, 10_000)
	r.tally.published.Store(100)
	r.tally.accepted.Store(100)
	report.published(&r.tally, 1_000_000, 20*time.Second, before, after)
	r.tally.returned.Store(9998)
	r.tally.resumed.Store(9990)
	report.returned(&r.tally, 9998, 4*time.Second, before, after)
	report.Churned = &Churned{Cut: 600, Back: 600, Recovered: 590}
	report.Stalled = &Stalled{Viewers: 3, Open: 1, Ended: map[string]int64{"4410": 2}}
	report.peaked(&peaks{7: 260 << 20, 8: 12 << 20, self: 77 << 20})
	r.tally.retries.add("503")
	r.tally.retries.add("503")
	r.tally.errors.add("rate_limited")
	r.finish(&report)
	return report
}

const table = `load                   ws://127.0.0.1:1: 1 room, 1 streamer, 1 moderator, 9,998 viewers
joined                 10,000 in 20.0 s, 500/s
  dial to joined       p50 50.3 ms, p90 90.2 ms, p99 99.6 ms, max 100 ms
published              100, of which 100 were accepted
delivered              1,000,000 in 20.0 s, 50,000/s
  publish to delivery  p50 5.05 ms, p90 9.04 ms, p99 9.96 ms, max 10.0 ms
cut off meanwhile      600; back with exactly what they had missed 590, with a snapshot 10
stopped reading        3; still connected 1, ended 2 × 4410
dropped at once        9,998; 9,998 were back within 4.0 s, 9,990 with exactly what they had missed
  drop to joined       p50 2,013 ms, p90 3,624 ms, p99 3,993 ms, max 4,000 ms
lost, repeated         0, 0
tried again after      2 × 503
error replies          1 × rate_limited

  resident KiB  and before    peak    CPU µs  µs/idle    µs per     µs per   open
   /connection        that   later  /connect   conn·s  delivery  reconnect  files  process
          10.2        13.3  × 2.00       100     3.33      1.00        100    130  tallylight 7
          0.20        1.23  × 1.00      10.0     0.33      0.10       10.0     12  tallylight 8
          10.4        14.5  × 1.92       110     3.67      1.10        110    142  together
          5.12        7.17  × 1.10       300     10.0      3.00        300     70  this bench
`

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := measured().Print(&out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != table {
		t.Errorf("got\n%s\nwant\n%s", got, table)
	}
}

func TestTableOfLittle(t *testing.T) {
	r := &run{cfg: config(nil)}
	r.cast()
	report := r.newReport()
	report.Interrupted, report.Lost = true, 1234
	var out strings.Builder
	if err := report.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"interrupted", "1,234, 0", "this bench"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "joined") || strings.Contains(out.String(), "published") {
		t.Errorf("it speaks of what was not measured:\n%s", out.String())
	}
}

// The names are for other programs: they may be added to, and not changed.
func TestNamesInJSON(t *testing.T) {
	data, err := json.Marshal(measured())
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	names := func(v any) string { return strings.Join(slices.Sorted(maps.Keys(v.(map[string]any))), " ") }
	for want, got := range map[string]any{
		"churn closes connect connect_retries errors idle interrupted lost moderators processes publish reconnect repeated rooms stall strayed streamers told_to_reconnect unasked_snapshots urls viewers": m,
		"failed joined joined_per_second seconds took":                        m["connect"],
		"max_ms p50_ms p90_ms p99_ms":                                         m["connect"].(map[string]any)["took"],
		"connections seconds":                                                 m["idle"],
		"accepted deliveries deliveries_per_second latency published seconds": m["publish"],
		"away back dropped recovered seconds":                                 m["reconnect"],
		"back cut recovered":                                                  m["churn"],
		"ended open viewers":                                                  m["stall"],
		"cpu_us_per_connect cpu_us_per_delivery cpu_us_per_idle_connection_second cpu_us_per_reconnect files files_before name peak_bytes pid resident_before_bytes resident_bytes resident_kib_per_connection total_kib_per_connection": m["processes"].([]any)[0],
	} {
		if names(got) != want {
			t.Errorf("got  %s\nwant %s", names(got), want)
		}
	}
}

func TestBroken(t *testing.T) {
	if err := measured().Broken(); err != nil {
		t.Errorf("all was well: %v", err)
	}
	for says, change := range map[string]func(*Report){
		"1,000 deliveries were lost":          func(r *Report) { r.Lost = 1000 },
		"2 deliveries came twice":             func(r *Report) { r.Repeated = 2 },
		"no snapshot announced":               func(r *Report) { r.Strayed = 1 },
		"3 connections could not be had":      func(r *Report) { r.Connect.Failed = 3 },
		"1 publications were not accepted":    func(r *Report) { r.Publish.Accepted-- },
		"1 viewers did not come back":         func(r *Report) { r.Reconnect.Back-- },
		"7 connections ended by themselves":   func(r *Report) { r.Closes = map[string]int64{"closed 4410": 3, "timeout": 4} },
		"1 deliveries were lost, 1 deliverie": func(r *Report) { r.Lost, r.Repeated = 1, 1 },
	} {
		r := measured()
		change(&r)
		if err := r.Broken(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
	for v, want := range map[float64]string{0: "0.00", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234.5: "1,235", -1234.5: "-1,235", -0.5: "-0.50"} {
		if got := short(v); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
}
