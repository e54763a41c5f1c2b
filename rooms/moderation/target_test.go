package moderation

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]string{
		"eve":                        "eve",
		"a|b@c:d":                    "a|b@c:d",
		"ip:192.0.2.1":               "ip:192.0.2.1/32",
		"ip:192.0.2.1/32":            "ip:192.0.2.1/32",
		"ip:::ffff:192.0.2.1":        "ip:192.0.2.1/32",
		"ip:2001:db8::1":             "ip:2001:db8::/64",
		"ip:2001:db8::/64":           "ip:2001:db8::/64",
		"ip:somebody":                "ip:somebody", // a user
		"ip:192.0.2.0/24":            "",
		"ip:2001:db8::1/64":          "",
		"":                           "",
		"ip:":                        "ip:",
		"two words":                  "",
		"ip:fe80::1%eth0":            "ip:fe80::/64",
		"ip:2001:db8::/32":           "",
		"ip:2001:db8:0:0:0:0:0:0/64": "ip:2001:db8::/64",
	} {
		got, ok := ParseTarget(text)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %v, want %q", text, got, ok, want)
		}
	}
}

// No user can be called like the target of an address.
func TestTargetsAreNoUsers(t *testing.T) {
	for _, text := range []string{"192.0.2.1", "2001:db8::1"} {
		target := TargetOf(netip.MustParseAddr(text))
		if _, ok := AddressOf(target); !ok || auth.ValidUser(target) {
			t.Errorf("%q may be a user", target)
		}
	}
	if got := TargetOf(netip.Addr{}); got != "" {
		t.Errorf("no address is %q", got)
	}
	if got, _ := AddressOf("ip:192.0.2.1/32"); got != "192.0.2.1" {
		t.Errorf("read as %q", got)
	}
}

func TestSays(t *testing.T) {
	end := Term{Until: 1769860800000}
	for _, test := range []struct {
		term Term
		want string
	}{
		{Term{}, "banned"},
		{Term{Reason: "spam"}, "banned: spam"},
		{end, "banned until 2026-01-31T12:00:00Z"},
		{Term{Until: end.Until, Reason: "spam"}, "banned until 2026-01-31T12:00:00Z: spam"},
	} {
		if got := test.term.Says("banned"); got != test.want {
			t.Errorf("%+v says %q, want %q", test.term, got, test.want)
		}
	}
	if end.Over(end.Until.Time().Add(-time.Millisecond)) || !end.Over(end.Until.Time()) || (Term{}).Over(time.Now()) {
		t.Error("a term ends at the wrong time")
	}
}
