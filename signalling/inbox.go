package signalling

import "sync"

// maxInbox is how many frames may wait to be handled; past it, the reader
// waits, and so does the peer.
const maxInbox = 64

// inbox hands the frames of one connection to its handler, one at a time and
// in order. Whoever pushes one while nobody works on them sees to it that
// somebody does.
type inbox struct {
	handle func(frame []byte)

	mu      sync.Mutex
	changed sync.Cond // on mu: a frame was taken, or the inbox closed
	waiting [][]byte
	working bool
	closed  bool
}

func (in *inbox) init(handle func([]byte)) {
	in.handle = handle
	in.changed.L = &in.mu
}

// push adds a frame, unless the inbox is closed. It blocks while the inbox is
// full. work says that nobody works on what waits: then the caller must call
// work, or have it called.
func (in *inbox) push(frame []byte) (work bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.waiting) >= maxInbox && !in.closed {
		in.changed.Wait()
	}
	if in.closed {
		return false
	}
	in.waiting = append(in.waiting, frame)
	work, in.working = !in.working, true
	return work
}

// work handles what waits until nothing does.
func (in *inbox) work() {
	for frame := in.next(); frame != nil; frame = in.next() {
		in.handle(frame)
	}
}

func (in *inbox) next() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.changed.Broadcast()
	if len(in.waiting) == 0 || in.closed {
		in.waiting, in.working = nil, false
		return nil
	}
	frame := in.waiting[0]
	in.waiting = in.waiting[1:]
	return frame
}

// close drops what waits and returns when no handler runs any more. A handler
// must not call it.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.changed.Broadcast()
	for in.working {
		in.changed.Wait()
	}
}
