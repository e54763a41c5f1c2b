package bench

import (
	"sync/atomic"
	"time"
)

// smallWindow is how many bytes the kernel keeps for who does not read.
const smallWindow = 4 << 10

// stallLooks is for how long it is waited that the connections of who has stalled end, once they are read again.
const stallLooks = 5 * time.Second

// stall holds up readers between begin and end.
type stall struct {
	now  atomic.Bool
	over chan struct{} // made by begin, closed by end
}

// begin has those who stall stop reading.
func (s *stall) begin() {
	s.over = make(chan struct{})
	s.now.Store(true)
}

// wait returns at once unless readers are to stall.
func (s *stall) wait() {
	if s.now.Load() {
		<-s.over
	}
}

func (s *stall) end() {
	if s.now.Swap(false) {
		close(s.over)
	}
}

// endStall has those read on who had stopped, and sees what has become of them.
func (r *run) endStall(report *Report) {
	r.stall.end()
	if r.cfg.Stall == 0 {
		return
	}
	open := func() (n int) {
		for _, c := range r.viewers[:r.cfg.Stall] {
			if k := c.joined(); k != nil {
				k.look()
				n++
			}
		}
		return n
	}
	for begin := time.Now(); open() > 0 && time.Since(begin) < stallLooks; {
		time.Sleep(drainLook)
	}
	report.Stalled = &Stalled{Viewers: r.cfg.Stall, Open: open(), Ended: r.tally.stalled.all()}
}
