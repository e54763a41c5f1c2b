// Package visitor says what one visitor has of the addresses of the internet.
package visitor

import "net/netip"

// Of returns the network that counts as one visitor: an address of IPv4, and 2^64 of IPv6 (RFC 6177). It is invalid if the
// address is.
func Of(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network, _ := addr.Prefix(bits)
	return network
}
