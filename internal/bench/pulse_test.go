package bench

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Everybody beats once in each interval, not in step, and who is not answered is dropped.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{cfg: config(func(c *Config) { c.Viewers = 40 })}
		r.cast()
		r.pulse.every(20 * time.Second)
		r.pulse.every(time.Second) // the first one counts
		var beats [41]atomic.Int64
		var servers sync.WaitGroup
		all := r.everybody()
		const deaf = 7 // whose node answers nothing
		for i, c := range all {
			near, far := net.Pipe()
			c.conn, c.ready = &conn{socket: newSocket(near, nil), c: c}, true
			r.reading.Go(c.conn.read)
			servers.Go(func() {
				frame := make([]byte, 1024)
				for {
					if _, err := far.Read(frame); err != nil {
						_ = far.Close()
						return
					}
					beats[i].Add(1)
					if i != deaf {
						_, _ = far.Write(frameOf(0x80|opText, []byte(`{"type":"heartbeat","now":1}`)))
					}
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var beating sync.WaitGroup
		beating.Go(func() { r.pulse.run(ctx) })
		time.Sleep(10 * time.Second)
		half := 0
		for i := range all {
			half += int(beats[i].Load())
		}
		if half == 0 || half == len(all) {
			t.Errorf("half an interval saw %d of %d beats: they are in step", half, len(all))
		}
		time.Sleep(50*time.Second + 100*time.Millisecond)
		for i := range all {
			if n := beats[i].Load(); i != deaf && (n < 2 || n > 4) || i == deaf && n != 1 {
				t.Errorf("client %d beat %d times in three intervals", i, n)
			}
		}
		if got := r.tally.closes.all(); len(got) != 1 || got["heartbeat not answered"] != 1 || all[deaf].joined() != nil {
			t.Errorf("closes are %v, want the deaf one", got)
		}
		cancel()
		beating.Wait()
		for _, c := range all {
			c.cut()
		}
		r.reading.Wait()
		servers.Wait()
	})
}

func TestPulseOfThoseWhoHaveNoConnection(t *testing.T) {
	c := &client{run: &run{}}
	c.beat()
	c.listen(micros())
	if c.beatSent.Load() != 0 {
		t.Error("it waits for an answer")
	}
}
