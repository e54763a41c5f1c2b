package main

import (
	"runtime"

	"github.com/tallylight/tallylight/internal/usage"
	"github.com/tallylight/tallylight/signalling"
)

// handshakesPerProcessor is how many sockets a node lets in each second for each of its processors: about half of what it
// could, so that those who are connected don't wait for those who come.
const handshakesPerProcessor = 1000

// otherFiles is how many open files are left for everything but sockets: Redis, the database, requests.
const otherFiles = 500

// admission returns how many sockets this node lets in: of all, and from one address.
func (c *serveCmd) admission() (node, address signalling.Bound) {
	node = signalling.Bound{Connections: c.MaxConnections, PerSecond: c.MaxHandshakes}
	if node.Connections == 0 {
		node.Connections = connectionsWithin(usage.OpenFiles())
	}
	if node.PerSecond == 0 {
		node.PerSecond = handshakesPerProcessor * runtime.GOMAXPROCS(0)
	}
	return node, signalling.Bound{
		Connections: c.MaxConnectionsPerIP, PerSecond: c.MaxHandshakesPerIP, Burst: 10 * c.MaxHandshakesPerIP,
		Strangers: c.Limits.MaxUnauthenticatedPerIP,
	}
}

// connectionsWithin returns how many sockets there is room for with a limit of open files; 0: there is none to keep.
func connectionsWithin(files uint64) int {
	const anyNumber = 1 << 30
	switch {
	case files == 0 || files > anyNumber:
		return 0
	case files < 2*otherFiles:
		return int(files+1) / 2
	default:
		return int(files - otherFiles)
	}
}
