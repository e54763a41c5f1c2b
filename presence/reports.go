package presence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// NodeReport is what a node says of itself, for its operators.
type NodeReport struct {
	StartedAt   Millis `json:"started_at"`
	Version     string `json:"version"` // of the program
	Draining    bool   `json:"draining"`
	Connections int    `json:"connections"` // sockets that are open
	Memory      uint64 `json:"memory"`      // bytes that the process has of the system's
	Goroutines  int    `json:"goroutines"`
	// RedisMicros is how long Redis took to answer the node's last refresh, in µs. Nodes fills it in; 0: there is none.
	RedisMicros int64 `json:"redis_micros"`
}

// Describe names what tells of this node, for the others to read: what they read is as old as nodeRefresh, at most, and is
// gone with the lease. It is called from a goroutine of Run's, before which it must be named. It returns what tells the same
// with all that Nodes fills in.
func (n *Nodes) Describe(report func() NodeReport) func() NodeReport {
	n.describe = func() NodeReport {
		r := report()
		n.mu.Lock()
		defer n.mu.Unlock()
		r.RedisMicros = n.took.Microseconds()
		return r
	}
	return n.describe
}

func (n *Nodes) reportKey(node string) string { return n.conn.Base("nodes") + "report:" + node }

// keepReporting tells until the context ends. The lease does not wait for it: that must be refreshed in time, and this is only
// looked at.
func (n *Nodes) keepReporting(ctx context.Context) {
	if n.describe == nil {
		return
	}
	tick := time.NewTicker(nodeRefresh)
	defer tick.Stop()
	for {
		n.tell(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tell leaves this node's report with Redis. One that fails is a little older than it should be: no more is lost.
func (n *Nodes) tell(ctx context.Context) {
	text, err := json.Marshal(n.describe())
	if err == nil {
		// As SETEX and not as SET, so that what the server counts by command tells these from heartbeats.
		err = n.conn.Client().Do(ctx, "SETEX", n.reportKey(n.node), int(nodeLease.Seconds()), text).Err()
	}
	if err != nil && ctx.Err() == nil {
		n.logger.Debug("presence: this node's report could not be left", "node", n.node, "error", err)
	}
}

// Reports returns what the living nodes say of themselves. It blocks on Redis. Who has not said anything yet, or what this
// version can't read, is missing.
func (n *Nodes) Reports(ctx context.Context) (map[string]NodeReport, error) {
	living := n.Living()
	keys := make([]string, len(living))
	for i, node := range living {
		keys[i] = n.reportKey(node)
	}
	found, err := n.conn.Client().MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("reading the reports of the nodes: %w", err)
	}
	reports := make(map[string]NodeReport, len(living))
	for i, value := range found {
		var report NodeReport
		if text, ok := value.(string); ok && json.Unmarshal([]byte(text), &report) == nil {
			reports[living[i]] = report
		}
	}
	return reports, nil
}
