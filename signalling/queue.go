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
	// write sends one frame; if it fails, nothing more is written.
	write func(frame []byte) error

	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	writing bool // a goroutine takes frames, and will look again
	closed  bool
	writers sync.WaitGroup // that goroutine; added to under mu while not closed
}

// push adds a message and reports whether there was room. It does not block.
func (q *queue) push(message []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true
	}
	// A single message larger than the bound, such as a long recovery, passes
	// when nothing else waits: otherwise it could never be sent.
	if q.bytes+len(message) > MaxQueued && len(q.waiting) > 0 {
		return false
	}
	q.waiting = append(q.waiting, message)
	q.bytes += len(message)
	if !q.writing {
		q.writing = true
		q.writers.Go(q.run)
	}
	return true
}

// run writes frames until none is waiting.
func (q *queue) run() {
	for frame := q.take(); frame != nil; frame = q.take() {
		if q.write(frame) != nil {
			q.close(true)
		}
	}
}

// take returns the next frame: what waits, merged. nil means that nothing
// does, and that the caller's turn is over.
func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.writing, q.waiting = false, nil
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
	for i, m := range q.waiting[:n] {
		q.bytes -= len(m)
		q.waiting[i] = nil // let go of what is sent
	}
	q.waiting = q.waiting[n:]
	return frame
}

// close drops what is pushed from now on; drop also what waits.
func (q *queue) close(drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if drop {
		q.waiting, q.bytes = nil, 0
	}
}

// wait returns when all that was accepted is written or dropped. The queue
// must be closed.
func (q *queue) wait() { q.writers.Wait() }

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
