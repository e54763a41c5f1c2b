package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/tallylight/tallylight/presence"
)

// report is how this node does.
func (n *node) report() presence.NodeReport {
	return presence.NodeReport{
		StartedAt: presence.MillisOf(n.began), Version: version(), Draining: n.sockets.Draining(), Connections: n.sockets.Open(),
		Memory: memory(), Goroutines: runtime.NumGoroutine(),
	}
}

// version names what was built, as far as the build knows.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// memory is how many bytes Go has of the system's. Asking for it stops nothing.
func memory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
