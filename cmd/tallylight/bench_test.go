package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/bench"
)

func TestBenchMistakes(t *testing.T) {
	for args, says := range map[string]string{
		"":                                "--jwt-secret",
		"--jwt-secret short":              "--jwt-secret",
		"--url localhost":                 "--url",
		"--viewers=-1":                    "--viewers",
		"--viewers many":                  "--viewers",
		"--viewers 100000000":             "ulimit",
		"--rooms 0":                       "--rooms",
		"--source here":                   "--source",
		"--settle 20":                     "--settle",
		"--size 9000":                     "--size",
		"--pid 2147483647":                "--pid",
		"--reconnect --viewers 0":         "--reconnect",
		"--connect-rate=-1":               "--connect-rate",
		"--rate=-1":                       "--rate",
		"--stall 101":                     "--stall",
		"--churn=-1":                      "--churn",
		"--churn 1 --away 0s":             "--away",
		"--streamers=-1":                  "--streamers",
		"--streamers 0 --viewers 0":       "--viewers",
		"--url ws://h --url ftp://localh": "ftp://localh",
	} {
		args := strings.Fields(args)
		if len(args) > 0 && args[0] != "--jwt-secret" {
			args = append(args, "--jwt-secret", testSecret)
		}
		code, out, errOut := run(append([]string{"bench"}, args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, says) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("bench %.60q: exit code %d, %q, %q, want 2 and one line that names %s", args, code, out, errOut, says)
		}
		if strings.Contains(errOut, testSecret) {
			t.Errorf("bench %.60q: the error shows the secret", args)
		}
	}
	code, out, errOut := run("bench", "--jwt-secret", testSecret, "--url", "ws://127.0.0.1:1")
	if code != exitFailure || out != "" || !strings.Contains(errOut, "--url ws://127.0.0.1:1") {
		t.Errorf("nobody listens: exit code %d, %q, %q", code, out, errOut)
	}
}

// A node holds what it promises: nothing is lost, nothing comes twice, and whoever was dropped gets what was missed.
func TestBenchAgainstANode(t *testing.T) {
	p := start(t)
	args := []string{
		"bench", "--url", "ws://" + p.addr, "--jwt-secret", testSecret, "--streamers", "3", "--viewers", "60", "--rooms", "3", "--connect-rate", "0",
		"--settle", "10ms", "--idle", "50ms", "--rate", "50", "--for", "1s", "--reconnect", "--json",
	}
	if runtime.GOOS == "linux" {
		args = append(args, "--pid", fmt.Sprint(p.cmd.Process.Pid))
	}
	code, out, errOut := run(args...)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	var got bench.Report
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Lost != 0 || got.Repeated != 0 || got.Strayed != 0 || got.Snapshots != 0 || len(got.Closes) != 0 || len(got.Errors) != 0 || len(got.Retries) != 0 {
		t.Errorf("something went wrong: %s", out)
	}
	const members = 3 * (20 + 2) // in each room viewers, a streamer, and a moderator because 50 a second are more than 40
	if got.Connect.Joined != members || got.Publish.Accepted != 150 || got.Publish.Deliveries != 50*members {
		t.Errorf("%d joined, %d of 150 were accepted, %d of %d delivered", got.Connect.Joined, got.Publish.Accepted, got.Publish.Deliveries, 50*members)
	}
	if r := got.Reconnect; r.Dropped != 60 || r.Back != 60 || r.Recovered != 60 {
		t.Errorf("of 60 dropped %d were back, %d with what they had missed", r.Back, r.Recovered)
	}
	if runtime.GOOS == "linux" {
		if node := got.Processes[0]; node.Pid != p.cmd.Process.Pid || node.Name != "tallylight" || node.Connect == nil || node.Delivery == nil || node.Files < members {
			t.Errorf("the node's process is %+v", node)
		}
	}
	for _, phase := range []string{"connect: 66 of 66", "publish: 1s of 1s", "reconnect: 60 of 60"} {
		if !strings.Contains(errOut, phase) {
			t.Errorf("progress lacks %q:\n%s", phase, errOut)
		}
	}
	p.eventually("no broadcast is left running", 10*time.Second, func() bool {
		_, list := p.get("/v1/live", token(t, "admin", admin))
		return strings.Contains(list, `"total":0`)
	})
}

