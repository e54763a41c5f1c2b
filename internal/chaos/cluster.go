package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/tallylight/tallylight/internal/testserver"
)

// secret signs the tokens of the run.
const secret = "a secret for tests, 32 bytes or more"

// drainFor is the nodes' --drain.
const drainFor = 5 * time.Second

// cluster is the service under test, with what can be broken.
type cluster struct {
	t     testing.TB
	front string // nginx
	nodes []*node
	redis *testserver.RedisServer
	admin *redis.Client // goes around what is cut
	dump  string        // where Redis looks for what it had
	saved []byte        // of redis-old
}

// node is one process of the service, or a succession of them.
type node struct {
	name   string
	addr   string // its own
	relay  *relay
	wire   *toxiproxy.Proxy // to Redis
	cuts   cuts             // of the wire
	flags  []string
	binary string
	log    *os.File

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// newCluster starts everything, and stops it at the end of the test. Logs go into dir.
func newCluster(t testing.TB, binary, root, dir string, nodes int) *cluster {
	c := &cluster{t: t, redis: testserver.OwnRedis(t)}
	c.admin = redis.NewClient(&redis.Options{Addr: c.redis.Addr(), MaxRetries: -1, ReadTimeout: time.Minute})
	t.Cleanup(func() { _ = c.admin.Close() })
	where, err := c.admin.ConfigGet(t.Context(), "dir").Result()
	if err != nil {
		t.Fatalf("asking Redis for its folder: %v", err)
	}
	c.dump = filepath.Join(where["dir"], "dump.rdb")
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	database := filepath.Join(t.TempDir(), "shared.db")
	for k := range nodes {
		c.nodes = append(c.nodes, newNode(c, proxies, fmt.Sprint("n", k+1), binary, database, dir))
	}
	var starting sync.WaitGroup
	failed := make([]error, nodes)
	for k, n := range c.nodes {
		starting.Go(func() { failed[k] = n.startReady(30 * time.Second) })
	}
	starting.Wait()
	for _, err := range failed {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.front = testserver.Nginx(t, shippedConf(t, root, c.nodes)).Addr
	return c
}

func newNode(c *cluster, proxies *toxiproxy.ApiServer, name, binary, database, dir string) *node {
	t := c.t
	own := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	n := &node{name: name, addr: own, binary: binary}
	var err error
	if n.relay, err = newRelay(fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), own); err != nil {
		t.Fatal(err)
	}
	n.wire = toxiproxy.NewProxy(proxies, name, fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), c.redis.Addr())
	if err := n.wire.Start(); err != nil {
		t.Fatal(err)
	}
	if n.log, err = os.Create(filepath.Join(dir, name+".log")); err != nil {
		t.Fatal(err)
	}
	n.flags = []string{
		"serve", "--listen", own, "--node", name, "--redis", "redis://" + n.wire.Listen + "/0",
		"--database", "sqlite:" + database,
		"--public-directory", "--drain", drainFor.String(), "--trusted-proxy", "127.0.0.1",
		"--max-connections-per-ip", "0", "--max-handshakes-per-ip", "0", // all clients have one address
	}
	t.Cleanup(func() {
		n.signal(syscall.SIGKILL)
		n.awaitExit()
		n.relay.close()
		n.wire.Stop()
		_ = n.log.Close()
	})
	return n
}

// shippedConf is the configuration that is shipped, with as many nodes as there are.
func shippedConf(t testing.TB, root string, nodes []*node) string {
	shipped, err := os.ReadFile(filepath.Join(root, "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const last = "\t\tserver node-2:8080 max_fails=0;\n"
	if strings.Count(string(shipped), last) != 1 {
		t.Fatalf("deploy/nginx.conf has no line %q to add nodes after", strings.TrimSpace(last))
	}
	more, addrs := last, []string(nil)
	for k, n := range nodes {
		addrs = append(addrs, n.relay.addr)
		if k >= 2 {
			more += strings.Replace(last, "node-2", fmt.Sprint("node-", k+1), 1)
		}
	}
	return testserver.ShippedNginx(t, []byte(strings.Replace(string(shipped), last, more, 1)), addrs...)
}

// start runs the process. The one before has ended.
func (n *node) start() error {
	cmd := exec.Command(n.binary, n.flags...)
	cmd.Env = append(cmd.Environ(), "TALLYLIGHT_JWT_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = n.log, n.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", n.name, err)
	}
	untie, err := testserver.Tie(cmd.Process)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	exited := make(chan struct{})
	n.mu.Lock()
	n.cmd, n.exited = cmd, exited
	n.mu.Unlock()
	go func() { _ = cmd.Wait(); untie(); close(exited) }()
	return nil
}

// startReady starts it and waits until it is ready.
// startReady is the supervisor: a node that can't reach Redis as it comes ends, and is started again.
func (n *node) startReady(limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Second) {
		if err := n.start(); err != nil {
			return err
		}
		err := n.awaitReady(time.Until(deadline))
		if !errors.Is(err, errEnded) || time.Now().After(deadline) {
			return err
		}
	}
}

var errEnded = errors.New("the node ended by itself")

func (n *node) awaitReady(limit time.Duration) error {
	n.mu.Lock()
	exited := n.exited
	n.mu.Unlock()
	for deadline := time.Now().Add(limit); ; {
		if status := n.status("/readyz"); status == http.StatusOK {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: /readyz says %d", n.name, limit, status)
		}
		select {
		case <-exited:
			return fmt.Errorf("%s: %w; see its log, %s", n.name, errEnded, n.log.Name())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// status asks the node itself, whatever is cut; 0 is no answer.
func (n *node) status(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+path, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// signal sends a signal to the process, if one runs.
func (n *node) signal(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(s) // it may have ended
	}
}

// awaitExit waits until the process has ended.
func (n *node) awaitExit() {
	n.mu.Lock()
	exited := n.exited
	n.mu.Unlock()
	if exited != nil {
		<-exited
	}
}

func (c *cluster) node(name string) *node {
	return c.nodes[slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == name })]
}

// Build builds the program as it is shipped. overlay, if not empty, is passed to the compiler: so it builds a program
// that differs from the source tree.
func Build(ctx context.Context, root, overlay, into string) error {
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", into}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/tallylight")...)
	build.Dir = root
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return nil
}
