package nowait

import (
	"errors"
	"io"
	"net"
	"sync"
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

// A peer that does not read keeps nobody waiting, and what it has not read is not lost.
func TestWriter(t *testing.T) {
	own, peer := pair(t)
	raw, err := Of(own)
	if err != nil {
		t.Fatal(err)
	}
	var w Writer
	if n, err := w.Write([]byte("early")); n > 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("before it is open: %d, %v", n, err)
	}
	if err := w.Open(raw); err != nil {
		t.Fatal(err)
	}
	p, all := make([]byte, 64<<10), 0
	for n := 1; n > 0; all += n {
		if n, err = w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if all == 0 {
		t.Error("there was no room at all")
	}
	if n, err := io.ReadFull(peer, make([]byte, all)); err != nil {
		t.Errorf("of %d bytes the peer has %d, %v", all, n, err)
	}
	if n, err := w.Write(nil); n > 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	w.Close()
	if n, err := w.Write([]byte("late")); n > 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after it was closed: %d, %v", n, err)
	}
}

func TestWriterToAPeerThatIsGone(t *testing.T) {
	own, peer := pair(t)
	raw, err := Of(own)
	if err != nil {
		t.Fatal(err)
	}
	var w Writer
	if err := w.Open(raw); err != nil {
		t.Fatal(err)
	}
	_ = peer.SetLinger(0)
	_ = peer.Close()
	for deadline := time.Now().Add(10 * time.Second); err == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("writing to it goes well")
		}
		_, err = w.Write([]byte("late"))
	}
	if errors.Is(err, net.ErrClosed) {
		t.Errorf("its end is told as ours: %v", err)
	}
}

// The number of a closed connection's descriptor is the next one's: what is written for the old must not come out there.
func TestWriterOfANumberThatIsUsedAgain(t *testing.T) {
	var writing sync.WaitGroup
	defer writing.Wait()
	for range 200 {
		own, _ := pair(t)
		raw, err := Of(own)
		if err != nil {
			t.Fatal(err)
		}
		var w Writer
		if err := w.Open(raw); err != nil {
			t.Fatal(err)
		}
		begun := make(chan struct{})
		writing.Go(func() {
			for n := 0; ; n++ {
				if _, err := w.Write([]byte("x")); errors.Is(err, net.ErrClosed) {
					return
				}
				if n == 3 {
					close(begun)
				}
			}
		})
		<-begun
		w.Close()
		_ = own.Close()
		next, peer := pair(t)
		_ = next.Close()
		if got, err := io.ReadAll(peer); len(got) > 0 || err != nil {
			t.Fatalf("another connection's peer has read %q, %v", got, err)
		}
	}
}

func TestOfWhatIsNoSocket(t *testing.T) {
	own, _ := net.Pipe()
	if raw, err := Of(own); raw != nil || err != nil {
		t.Errorf("%v, %v", raw, err)
	}
}