// Viewers who are cut off at random lose nothing, and those who stop reading are nobody else's trouble.
func TestBenchWithTrouble(t *testing.T) {
	p := start(t)
	code, out, errOut := run(
		"bench", "--url", "ws://"+p.addr, "--jwt-secret", testSecret, "--viewers", "40", "--connect-rate", "0",
		"--rate", "20", "--for", "3s", "--churn", "20", "--away", "1s", "--stall", "2", "--json",
	)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	var got bench.Report
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Lost != 0 || got.Repeated != 0 || got.Strayed != 0 || len(got.Closes) != 0 || len(got.Errors) != 0 {
		t.Errorf("something went wrong: %s", out)
	}
	if c := got.Churned; c == nil || c.Cut < 20 || c.Recovered != c.Cut || c.Back != c.Cut {
		t.Errorf("cut off: %+v", c)
	}
	if s := got.Stalled; s == nil || s.Viewers != 2 {
		t.Errorf("stopped reading: %+v", s)
	}
	if n := got.Publish.Deliveries; n > 60*39 || n < 60*20 { // all but those who do not read; and what is away gets it later, as missed
		t.Errorf("%d were delivered", n)
	}
}

// Ctrl-C ends it in order, and what was measured is printed.
func TestInterruptedBench(t *testing.T) {
	node := start(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, exited: make(chan struct{})}
	p.cmd = exec.Command(path, "bench", "--url", "ws://"+node.addr, "--jwt-secret", "@"+secret, "--viewers", "20", "--rate", "40", "--for", "1h")
	stdout, _ := p.cmd.StdoutPipe()
	stderr, _ := p.cmd.StderrPipe()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 1)
	var reading sync.WaitGroup
	reading.Go(func() { p.out.follow(stdout, func(string) {}) })
	reading.Go(func() {
		p.err.follow(stderr, func(line string) {
			if strings.HasPrefix(line, "connect: 21 of 21 after") {
				connected <- struct{}{}
			}
		})
	})
	go func() { reading.Wait(); _ = p.cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	select {
	case <-connected:
	case <-time.After(30 * time.Second):
		t.Fatalf("nobody is connected: %s", p.err.String())
	}
	p.signal(os.Interrupt)
	p.wantExit(exitOK, 20*time.Second)
	for _, want := range []string{"interrupted", "joined ", "21 in", "lost, repeated"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("%q is not in\n%s", want, p.out.String())
		}
	}
}

func TestBenchProgress(t *testing.T) {
	phases := []bench.Progress{
		{Phase: "connect", Total: 200},
		{Phase: "connect", Done: 40, Total: 200, Elapsed: lineEvery / 2},
		{Phase: "connect", Done: 100, Total: 200, Elapsed: lineEvery},
		{Phase: "connect", Done: 200, Total: 200, Elapsed: 12 * time.Second, Over: true},
		{Phase: "idle", Done: 15_000, Total: 30_000, Timed: true, Elapsed: 15 * time.Second},
	}
	var lines, bars strings.Builder
	plain, bar := newProgress(&lines), &progress{out: &bars, bar: true}
	for _, p := range phases {
		plain.tell(p)
		bar.tell(p)
	}
	plain.end()
	bar.end()
	if got, want := lines.String(), "connect: 100 of 200\nconnect: 200 of 200 after 12s\nidle: 15s of 30s\n"; got != want {
		t.Errorf("lines are\n%s\nwant\n%s", got, want)
	}
	const want = "\rconnect    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 200\x1b[K" +
		"\rconnect    ██████░░░░░░░░░░░░░░░░░░░░░░░░ 40 of 200\x1b[K" +
		"\rconnect    ███████████████░░░░░░░░░░░░░░░ 100 of 200\x1b[K" +
		"\rconnect    ██████████████████████████████ 200 of 200\x1b[K\n" +
		"\ridle       ███████████████░░░░░░░░░░░░░░░ 15s of 30s\x1b[K\n"
	if got := bars.String(); got != want {
		t.Errorf("bars are\n%q\nwant\n%q", got, want)
	}
}
