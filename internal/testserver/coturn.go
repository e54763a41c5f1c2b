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

	"github.com/pion/turn/v5"
)

// CoturnServer is a coturn that belongs to one test.
type CoturnServer struct {
	URL string // as clients are told it: over UDP

	port int
	owned
}

// SharedSecrets are the lines of a configuration with which coturn takes what nodes make with any of these secrets, and relays
// between clients on this machine.
func SharedSecrets(secrets ...string) []string {
	lines := []string{"use-auth-secret", "realm=tallylight.test", "fingerprint", "no-tls", "no-dtls", "no-cli", "allow-loopback-peers"}
	for _, secret := range secrets {
		lines = append(lines, "static-auth-secret="+secret)
	}
	return lines
}

// Coturn runs a TURN server on 127.0.0.1 with a configuration that says nothing of where it listens and relays, nor of files,
// and waits until it answers. It is stopped when the test ends.
func Coturn(t testing.TB, conf ...string) *CoturnServer {
	t.Helper()
	s, err := newCoturn(conf)
	if errors.Is(err, errNotInstalled) {
		Skip(t, "%v", err)
	} else if err != nil {
		t.Fatalf("starting coturn: %v", err)
	}
	s.giveTo(t)
	return s
}

func newCoturn(conf []string) (*CoturnServer, error) {
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
		s := &CoturnServer{URL: fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", port), port: port, owned: owned{name: "coturn", dir: dir}}
		if err = s.start(program, conf); err == nil {
			return s, nil
		}
		if try == 3 { // somebody else may have taken the port
			_ = os.RemoveAll(dir)
			return nil, err
		}
	}
}

func (s *CoturnServer) start(program string, conf []string) error {
	own := []string{
		"listening-port=" + strconv.Itoa(s.port), "listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "log-file=stdout", "simple-log",
		"userdb=" + filepath.Join(s.dir, "turndb"), "pidfile=" + filepath.Join(s.dir, "turnserver.pid"),
	}
	path := filepath.Join(s.dir, "turnserver.conf")
	if err := os.WriteFile(path, []byte(strings.Join(append(own, conf...), "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return s.begin("KILL", []string{program, "-c", path}, func(ctx context.Context, _ *server) error { return bound(ctx, s.port) })
}

// Allocate asks for a relayed address, which it gives back at once. The error has 401 in it if the credentials are refused.
func (s *CoturnServer) Allocate(username, credential string) error {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer conn.Close()
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Username: username, Password: credential, Conn: conn,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		return err
	}
	relayed, err := client.Allocate()
	if err != nil {
		return err
	}
	return relayed.Close()
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
