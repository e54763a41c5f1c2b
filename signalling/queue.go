package signalling

import "sync"

// maxMerged is how many bytes of waiting messages go into one frame. A client
// should be able to work on a frame while the next one is under way.
const maxMerged = 64 << 10

// queue holds what waits to be written to one connection, at most MaxQueued
// bytes. Its policy for a reader that is too slow for that is to give up on
// the connection: dropping some messages would break the promise of order
// without gaps.
type queue struct {
	mu       sync.Mutex
	waiting  [][]byte
	bytes    int
	writing  bool // somebody is taking frames, and will look again
	closed   bool
	dropping bool
}

// push adds a message. It reports whether there was room, and whether the
// caller must see to it that somebody takes frames until there are none.
func (q *queue) push(message []byte) (ok, start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true, false
	}
	// A single message larger than the bound, such as a long recovery, passes
	// when nothing else waits: otherwise it could never be sent.
	if q.bytes+len(message) > MaxQueued && len(q.waiting) > 0 {
		return false, false
	}
	q.waiting = append(q.waiting, message)
	q.bytes += len(message)
	start = !q.writing
	q.writing = true
	return true, start
}

// take returns the next frame: what waits, merged. nil means that nothing
// does, and that the caller's turn is over.
func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || q.dropping {
		q.writing, q.waiting, q.bytes = false, nil, 0
		return nil
	}
	n, size := 1, len(q.waiting[0])
	for n < len(q.waiting) && size+1+len(q.waiting[n]) <= maxMerged {
		size += 1 + len(q.waiting[n])
		n++
	}
	frame := q.waiting[0]
	if n > 1 {
		frame = merge(q.waiting[:n], size)
	}
	for _, m := range q.waiting[:n] {
		q.bytes -= len(m)
	}
	clear(q.waiting[:n]) // let go of what was sent
	q.waiting = q.waiting[n:]
	return frame
}

// close refuses further messages silently; drop also forgets what waits.
func (q *queue) close(drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.dropping = q.dropping || drop
}

// merge joins messages with newlines, as the protocol allows in one frame.
func merge(messages [][]byte, size int) []byte {
	frame := make([]byte, 0, size)
	for i, m := range messages {
		if i > 0 {
			frame = append(frame, '\n')
		}
		frame = append(frame, m...)
	}
	return frame
}
