package moderation

import (
	"net/netip"
	"strings"

	"github.com/tallylight/tallylight/auth"
)

// network is what the target of a ban by address begins with. What follows is a
// network in the form of CIDR, whose slash no user id has: nobody can be called
// like an address.
const network = "ip:"

// TargetOf returns the target that an address is banned as: what one visitor
// has of addresses, which is one of IPv4 and 2^64 of IPv6 (RFC 6177). It is
// empty for an address that is none.
func TargetOf(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, err := addr.Prefix(bits)
	if err != nil || !addr.IsValid() {
		return ""
	}
	return network + prefix.String()
}

// AddressOf returns what a target that is an address bans, in words: the
// address of IPv4, or the network of IPv6. ok is false for a user.
func AddressOf(target string) (address string, ok bool) {
	cidr, ok := strings.CutPrefix(target, network)
	prefix, err := netip.ParsePrefix(cidr)
	if !ok || err != nil {
		return "", false
	}
	if prefix.Addr().Is4() {
		return prefix.Addr().String(), true
	}
	return cidr, true
}

// ParseAddress reads an address as a person writes it, alone or as the network
// that it would be banned as, and returns the target.
func ParseAddress(text string) (target string, ok bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return TargetOf(addr), true
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || TargetOf(prefix.Addr()) != network+prefix.String() {
		return "", false
	}
	return network + prefix.String(), true
}

// ParseTarget reads a user id, or "ip:" and an address.
func ParseTarget(text string) (target string, ok bool) {
	if address, is := strings.CutPrefix(text, network); is {
		if target, ok := ParseAddress(address); ok {
			return target, true
		}
	}
	return text, auth.ValidUser(text)
}

// Concerns reports whether a target is this user, or the address that they come
// from, which is asked for only if it matters, and may be unknown.
func Concerns(target, user string, addr func() netip.Addr) bool {
	return target == user && user != "" || strings.Contains(target, "/") && target == TargetOf(addr())
}
