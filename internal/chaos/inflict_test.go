package chaos

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/tallylight/tallylight/internal/testserver"
)

// A node that two faults keep from Redis is not there again once the first of them is over, whichever that is.
func TestRepairsLeaveOtherFaultsAlone(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello"))
			_ = c.Close()
		}
	}()
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := &node{wire: toxiproxy.NewProxy(proxies, "n1", fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), echo.Addr().String())}
	if err := n.wire.Start(); err != nil {
		t.Fatal(err)
	}
	defer n.wire.Stop()
	reached := func() bool {
		c, err := net.Dial("tcp", n.wire.Listen)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		got, _ := c.Read(make([]byte, 5))
		return got > 0
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if !reached() {
		t.Fatal("before any fault, nobody answers")
	}
	for _, first := range []bool{false, true} {
		for _, second := range []bool{false, true} {
			for _, repaired := range []bool{first, second} {
				must(n.cutRedis(first))
				must(n.cutRedis(second))
				must(n.healRedis(repaired))
				if reached() {
					t.Errorf("cut silently %t and %t, the repair of %t repairs the other", first, second, repaired)
				}
				must(n.healRedis(first != second != repaired))
				if !reached() {
					t.Errorf("cut silently %t and %t, both repaired, it is still cut", first, second)
				}
			}
		}
	}
}
