package moderation

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/auth"
)

// Whatever is named as target is refused, or is a user or an address in the one form in which it is kept: so that whoever is
// banned under one name can be let in again under another of the same address.
func FuzzParseTarget(f *testing.F) {
	for _, text := range []string{
		"eve", "a|b@c:d", "ip:192.0.2.1", "ip:192.0.2.1/32", "ip:::ffff:192.0.2.1", "ip:2001:db8::1", "ip:2001:db8::/64", "ip:somebody", "ip:192.0.2.0/24",
		"", "ip:", "ip:fe80::1%eth0", "ip:fe80::1%", "ip:010.0.0.1", "ip:::ffff:192.0.2.1/128", "ip:2001:db8:0:0:0:0:0:0/64", "IP:1.2.3.4", "ip:1.2.3.4/032", "ip:ip:1.2.3.4", "\x00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, ok := ParseTarget(text)
		if !ok {
			if auth.ValidUser(text) {
				t.Errorf("%q is refused, and a user", text)
			}
			return
		}
		if again, ok := ParseTarget(target); !ok || again != target {
			t.Errorf("%q is %q, and then %q, %t", text, target, again, ok)
		}
		address, is := AddressOf(target)
		if is == auth.ValidUser(target) {
			t.Fatalf("%q is %q: an address %t, and a user %t", text, target, is, !is)
		}
		if !is {
			if target != text {
				t.Errorf("%q is user %q", text, target)
			}
			return
		}
		if again, ok := ParseAddress(address); !ok || again != target || !strings.HasPrefix(text, network) {
			t.Errorf("%q is %q, in words %q, and that %q, %t", text, target, address, again, ok)
		}
		first := netip.MustParsePrefix(strings.TrimPrefix(target, network)).Addr()
		if !Concerns(target, "eve", func() netip.Addr { return first }) {
			t.Errorf("%q does not concern %s", target, first)
		}
		named, err := netip.ParseAddr(strings.TrimPrefix(text, network))
		if err != nil {
			return
		}
		if !Concerns(target, "eve", func() netip.Addr { return named }) {
			t.Errorf("%q does not concern itself", text)
		}
		if plain := named.Unmap().WithZone(""); TargetOf(plain) != target || plain.Is4() != strings.HasSuffix(target, "/32") {
			t.Errorf("%q is %q, and %s is %q", text, target, plain, TargetOf(plain))
		}
	})
}
