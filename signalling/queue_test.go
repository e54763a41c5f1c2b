package signalling

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

// reader is the far end of a queue. It reads when it is let, and until then takes nothing.
type reader struct {
	let    chan struct{}
	mu     sync.Mutex
	frames [][]byte // without their headers
	pings  int
	pongs  []string
	err    error // of every write
	writes int
	why    error
}

func (r *reader) attempt(frame []byte) ([]byte, error) {
	select {
	case <-r.let:
		return nil, r.finish(frame)
	default:
		return frame, nil
	}
}

func (r *reader) finish(frame []byte) error {
	<-r.let
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	if len(frame) > 1 && frame[0] == pongFrame {
		r.pongs = append(r.pongs, string(frame[2:2+frame[1]]))
		frame = frame[2+frame[1]:]
	}
	if bytes.HasPrefix(frame, []byte{pingFrame, 0}) {
		r.pings++
		frame = frame[2:]
	}
	if len(frame) > 0 {
		r.frames = append(r.frames, payloadOf(frame))
	}
	return r.err
}

func (r *reader) failed(err error) { r.why = err }

// payloadOf returns what one text frame of a server holds.
func payloadOf(frame []byte) []byte {
	header, size := 2, int(frame[1])
	switch size {
	case 126:
		header, size = 4, int(binary.BigEndian.Uint16(frame[2:]))
	case 127:
		header, size = 10, int(binary.BigEndian.Uint64(frame[2:]))
	}
	if frame[0] != textFrame || len(frame) != header+size {
		panic(fmt.Sprintf("%d bytes are no text frame: % x …", len(frame), frame[:header]))
	}
	return bytes.Clone(frame[header:])
}

func newQueue() (*queue, *reader) {
	r := &reader{let: make(chan struct{})}
	return &queue{writers: newWriters(), out: r}, r
}

func TestQueueKeepsOrderAndMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		var want []byte
		for i := range 1000 {
			m := fmt.Appendf(nil, `{"n":%d}`, i)
			want = append(append(want, m...), '\n')
			if _, full := q.push(m, MaxQueued); full {
				t.Fatalf("no room for message %d", i)
			}
			if i == 0 {
				synctest.Wait() // the first one is under way, alone
			}
		}
		close(r.let)
		q.close(false)
		q.drained()
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
			q.push(make([]byte, 20<<10), MaxQueued)
		}
		close(r.let)
		q.close(false)
		q.drained()
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
		q.push([]byte("first"), MaxQueued)
		synctest.Wait() // it is under way and waits no more
		message := make([]byte, 1<<10)
		taken := 0
		for _, full := q.push(message, MaxQueued); !full; _, full = q.push(message, MaxQueued) {
			if taken++; taken > MaxQueued {
				t.Fatal("the queue takes everything")
			}
		}
		if got := taken * len(message); got != MaxQueued {
			t.Errorf("%d bytes were taken, want %d", got, MaxQueued)
		}
		close(r.let)
		synctest.Wait()
		if _, full := q.push(message, MaxQueued); full {
			t.Error("read empty, the queue has no room")
		}
		q.close(false)
		q.drained()
	})
}

// A recovery may be longer than the bound; alone, it must pass.
func TestQueueTakesOneLongMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		q.push([]byte("first"), MaxQueued)
		synctest.Wait()
		if _, full := q.push(make([]byte, 2*MaxQueued), MaxQueued); full {
			t.Error("a long message found no room although nothing waited")
		}
		if _, full := q.push([]byte("another"), MaxQueued); !full {
			t.Error("another one did")
		}
		close(r.let)
		q.close(true)
		q.drained()
	})
}

func TestQueueClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, drop := range []bool{false, true} {
			q, r := newQueue()
			q.push([]byte("first"), MaxQueued)
			synctest.Wait()
			q.push([]byte("second"), MaxQueued)
			q.close(drop)
			if queued, full := q.push([]byte("late"), MaxQueued); queued || full {
				t.Error("a message for a closed queue counts as too much")
			}
			close(r.let)
			q.drained()
			want := map[bool]string{false: "first|second", true: "first"}[drop]
			if got := string(bytes.Join(r.frames, []byte{'|'})); got != want {
				t.Errorf("closed with drop %t, it wrote %s, want %s", drop, got, want)
			}
		}
	})
}

func TestQueueStopsWhenWritingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, waited := range []bool{false, true} {
			q, r := newQueue()
			r.err = errors.New("gone")
			if waited {
				q.push([]byte("first"), MaxQueued)
				synctest.Wait()
			}
			close(r.let)
			for range 5 {
				q.push([]byte("message"), MaxQueued)
				synctest.Wait()
			}
			q.drained()
			if r.writes != 1 || r.why != r.err {
				t.Errorf("waited %t: %d writes, and the owner was told %v", waited, r.writes, r.why)
			}
		}
	})
}

// A ping goes before what waits, once however often it is asked for.
func TestQueuePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		q.push([]byte("first"), MaxQueued)
		synctest.Wait()
		q.push([]byte("second"), MaxQueued)
		q.pushPing()
		q.pushPing()
		close(r.let)
		synctest.Wait()
		if got := string(bytes.Join(r.frames, []byte{'|'})); got != "first|second" || r.pings != 1 {
			t.Errorf("%s, with %d pings", got, r.pings)
		}
		q.pushPing()
		synctest.Wait()
		if r.pings != 2 {
			t.Errorf("%d pings, want 2", r.pings)
		}
		q.close(false)
		q.pushPing()
		q.drained()
	})
}

// What was sent must not be kept: ten thousand connections would keep ten thousand snapshots.
func TestQueueLetsGoOfWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := newQueue()
		close(r.let)
		q.push([]byte("one"), MaxQueued)
		q.push([]byte("two"), MaxQueued)
		synctest.Wait()
		if q.waiting != nil || q.only[0] != nil || q.bytes != 0 {
			t.Errorf("it keeps %q, %q, and counts %d bytes", q.waiting, q.only, q.bytes)
		}
	})
}

func BenchmarkQueue(b *testing.B) {
	message := bytes.Repeat([]byte("x"), 200)
	r := &sink{}
	q := &queue{writers: newWriters(), out: r}
	b.ReportAllocs()
	for b.Loop() {
		q.push(message, MaxQueued)
		q.drained()
	}
}

// sink takes everything.
type sink struct{}

func (sink) attempt([]byte) ([]byte, error) { return nil, nil }
func (sink) finish([]byte) error            { return nil }
func (sink) failed(error)                   {}

// A ping that comes before the last one was answered takes its place, and an answer comes before what waits.
func TestQueueAnswersTheLastPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &reader{let: make(chan struct{})}
		q := &queue{writers: newWriters(), out: far}
		q.pushPong([]byte("first"))
		synctest.Wait() // it is being written, and can't be
		q.push([]byte("message"), MaxQueued)
		for _, ping := range []string{"second", "third", ""} {
			q.pushPong([]byte(ping))
		}
		q.pushPing()
		close(far.let)
		synctest.Wait()
		if fmt.Sprintf("%q", far.pongs) != `["first" ""]` || far.pings != 1 || len(far.frames) != 1 || string(far.frames[0]) != "message" {
			t.Errorf("pongs %q, %d pings, %q", far.pongs, far.pings, far.frames)
		}
		q.close(true)
		q.pushPong([]byte("late"))
		synctest.Wait()
		if len(far.pongs) != 2 {
			t.Errorf("after the end: %q", far.pongs)
		}
	})
}
