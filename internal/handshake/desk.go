package handshake

import (
	"bufio"
	"bytes"
	"runtime"
	"sync"
)

// longestRequest is how many bytes a handshake may have: a token of 4 KiB, and cookies, fit.
const longestRequest = 8 << 10

// desk handles guests in order, as many at a time as there are processors. Its clerks keep what they work with: their
// stacks, which have grown, and their buffers, are those of ten thousand handshakes.
type desk struct {
	// Fixed.
	most   int                     // how many clerks there are at a time
	run    func(work func())       // begins a goroutine
	handle func(g guest, c *clerk) // must not wait for its peer

	mu      sync.Mutex
	waiting []guest
	running int
	idle    []*clerk
}

// clerk is what a handshake is read with.
type clerk struct {
	buffer [longestRequest]byte
	bytes  bytes.Reader
	reader *bufio.Reader // of bytes
}

func (d *desk) init(run func(func()), handle func(guest, *clerk)) {
	d.most, d.run, d.handle = runtime.GOMAXPROCS(0), run, handle
}

// add has a guest handled. It does not block.
func (d *desk) add(g guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, g)
	if d.running == d.most {
		return
	}
	d.running++
	c := &clerk{}
	if n := len(d.idle); n > 0 {
		c, d.idle = d.idle[n-1], d.idle[:n-1]
	}
	d.run(func() { d.work(c) })
}

func (d *desk) work(c *clerk) {
	for g, ok := d.next(c); ok; g, ok = d.next(c) {
		d.handle(g, c)
	}
}

// next returns the guest who has waited for longest; false ends the clerk's work.
func (d *desk) next(c *clerk) (g guest, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		d.waiting = nil
		d.running--
		d.idle = append(d.idle, c)
		return guest{}, false
	}
	g, d.waiting[0] = d.waiting[0], guest{}
	d.waiting = d.waiting[1:]
	return g, true
}
