package deploy_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
)

// TestComposeRuns runs what docker-compose.yml would, without containers: the program as the Dockerfile builds it, as
// two nodes with the command lines and settings of theirs, on a Redis and a PostgreSQL, behind nginx, with coturn beside. What is replaced
// are addresses and secrets.
func TestComposeRuns(t *testing.T) {
	c := readCompose(t)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	secret, shared := rand.Text()+rand.Text(), rand.Text()
	coturn := shippedCoturn(t, c, shared)
	replaced := map[string]string{
		"redis":                  testserver.OwnRedis(t).URL,
		"TALLYLIGHT_DATABASE":    testserver.Postgres(t),
		"TALLYLIGHT_JWT_SECRET":  secret,
		"TALLYLIGHT_TURN_SECRET": shared,
		"TALLYLIGHT_TURN_URL":    coturn.URL,
		"TALLYLIGHT_STUN_URL":    strings.NewReplacer("turn:", "stun:", "?transport=udp", "").Replace(coturn.URL),
	}
	var nodes []string
	var running []*container
	for _, name := range c.nodes() {
		replaced["listen"] = fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
		nodes = append(nodes, replaced["listen"])
		running = append(running, run(t, path, c.Services[name], replaced))
	}
	for i, node := range nodes {
		running[i].waitReady("http://" + node + "/readyz")
		wantRelay(t, node, secret, coturn)
	}

	addr := front(t, nodes...)
	for range tries {
		if response := ask(t, "GET", "http://"+addr+"/v1/live"); response.StatusCode != http.StatusOK {
			t.Fatalf("GET /v1/live: %s", response.Status)
		}
	}
	running[0].stop()
	for range tries {
		if response := ask(t, "GET", "http://"+addr+"/readyz"); response.StatusCode != http.StatusOK {
			t.Fatalf("GET /readyz after one node ended: %s", response.Status)
		}
	}
	running[1].stop()
}

// container is a node that runs as in a container.
type container struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  bytes.Buffer // until exited is closed it belongs to the process
	ended chan struct{}
	grace time.Duration
}

func run(t *testing.T, program string, s service, replaced map[string]string) *container {
	t.Helper()
	c := &container{t: t, ended: make(chan struct{}), grace: s.StopGracePeriod}
	var args []string
	for _, arg := range s.Command {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if value, ok := replaced[name]; ok {
			arg = "--" + name + "=" + value
		}
		args = append(args, arg)
	}
	c.cmd = exec.Command(program, args...)
	c.cmd.Dir = t.TempDir()
	c.cmd.Env = os.Environ()
	for name, value := range s.Environment {
		if other, ok := replaced[name]; ok {
			value = other
		}
		c.cmd.Env = append(c.cmd.Env, name+"="+value)
	}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.cmd.Wait(); close(c.ended) }()
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); <-c.ended })
	return c
}

func (c *container) waitReady(url string) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		response, err := http.Get(url)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("%s says %s", url, response.Status)
		}
		select {
		case <-c.ended:
			c.t.Fatalf("the node ended:\n%s", c.said.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			c.t.Fatal(err)
		}
	}
}

// stop ends the node as Docker does, which has patience for stop_grace_period.
func (c *container) stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(c.grace):
		c.t.Fatalf("the node still runs %s after it was told to stop", c.grace)
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		c.t.Errorf("the node ended with %d:\n%s", code, c.said.String())
	}
}
