package main

import (
	"regexp"
	"time"

	"github.com/tallylight/tallylight/signalling"
)

// These are what browsers take, by RFC 7064 and RFC 7065.
var (
	stunURL = regexp.MustCompile(`^stuns?:[^/?#@\s]+$`)
	turnURL = regexp.MustCompile(`^turns?:[^/?#@\s]+(\?transport=(udp|tcp))?$`)
)

// leastTURNLife is what a clock that is a little off, and a client's way, leave something of.
const leastTURNLife = 2 * time.Second

// checkICE looks at what peers are told to use.
func (c *serveCmd) checkICE() error {
	for _, u := range c.STUNURL {
		if !stunURL.MatchString(u) {
			return usagef("--stun-url %q is not an address such as stun:stun.example.com:3478", u)
		}
	}
	for _, u := range c.TURNURL {
		if !turnURL.MatchString(u) {
			return usagef("--turn-url %q is not an address such as turn:turn.example.com:3478?transport=udp", u)
		}
	}
	switch {
	case len(c.TURNURL) > 0 && len(c.TURNSecret) == 0:
		return usagef("--turn-secret is missing: --turn-url needs what the server has as its static-auth-secret")
	case len(c.TURNSecret) > 0 && len(c.TURNURL) == 0:
		return usagef("--turn-url is missing: --turn-secret alone is of no use")
	case len(c.TURNSecret) > 2:
		return usagef("--turn-secret may be given twice at most, while secrets are rotated, not %d times", len(c.TURNSecret))
	case len(c.TURNURL) > 0 && c.TURNLife < leastTURNLife:
		return usagef("--turn-life must be at least %s, not %s", leastTURNLife, c.TURNLife)
	}
	return nil
}

func (c *serveCmd) ice() signalling.ICE {
	return signalling.ICE{STUN: c.STUNURL, TURN: c.TURNURL, Secrets: reveal(c.TURNSecret), Life: c.TURNLife}
}
