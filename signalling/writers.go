package signalling

import (
	"runtime"
	"sync"
)

// writers flush queues that have something to write: as many at a time as there are processors, each in a goroutine that
// lives as long as any is waiting. None of them ever waits for a peer.
type writers struct {
	most int // fixed: how many there are at a time

	mu      sync.Mutex
	ready   []*queue // those from first on wait, in order
	first   int
	idle    []*writer
	running int
}

// writer is what one of them needs for its work.
type writer struct {
	frame []byte
	turn  []*queue // taken from ready
}

// turns is how many queues a writer takes at a time: taking each by itself would have all of them wait for the lock.
const turns = 32

// keptReady is how long a list of waiting queues may be to be kept once it is empty: a room of 10,000 is one for each event.
const keptReady = 1 << 15

func newWriters() *writers { return &writers{most: runtime.GOMAXPROCS(0)} }

// add has a queue flushed. It does not block.
func (ws *writers) add(q *queue) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.ready = append(ws.ready, q)
	if ws.running == ws.most {
		return
	}
	ws.running++
	var w *writer
	if n := len(ws.idle); n > 0 {
		w, ws.idle = ws.idle[n-1], ws.idle[:n-1]
	} else {
		w = &writer{turn: make([]*queue, 0, turns)}
	}
	go ws.run(w)
}

func (ws *writers) run(w *writer) {
	for ws.next(w) {
		for _, q := range w.turn {
			q.flush(w)
		}
	}
}

// next gives the writer a turn; false ends its work.
func (ws *writers) next(w *writer) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	clear(w.turn)
	waiting := ws.ready[ws.first:]
	if len(waiting) == 0 {
		ws.running--
		ws.idle = append(ws.idle, w)
		return false
	}
	n := min(turns, 1+len(waiting)/(2*ws.most)) // so that all end at about the same time
	w.turn = append(w.turn[:0], waiting[:n]...)
	clear(waiting[:n])
	if ws.first += n; ws.first == len(ws.ready) {
		ws.ready, ws.first = ws.ready[:0], 0
		if cap(ws.ready) > keptReady {
			ws.ready = nil
		}
	}
	return true
}
