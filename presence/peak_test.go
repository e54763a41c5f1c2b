package presence

import (
	"testing"
	"testing/synctest"
	"time"
)

// crowded is a directory whose room is watched on two nodes.
type crowded struct {
	*Directory
	t *testing.T
}

func watched(t *testing.T) (crowded, *streamer) {
	t.Helper()
	s := NewMemory()
	d := watching(t, s)
	d.NodesChanged(t.Context(), NodesChange{Living: []string{"n1", "n2"}})
	a := join(t, s, alice, "c1")
	a.start(time.Minute)
	synctest.Wait()
	return crowded{d, t}, a
}

func (c crowded) dies(node string) {
	left := map[string]string{"n1": "n2", "n2": "n1"}[node]
	c.NodesChanged(c.t.Context(), NodesChange{Living: []string{left}})
}

func (c crowded) want(when string, peak int) {
	c.t.Helper()
	if e := c.Room(studio); e.Peak != peak {
		c.t.Errorf("%s: a peak of %d, want %d", when, e.Peak, peak)
	}
}

// Half of the viewers are on a node that is killed, and come back to the other before that is noticed.
func TestPeakAfterADeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := watched(t)
		c.SetViewers(studio, 1000)
		time.Sleep(10 * time.Minute)
		for n := 1000; n <= 1500; n += 100 {
			time.Sleep(300 * time.Millisecond)
			c.SetViewers(studio, n)
		}
		c.want("before it is noticed", 1500)
		time.Sleep(5 * time.Second)
		c.dies("n2")
		c.want("noticed", 1000)
		c.SetViewers(studio, 1400) // a count that was on its way
		c.SetViewers(studio, 1003)
		c.want("noticed just now", 1000)
		time.Sleep(peaksRest + time.Second)
		synctest.Wait()
		c.want("once all is counted again", 1003)
		c.SetViewers(studio, 1010)
		c.want("later", 1010)
	})
}

// Whoever watched before the node can have died was there, whether they come back or not.
func TestPeakGoesBackNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := watched(t)
		const every = time.Second
		n := 0
		for begin := time.Now(); time.Since(begin) < 5*time.Minute; time.Sleep(every) {
			n++ // every second one more
			c.SetViewers(studio, n)
		}
		c.dies("n1")
		c.want("what was before", n-int(peakDoubt/every))
		if left := len(c.entryLocked(studio).raises); left != 0 {
			t.Errorf("%d raises are still in doubt", left)
		}
		c.SetViewers(studio, 10)
		time.Sleep(peaksRest + time.Second)
		synctest.Wait()
		c.want("nobody comes back", n-int(peakDoubt/every))
		for range 100 {
			n++
			c.SetViewers(studio, n)
			time.Sleep(every)
		}
		if left := len(c.entryLocked(studio).raises); left > int(peakDoubt/every)+1 {
			t.Errorf("%d raises are kept", left)
		}
	})
}

// A node more, or as many as before, changes nothing; and each broadcast has a past of its own.
func TestPeakStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := watched(t)
		c.SetViewers(studio, 50)
		c.NodesChanged(t.Context(), NodesChange{Living: []string{"n1", "n2", "n3"}})
		c.NodesChanged(t.Context(), NodesChange{Living: []string{"n1", "n2", "n3"}})
		c.want("with one node more", 50)
		time.Sleep(peakDoubt)
		c.SetViewers(studio, 70)
		a.end()
		c.SetViewers(studio, 60)
		a.start(time.Minute)
		synctest.Wait()
		c.want("of the next broadcast", 60)
		c.NodesChanged(t.Context(), NodesChange{Living: []string{"n1", "n2"}})
		c.want("which began just before", 0)
		time.Sleep(peaksRest + time.Second)
		synctest.Wait()
		c.want("with 60 still there", 60)
	})
}
