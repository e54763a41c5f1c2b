package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// garbagePercent is how much garbage may come on top of what a node holds, where Go's default is 100. Nearly all that
	// a node holds are connections, which last: half as much garbage made no difference in CPU that could be measured,
	// with 10,000 of them, and 12.3 KiB for each were 9.7.
	garbagePercent = 50
	// garbageFloor is how many bytes of it there may be whatever a node holds. Few connections are a few MiB, and half of
	// that is the garbage of some long lists: a node that is asked for them would collect it all the time, and take twice
	// as long.
	garbageFloor = 16 << 20
	// heldFloor is what Go counts with if less is held: its smallest heap grows with the percentage.
	heldFloor = 4 << 20
)

// saveMemory sets that, unless GOGC says otherwise.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		adjustGarbage(0)
	}
}

// adjustGarbage sets the percentage that fits what the heap holds. It does so again after each collection, which is when
// one knows that.
func adjustGarbage(now int) {
	held := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(held)
	percent := garbagePercentOf(held[0].Value.Uint64())
	if percent < now || percent > now+now/8 { // setting it stops everything for a moment, and a little more is not worth that
		debug.SetGCPercent(percent)
		now = percent
	}
	mark := new([64]byte) // garbage at once. A small one might share a block with what lasts
	runtime.AddCleanup(mark, adjustGarbage, now)
}

func garbagePercentOf(held uint64) int {
	return max(garbagePercent, garbageFloor*100/int(max(held, heldFloor)))
}
