package signalling

import (
	"bytes"
	"sync"
)

// maxMerged is how many bytes of waiting messages go into one frame. A client
// should be able to work on a frame while the next one is under way.
const maxMerged = 64 << 10

// queue holds what waits to be written to one connection, at most MaxQueued
// bytes. Its policy for a reader that is too slow for that is to give up on
// the connection: dropping some messages would break the promise of order
// without gaps.
//
// What waits is written by one of the writers, as far as that goes without
// waiting. Only for a peer that does not read there is a goroutine, which lives
// until the queue is empty.
type queue struct {
	writers *writers // fixed
	out     outlet   // fixed

	mu      sync.Mutex
	waiting [][]byte
	only    [1][]byte // what waiting mostly needs
	bytes   int
	pong    []byte // the payload of one that is to be written; nil: none is
	ping    bool   // one is to be written
	writing bool   // somebody writes, and will look again
	closed  bool
	busy    sync.WaitGroup // that somebody; added to under mu while not closed
}

// outlet is where a queue's frames go. One of its methods is called at a time.
type outlet interface {
	// attempt writes what can be written without waiting, and returns the rest.
	attempt(frame []byte) (rest []byte, err error)
	// finish writes the rest; it waits.
	finish(rest []byte) error
	// failed is called when a write has failed: nothing more is written.
	failed(err error)
}

// push adds a message, unless the queue is closed, or more than most bytes would wait. It does not block.
func (q *queue) push(message []byte, most int) (queued, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, false
	}
	// A single message larger than the bound, such as a long recovery, passes
	// when nothing else waits: otherwise it could never be sent.
	if q.bytes+len(message) > most && len(q.waiting) > 0 {
		return false, true
	}
	if q.waiting == nil {
		q.waiting = q.only[:0]
	}
	q.waiting = append(q.waiting, message)
	q.bytes += len(message)
	q.writeLocked()
	return true, false
}

// pushPing has a ping written before what waits. It does not block.
func (q *queue) pushPing() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.ping = true
		q.writeLocked()
	}
}

// pushPong has a peer's ping answered before what waits. Only the last of several is (RFC 6455 §5.5.3). It does not block.
func (q *queue) pushPong(payload []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.pong = append([]byte{}, payload...)
		q.writeLocked()
	}
}

func (q *queue) writeLocked() {
	if !q.writing {
		q.writing = true
		q.busy.Add(1)
		q.writers.add(q)
	}
}

// flush writes until nothing waits, or the peer takes no more.
func (q *queue) flush(w *writer) {
	for {
		w.frame = q.take(w.frame[:0])
		if len(w.frame) == 0 {
			return
		}
		rest, err := q.out.attempt(w.frame)
		switch {
		case err != nil:
			q.fail(err)
		case len(rest) > 0:
			go q.wait(bytes.Clone(rest))
			return
		}
	}
}

// wait writes until nothing is waiting, at the pace of the peer.
func (q *queue) wait(rest []byte) {
	for len(rest) > 0 {
		if err := q.out.finish(rest); err != nil {
			q.fail(err)
		}
		rest = q.take(nil)
	}
}

func (q *queue) fail(err error) {
	q.close(true)
	q.out.failed(err)
}

// take appends the next frame: what waits, merged. Nothing means that nothing
// does, and that the caller's turn is over.
func (q *queue) take(frame []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pong != nil {
		frame, q.pong = appendPong(frame, q.pong), nil
	}
	if q.ping {
		frame, q.ping = appendPing(frame), false
	}
	if len(q.waiting) == 0 {
		if len(frame) == 0 {
			q.writing, q.waiting = false, nil
			q.busy.Done()
		}
		return frame
	}
	n, size := 1, len(q.waiting[0])
	for n < len(q.waiting) && size+1+len(q.waiting[n]) <= maxMerged {
		size += 1 + len(q.waiting[n])
		n++
	}
	if frame == nil {
		frame = make([]byte, 0, longestHeader+size)
	}
	frame = appendHeader(frame, size)
	for i, m := range q.waiting[:n] {
		if i > 0 {
			frame = append(frame, '\n') // as the protocol allows
		}
		frame = append(frame, m...)
		q.bytes -= len(m)
		q.waiting[i] = nil // let go of what is sent
	}
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting, q.only[0] = nil, nil
	}
	return frame
}

// close drops what is pushed from now on; drop also what waits.
func (q *queue) close(drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if drop {
		q.waiting, q.bytes, q.ping, q.pong = nil, 0, false, nil
	}
}

// drained returns when all that was accepted is written or dropped. The queue
// must be closed.
func (q *queue) drained() { q.busy.Wait() }
