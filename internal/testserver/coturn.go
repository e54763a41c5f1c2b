package testserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// CoturnServer is a coturn that belongs to one test.
type CoturnServer struct {
	URL string // as clients are told it: over UDP

	owned
}

// Coturn runs a TURN server on 127.0.0.1 that takes the credentials which are made with any of these secrets (its
// use-auth-secret), and waits until it answers. The lines are added to its configuration. It is stopped when the test ends.
func Coturn(t testing.TB, secrets []string, lines ...string) *CoturnServer {
	t.Helper()
	s, err := newCoturn(secrets, lines)
	if errors.Is(err, errNotInstalled) {
		Skip(t, "%v", err)
	} else if err != nil {
		t.Fatalf("starting coturn: %v", err)
	}
	s.giveTo(t)
	return s
}

func newCoturn(secrets, lines []string) (*CoturnServer, error) {
	program, err := findProgram("turnserver")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tallylight-coturn-")
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &CoturnServer{URL: fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", port), owned: owned{name: "coturn", dir: dir}}
		if err = s.start(program, port, secrets, lines); err == nil {
			return s, nil
		}
		if try == 3 { // somebody else may have taken the port
			_ = os.RemoveAll(dir)
			return nil, err
		}
	}
}

func (s *CoturnServer) start(program string, port int, secrets, lines []string) error {
	conf := []string{
		"listening-port=" + strconv.Itoa(port), "listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "allow-loopback-peers",
		"use-auth-secret", "realm=tallylight.test", "fingerprint", "no-tls", "no-dtls", "no-cli", "log-file=stdout", "simple-log",
		"userdb=" + filepath.Join(s.dir, "turndb"), "pidfile=" + filepath.Join(s.dir, "turnserver.pid"),
	}
	for _, secret := range secrets {
		conf = append(conf, "static-auth-secret="+secret)
	}
	path := filepath.Join(s.dir, "turnserver.conf")
	if err := os.WriteFile(path, []byte(strings.Join(append(conf, lines...), "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return s.begin("KILL", []string{program, "-c", path}, func(ctx context.Context, _ *server) error { return bound(ctx, port) })
}

// Log returns what it has printed.
func (s *CoturnServer) Log() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// bound sees that a STUN server answers a binding request (RFC 8489 §5).
func bound(ctx context.Context, port int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	request := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	_, _ = rand.Read(request[8:]) // never fails
	if err := conn.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	answer := make([]byte, 1500)
	n, err := conn.Read(answer)
	if err == nil && (n < 20 || !bytes.Equal(answer[:2], []byte{1, 1}) || !bytes.Equal(answer[8:20], request[8:20])) {
		err = fmt.Errorf("the answer to a binding request is % x", answer[:n])
	}
	return err
}
