package nowait

import (
	"net"
	"testing"
	"time"
)

// pair returns both ends of a connection.
func pair(t *testing.T) (own, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialled.Close(); _ = accepted.Close() })
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

// What can be looked at is looked at without taking it, and what is not there does not keep anybody waiting.
func TestReadable(t *testing.T) {
	own, peer := pair(t)
	raw, err := Of(own)
	if err != nil || raw == nil {
		t.Fatalf("%v, %v", raw, err)
	}
	ask := func() (readable bool) {
		_ = raw.Read(func(fd uintptr) bool { readable = Readable(fd); return true })
		return readable
	}
	take := func() (got string, ready bool) {
		p := make([]byte, 10)
		_ = raw.Read(func(fd uintptr) bool {
			var n int
			n, ready, err = Read(fd, p)
			got = string(p[:n])
			return true
		})
		return got, ready
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	if got, ready := take(); ask() || ready || got != "" {
		t.Errorf("nothing was sent, and %q was there", got)
	}
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	until("what was sent is not there", ask)
	if got, ready := take(); !ready || got != "hello" {
		t.Errorf("read %q, %t", got, ready)
	}
	if ask() {
		t.Error("what was read is still there")
	}
	_ = peer.Close()
	until("the end is not there", ask)
	if got, ready := take(); !ready || got != "" || err != nil {
		t.Errorf("at the end: %q, %t, %v", got, ready, err)
	}
}

// A peer that does not read keeps nobody waiting.
func TestWrite(t *testing.T) {
	own, _ := pair(t)
	raw, err := Of(own)
	if err != nil {
		t.Fatal(err)
	}
	p, all := make([]byte, 64<<10), 0
	for n := 1; n > 0; {
		err := raw.Write(func(fd uintptr) bool {
			n, err = Write(fd, p)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		all += n
	}
	if err != nil || all == 0 {
		t.Errorf("wrote %d, %v", all, err)
	}
}

func TestOfWhatIsNoSocket(t *testing.T) {
	own, _ := net.Pipe()
	if raw, err := Of(own); raw != nil || err != nil {
		t.Errorf("%v, %v", raw, err)
	}
}
