package testserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// get asks for a page, with a body of some size.
func get(t *testing.T, url string, size int) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// hello is the configuration of an nginx that greets.
func hello(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("error_log stderr;\nevents {}\nhttp {\n\tserver {\n\t\tlisten 127.0.0.1:%d;\n\t\treturn 200 hello;\n\t}\n}\n", FreePort(t))
}

func needNginx(t *testing.T) {
	t.Helper()
	if _, err := findProgram("nginx"); err != nil {
		Skip(t, "%v", err)
	}
}

func TestNginx(t *testing.T) {
	needNginx(t)
	var s *NginxServer
	t.Run("a test", func(t *testing.T) {
		s = Nginx(t, hello(t))
		if got := get(t, "http://"+s.Addr, 0); got != "hello" {
			t.Errorf("it says %q", got)
		}
		pid, err := s.running.pid()
		if err != nil {
			t.Fatal(err)
		}
		s.Stop()
		s.Stop() // nothing left to do
		wantGone(t, pid)
		if conn, err := net.Dial("tcp", s.Addr); err == nil {
			conn.Close()
			t.Error("somebody answers after Stop")
		}
		if s.Log() != "" {
			t.Errorf("it had something to complain of:\n%s", s.Log())
		}
	})
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("its folder is there after the test: %v", err)
	}
}

func TestNginxThatDoesNotStart(t *testing.T) {
	needNginx(t)
	for name, test := range map[string]struct{ conf, says string }{
		"a mistake":     {strings.Replace(hello(t), "return 200", "retrun 200", 1), `unknown directive "retrun" in`},
		"no http block": {"events {}", "no http block"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newNginx(test.conf); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
		})
	}
}

// shipped has of deploy/nginx.conf what is replaced.
const shipped = `error_log stderr;
events {}
http {
	upstream nodes {
		server node-1:8080 max_fails=0;
		server node-2:8080 max_fails=0;
	}
	server {
		listen 80;
		location / { proxy_pass http://nodes; }
	}
}
`

func TestShippedNginx(t *testing.T) {
	node := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, name)
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	one, two := node("one"), node("two")
	s := Nginx(t, ShippedNginx(t, []byte(shipped), one, two))
	answers := map[string]bool{}
	for range 20 {
		answers[get(t, "http://"+s.Addr, 500_000)] = true // for which nginx needs a file
	}
	if !answers["one"] || !answers["two"] || len(answers) != 2 {
		t.Errorf("answers %v, want both nodes'", answers)
	}
}

func TestShippedNginxThatWasChanged(t *testing.T) {
	for name, test := range map[string]struct {
		conf  string
		nodes []string
		says  string
	}{
		"as shipped":      {shipped, []string{"a:1", "b:2"}, "<nil>"},
		"a node too few":  {shipped, []string{"a:1"}, "1 were given"},
		"a node too many": {shipped, []string{"a:1", "b:2", "c:3"}, "3 were given"},
		"a node renamed":  {strings.Replace(shipped, "node-2:", "second:", 1), []string{"a:1", "b:2"}, "2 were given"},
		"another port":    {strings.Replace(shipped, "listen 80;", "listen 8080;", 1), []string{"a:1", "b:2"}, "0 times"},
	} {
		if _, err := inTest(test.conf, "127.0.0.1:80", test.nodes); !strings.Contains(fmt.Sprint(err), test.says) {
			t.Errorf("%s: got %v, want %q", name, err, test.says)
		}
	}
}
