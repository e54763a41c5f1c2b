package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage may come on top of what a node holds, where Go's default is 100. Nearly all that a
// node holds are connections, which last: half as much garbage made no difference in CPU that could be measured, with
// 10,000 of them, and 12.3 KiB for each were 9.7.
const garbagePercent = 50

// saveMemory sets that, unless GOGC says otherwise.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
