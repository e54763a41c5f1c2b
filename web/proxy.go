package web

import (
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5/middleware"
)

// clientAddr makes RemoteAddr the address of the client and not that of the
// proxies between us: all that logs or counts by it then means people. It does
// not wrap w.
//
// What it trusts is X-Forwarded-For from its right end, for as long as one
// configured proxy names the next. Where that leads to no client, because an
// entry is no address or because all of them are proxies, the address of the
// peer stays: it is the one that is certain.
func (s *server) clientAddr(next http.Handler) http.Handler {
	if len(s.cfg.TrustedProxies) == 0 {
		return next
	}
	trusted := make([]string, len(s.cfg.TrustedProxies))
	for i, proxies := range s.cfg.TrustedProxies {
		trusted[i] = unmapped(proxies).String()
	}
	return middleware.ClientIPFromXFF(trusted...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, fromClient(r))
	}))
}

// fromClient returns the request as its client would have sent it to us. The
// header names no port, and 0 is nobody's: RemoteAddr keeps the form that all
// who take it apart expect.
func fromClient(r *http.Request) *http.Request {
	client := middleware.GetClientIPAddr(r.Context())
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if !client.IsValid() || err == nil && peer.Addr().Unmap() == client {
		return r // it came straight to us, or nobody knows from where
	}
	// The request is a copy already, or its context could not hold the client.
	r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	return r
}

// unmapped turns ::ffff:10.0.0.0/104 into 10.0.0.0/8: addresses are compared
// in that form, so that the other would match none.
func unmapped(p netip.Prefix) netip.Prefix {
	const mappedBits = 96 // RFC 4291, section 2.5.5.2
	if !p.Addr().Is4In6() || p.Bits() < mappedBits {
		return p
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
}
