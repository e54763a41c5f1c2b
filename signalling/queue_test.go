package signalling

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

// reader is the far end of a queue. It reads when it is let.
type reader struct {
	let    chan struct{}
	mu     sync.Mutex
	frames [][]byte
}

func (r *reader) write(frame []byte) error {
	<-r.let
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, bytes.Clone(frame))
	return nil
}

func newQueue() (*queue, *reader) {
	r := &reader{let: make(chan struct{})}
	return &queue{write: r.write}, r
}

func TestQueueKeepsOrderAndMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		var want []byte
		for i := range 1000 {
			m := fmt.Appendf(nil, `{"n":%d}`, i)
			want = append(append(want, m...), '\n')
			if !q.push(m) {
				t.Fatalf("no room for message %d", i)
			}
			if i == 0 {
				synctest.Wait() // the first one is under way, alone
			}
		}
		close(r.let)
		q.close(false)
		q.wait()
		if got := append(bytes.Join(r.frames, []byte{'\n'}), '\n'); !bytes.Equal(got, want) {
			t.Errorf("read %d bytes, want %d", len(got), len(want))
		}
		if len(r.frames) != 2 {
			t.Errorf("what waited came in %d frames, want one after the first", len(r.frames))
		}
	})
}

func TestQueueMergesNoMoreThanAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		for range 10 {
			q.push(make([]byte, 20<<10))
		}
		close(r.let)
		q.close(false)
		q.wait()
		for i, frame := range r.frames {
			if len(frame) > maxMerged {
				t.Errorf("frame %d has %d bytes, more than %d", i, len(frame), maxMerged)
			}
		}
	})
}

// The bound is what keeps one slow reader from taking the node's memory.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		q.push([]byte("first"))
		synctest.Wait() // it is under way and waits no more
		message := make([]byte, 1<<10)
		taken := 0
		for q.push(message) {
			if taken++; taken > MaxQueued {
				t.Fatal("the queue takes everything")
			}
		}
		if got := taken * len(message); got != MaxQueued {
			t.Errorf("%d bytes were taken, want %d", got, MaxQueued)
		}
		close(r.let)
		synctest.Wait()
		if !q.push(message) {
			t.Error("read empty, the queue has no room")
		}
		q.close(false)
		q.wait()
	})
}

// A recovery may be longer than the bound; alone, it must pass.
func TestQueueTakesOneLongMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		q.push([]byte("first"))
		synctest.Wait()
		if !q.push(make([]byte, 2*MaxQueued)) {
			t.Error("a long message found no room although nothing waited")
		}
		if q.push([]byte("another")) {
			t.Error("another one did")
		}
		close(r.let)
		q.close(true)
		q.wait()
	})
}

func TestQueueClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, drop := range []bool{false, true} {
			q, r := newQueue()
			q.push([]byte("first"))
			synctest.Wait()
			q.push([]byte("second"))
			q.close(drop)
			if !q.push([]byte("late")) {
				t.Error("a message for a closed queue counts as too much")
			}
			close(r.let)
			q.wait()
			want := map[bool]string{false: "first|second", true: "first"}[drop]
			if got := string(bytes.Join(r.frames, []byte{'|'})); got != want {
				t.Errorf("closed with drop %t, it wrote %s, want %s", drop, got, want)
			}
		}
	})
}

func TestQueueStopsWhenWritingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		q := &queue{write: func([]byte) error { writes++; return errors.New("gone") }}
		for range 5 {
			q.push([]byte("message"))
			synctest.Wait()
		}
		q.wait()
		if writes != 1 {
			t.Errorf("%d writes after the first failed", writes-1)
		}
	})
}

func BenchmarkQueue(b *testing.B) {
	message := bytes.Repeat([]byte("x"), 200)
	q := &queue{write: func([]byte) error { return nil }}
	b.ReportAllocs()
	for b.Loop() {
		q.push(message)
		q.wait()
	}
}
