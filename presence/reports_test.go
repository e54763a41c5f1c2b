package presence

import (
	"testing"

	"github.com/tallylight/tallylight/internal/testserver"
)

// Every node reads what the others say of themselves, which ends with their lease.
func TestNodesReport(t *testing.T) {
	prefix := testserver.RedisPrefix()
	a, b, quietOne := NewNodes(openConn(t, prefix), "a", quiet), NewNodes(openConn(t, prefix), "b", quiet), NewNodes(openConn(t, prefix), "c", quiet)
	connections := 1
	a.Describe(func() NodeReport { return NodeReport{Version: "v1", Connections: connections, Memory: 1 << 20} })
	b.Describe(func() NodeReport { return NodeReport{Version: "v2", Draining: true} })
	for _, n := range []*Nodes{a, b, quietOne} {
		n.refresh(t.Context())
	}
	a.tell(t.Context())
	b.tell(t.Context())
	connections = 2
	a.tell(t.Context())
	for _, n := range []*Nodes{a, quietOne} {
		n.refresh(t.Context()) // both know each other now
		got, err := n.Reports(t.Context())
		if err != nil || len(got) != 2 {
			t.Fatalf("%s reads %+v, %v", n.node, got, err)
		}
		if a := got["a"]; a.Version != "v1" || a.Connections != 2 || a.Memory != 1<<20 || a.RedisMicros <= 0 {
			t.Errorf("a says %+v", a)
		}
		if !got["b"].Draining {
			t.Errorf("b says %+v", got["b"])
		}
	}
	left, err := a.conn.Client().PTTL(t.Context(), a.reportKey("b")).Result()
	if err != nil || left <= 0 || left > nodeLease {
		t.Errorf("what b said is kept for %v, %v", left, err)
	}
}
