package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// NginxServer is an nginx that belongs to one test.
type NginxServer struct {
	Addr string // host and port of the first listen directive

	owned
}

// Nginx runs nginx with a complete configuration, as the user who runs the test, and waits until it listens. If it does
// not start, the test fails with what nginx says. It is stopped when the test ends.
//
// So that it touches nothing outside of a folder of its own, conf is amended: -g sets daemon, pid and user, which conf
// must leave out, and in the http block come the paths of temporary files and of an access log first, which it must
// leave out but for the log.
func Nginx(t testing.TB, conf string) *NginxServer {
	t.Helper()
	s, err := newNginx(conf)
	if errors.Is(err, errNotInstalled) {
		Skip(t, "%v", err)
	} else if err != nil {
		t.Fatalf("starting nginx: %v", err)
	}
	s.giveTo(t)
	return s
}

func newNginx(conf string) (*NginxServer, error) {
	program, err := findProgram("nginx")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tallylight-nginx-")
	if err != nil {
		return nil, err
	}
	s := &NginxServer{Addr: listenAddr(conf), owned: owned{name: "nginx", dir: dir}}
	if err := s.start(program, conf); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func (s *NginxServer) start(program, conf string) error {
	command, err := nginxCommand(program, s.dir, conf)
	if err != nil {
		return err
	}
	// TERM: KILL would leave its workers behind.
	return s.begin("TERM", command, func(context.Context, *server) error { return listens(s.dir) })
}

// Log returns what it has printed, which is its error log where that is stderr.
func (s *NginxServer) Log() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// nginxCommand writes the amended configuration into dir and returns what runs it.
func nginxCommand(program, dir, conf string) ([]string, error) {
	const block = `(?m)^\s*http\s*\{`
	at := regexp.MustCompile(block).FindStringIndex(conf)
	if at == nil {
		return nil, fmt.Errorf("the nginx configuration has no http block:\n%s", conf)
	}
	// On the line of the brace, so that nginx's complaints name the lines of conf.
	own := fmt.Sprintf(" access_log %q;", filepath.Join(dir, "access.log"))
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		own += fmt.Sprintf(" %s_temp_path %q;", kind, filepath.Join(dir, kind))
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf[:at[1]]+own+conf[at[1]:]), 0o600); err != nil {
		return nil, err
	}
	global := fmt.Sprintf("daemon off; pid %q;", filepath.Join(dir, "nginx.pid"))
	who, err := runAs()
	if err != nil {
		return nil, err
	}
	command := []string{program, "-p", dir, "-c", path, "-g", global + who}
	// An nginx before 1.19.5 can't be told where to complain until it has read conf, and knows no -e.
	if help, err := exec.Command(program, "-h").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s -h: %w\n%s", program, err, help)
	} else if bytes.Contains(help, []byte("-e filename")) {
		command = append(command, "-e", filepath.Join(dir, "error.log"))
	}
	return command, nil
}

// runAs returns the directive that keeps the workers of a root's nginx root, for others may not enter the test's folder.
// Everybody else's workers have no choice, and nginx warns of the directive.
func runAs() (string, error) {
	if os.Geteuid() != 0 {
		return "", nil
	}
	who, err := user.Current()
	if err != nil {
		return "", err
	}
	group, err := user.LookupGroupId(who.Gid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(" user %s %s;", who.Username, group.Name), nil
}

// listens sees that nginx has written its process id, which it does once it listens.
func listens(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "nginx.pid"))
	if err == nil && !bytes.HasSuffix(data, []byte("\n")) {
		err = errors.New("a part of its process id is there")
	}
	return err
}

var listenDirective = regexp.MustCompile(`(?m)^\s*listen\s+([^\s;]+)`)

func listenAddr(conf string) string {
	m := listenDirective.FindStringSubmatch(conf)
	if m == nil {
		return ""
	}
	if _, err := strconv.Atoi(m[1]); err == nil {
		return net.JoinHostPort("127.0.0.1", m[1])
	}
	return m[1]
}

var (
	shippedNode   = regexp.MustCompile(`\bnode-\d+:8080\b`)
	shippedListen = regexp.MustCompile(`\blisten 80;`)
)

// ShippedNginx returns deploy/nginx.conf, which the caller has read, for a test: in front of nodes at these addresses,
// one for each that it names, and on a free port of this machine alone. All else is as shipped.
func ShippedNginx(t testing.TB, conf []byte, nodes ...string) string {
	t.Helper()
	text, err := inTest(string(conf), fmt.Sprintf("127.0.0.1:%d", FreePort(t)), nodes)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func inTest(conf, listen string, nodes []string) (string, error) {
	if named := shippedNode.FindAllString(conf, -1); len(named) != len(nodes) {
		return "", fmt.Errorf("nginx.conf names the nodes %q, and %d were given to put in their places", named, len(nodes))
	}
	if n := len(shippedListen.FindAllString(conf, -1)); n != 1 {
		return "", fmt.Errorf("nginx.conf says \"listen 80;\" %d times, want it once", n)
	}
	next := 0
	conf = shippedNode.ReplaceAllStringFunc(conf, func(string) string { next++; return nodes[next-1] })
	return shippedListen.ReplaceAllLiteralString(conf, "listen "+listen+";"), nil
}
