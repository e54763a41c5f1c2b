package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/signalling"
)

// binary is the program as it is shipped, built once for all tests. It is built as the Dockerfile does it, so that its
// test finds everything compiled already.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tallylight-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tallylight")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is a running node.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	exited chan struct{} // closed when the process has ended
	out    lines
	err    lines
}

// lines collects what a process prints.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) follow(r io.Reader, each func(line string)) {
	for s := bufio.NewScanner(r); s.Scan(); {
		l.mu.Lock()
		l.text.WriteString(s.Text() + "\n")
		l.mu.Unlock()
		each(s.Text())
	}
}

var servingLine = regexp.MustCompile(`msg=serving .*address=(\S+)`)

// start runs a node on a free port and waits until it serves. It is killed at
// the end of the test if it still runs then.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, exited: make(chan struct{})}
	p.cmd = exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), "TALLYLIGHT_JWT_SECRET="+testSecret)
	p.cmd.Dir = t.TempDir()
	stdout, _ := p.cmd.StdoutPipe()
	stderr, _ := p.cmd.StderrPipe()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	untie, err := testserver.Tie(p.cmd.Process)
	if err != nil {
		_ = p.cmd.Process.Kill()
		t.Fatal(err)
	}
	serving := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() { p.out.follow(stdout, func(string) {}) })
	reading.Go(func() {
		p.err.follow(stderr, func(line string) {
			if m := servingLine.FindStringSubmatch(line); m != nil {
				serving <- m[1]
			}
		})
	})
	go func() { reading.Wait(); _ = p.cmd.Wait(); untie(); close(p.exited) }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	select {
	case p.addr = <-serving:
	case <-p.exited:
		t.Fatalf("the node ended at once:\n%s", p.err.String())
	case <-time.After(30 * time.Second):
		t.Fatalf("the node does not serve:\n%s", p.err.String())
	}
	return p
}

// signal sends a signal to the process.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %s: %v", s, err)
	}
}

// wantExit waits until the process has ended.
func (p *process) wantExit(code int, within time.Duration) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		p.t.Fatalf("the process still runs after %s", within)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("exit code %d, want %d:\n%s", got, code, p.err.String())
	}
}

// token mints a token for a user who may broadcast in the room called after
// them and watch all rooms.
func token(t *testing.T, user string, change ...func(*auth.Claims)) string {
	t.Helper()
	c := auth.Claims{
		User: user, Name: strings.ToUpper(user[:1]) + user[1:], Expires: time.Now().Add(time.Hour),
		Grants: []auth.Grant{{Room: user, Role: auth.RoleStreamer}, {Room: "*", Role: auth.RoleViewer}},
	}
	for _, f := range change {
		f(&c)
	}
	minted, err := auth.Mint(testSecret, c)
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

func admin(c *auth.Claims) { c.Scopes = []auth.Scope{auth.ScopeAdmin} }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// inbox collects the messages of one client.
type inbox struct {
	mu       sync.Mutex
	messages []signalling.Message
}

func (b *inbox) note(m signalling.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, m)
}

func (b *inbox) all() []signalling.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

// wait returns the first message that the condition holds for.
func (b *inbox) wait(t *testing.T, what string, ok func(signalling.Message) bool) signalling.Message {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for _, m := range b.all() {
			if ok(m) {
				return m
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s within 20 s", what)
		}
	}
}

func (b *inbox) waitType(t *testing.T, kind string) signalling.Message {
	t.Helper()
	return b.wait(t, kind, func(m signalling.Message) bool { return m.Type == kind })
}

func (b *inbox) waitEvent(t *testing.T, event string) signalling.Message {
	t.Helper()
	return b.wait(t, event, func(m signalling.Message) bool {
		return m.Type == "event" && strings.Contains(string(m.Raw), `"event":"`+event+`"`)
	})
}

// client is a connection to a process, with what it was sent.
type client struct {
	*signalling.Client
	inbox
	t *testing.T
}

// dial connects a user.
func (p *process) dial(user string, change ...func(*signalling.ClientConfig)) *client {
	p.t.Helper()
	c, err := p.tryDial(user, change...)
	if err != nil {
		p.t.Fatalf("%s connects: %v", user, err)
	}
	return c
}

func (p *process) tryDial(user string, change ...func(*signalling.ClientConfig)) (*client, error) {
	p.t.Helper()
	c := &client{t: p.t}
	cfg := signalling.ClientConfig{Token: token(p.t, user), OnMessage: c.note}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	c.Client, err = signalling.Dial(within(p.t, 20*time.Second), "ws://"+p.addr+"/v1/ws", cfg)
	if err != nil {
		return nil, err
	}
	p.t.Cleanup(c.Abort)
	return c, nil
}

// get asks the HTTP API.
func (p *process) get(path, bearer string) (*http.Response, string) {
	p.t.Helper()
	return p.do("GET", path, bearer, "")
}

// post sends JSON to the HTTP API and returns the answer's status.
func (p *process) post(path, bearer, body string) int {
	p.t.Helper()
	response, _ := p.do("POST", path, bearer, body)
	return response.StatusCode
}

func (p *process) do(method, path, bearer, body string) (*http.Response, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(within(p.t, 20*time.Second), method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response, string(answer)
}

// codeOf returns the protocol's code of an error.
func codeOf(err error) signalling.Code {
	var e *signalling.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
