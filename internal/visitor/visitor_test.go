package visitor

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::7": "2001:db8::/64",
		"2001:db8:0:1:ffff::": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64", "::1": "::/64",
	} {
		if got := Of(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if got := Of(netip.Addr{}); got.IsValid() {
		t.Errorf("of nothing: %s", got)
	}
}
