package signalling

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tallylight/tallylight/internal/pace"
	"github.com/tallylight/tallylight/internal/visitor"
)

// Bound is how many may come and stay.
type Bound struct {
	Connections int // open at a time; 0: any number
	PerSecond   int // handshakes; 0: any number
	Burst       int // handshakes at once; 0: as many as in a second
	Strangers   int // open at a time that have not said who they are; 0: any number. For addresses alone
}

// longestWait is how long somebody is sent away for at most.
const longestWait = 30 * time.Second

// gate counts those who are connected, and lets in as many as Bounds say: of all, and of those from one address. It is
// asked before anything is kept for a handshake.
type gate struct {
	node, address Bound // fixed

	mu   sync.Mutex
	all  visitors
	from pace.Kept[netip.Prefix, *visitors]
}

// visitors are those of a node, or from one address. gate.mu guards them.
type visitors struct {
	inside    int
	strangers int           // of them, those who have not said who they are
	pace      *rate.Limiter // nil: there is no bound
	back      *rate.Limiter // gives those who are sent away a time of their own to come back at
}

// full says why nobody is let in, and for how long that lasts.
type full struct {
	code  Code
	why   string
	after time.Duration
}

func (f *full) problem() *problem {
	return &problem{Status: http.StatusServiceUnavailable, Code: f.code, Detail: f.why, after: f.after}
}

func newGate(node, address Bound) *gate {
	return &gate{node: node, address: address, all: visitorsWithin(node)}
}

func visitorsWithin(b Bound) (v visitors) {
	if b.PerSecond > 0 {
		if b.Burst == 0 {
			b.Burst = b.PerSecond
		}
		v.pace = rate.NewLimiter(rate.Limit(b.PerSecond), b.Burst)
		v.back = rate.NewLimiter(rate.Limit(b.PerSecond), 1)
	}
	return v
}

// enter counts a handshake from an address and a connection, which leave takes back. It does not block.
func (g *gate) enter(remote string) (theirs *visitors, why *full) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	theirs, why = g.askLocked(remote, now)
	if why != nil {
		return nil, why
	}
	g.all.enter(now)
	if theirs != nil {
		theirs.enter(now)
	}
	return theirs, nil
}

// ask says why a handshake from an address would not be let in now, or nil. It does not block.
func (g *gate) ask(remote string) *full {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, why := g.askLocked(remote, time.Now())
	return why
}

func (g *gate) askLocked(remote string, now time.Time) (*visitors, *full) {
	theirs := g.theirsLocked(remote, now)
	if theirs != nil {
		if why := theirs.refuse(g.address, now); why != nil {
			why.code = CodeRateLimited
			why.why = fmt.Sprintf("your address has %s here; if it is a proxy's, the node's --trusted-proxy should name it", why.why)
			return nil, why
		}
	}
	if why := g.all.refuse(g.node, now); why != nil {
		why.code = CodeUnavailable
		why.why = fmt.Sprintf("this node has %s; another one may have room", why.why)
		return nil, why
	}
	return theirs, nil
}

// stranger counts somebody who has entered without saying who they are, until know or leave.
func (g *gate) stranger(theirs *visitors) *full {
	if theirs == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := g.address.Strangers; most > 0 && theirs.strangers >= most {
		return &full{
			code: CodeRateLimited, after: longestWait / 3,
			why: fmt.Sprintf("your address has %d connections that have not said hello, which is its bound; if it is a proxy's, the node's --trusted-proxy should name it", most),
		}
	}
	theirs.strangers++
	return nil
}

// know takes back what stranger counted.
func (g *gate) know(theirs *visitors) {
	if theirs == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	theirs.strangers--
}

// leave takes back what enter counted.
func (g *gate) leave(theirs *visitors) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all.inside--
	if theirs != nil {
		theirs.inside--
	}
}

// theirsLocked returns the visitors from an address; nil if they are not counted.
func (g *gate) theirsLocked(remote string, now time.Time) *visitors {
	at, ok := networkOf(remote)
	if g.address == (Bound{}) || !ok {
		return nil
	}
	theirs := g.from.Of[at]
	if theirs == nil {
		v := visitorsWithin(g.address)
		theirs = &v
		g.from.Add(at, theirs, func(v *visitors) bool { return v.idle(now) })
	}
	return theirs
}

// networkOf returns what one visitor has of addresses.
func networkOf(remote string) (netip.Prefix, bool) {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}, false // a socket in the file system, for one
	}
	theirs := visitor.Of(peer.Addr())
	return theirs, theirs.IsValid()
}

// idle reports whether nobody of them is connected, and nobody was of late.
func (v *visitors) idle(now time.Time) bool {
	return v.inside == 0 && (v.pace == nil || pace.Full(v.pace, now))
}

// refuse says why one more can't be let in, or nil.
func (v *visitors) refuse(b Bound, now time.Time) *full {
	switch {
	case b.Connections > 0 && v.inside >= b.Connections:
		return &full{why: fmt.Sprintf("%d connections, which is its bound", v.inside), after: longestWait / 3}
	case v.pace != nil && v.pace.TokensAt(now) < 1:
		return &full{why: fmt.Sprintf("more than %d handshakes a second", b.PerSecond), after: v.comeBack(now)}
	}
	return nil
}

// comeBack gives everybody who is sent away a moment of their own, as many a second as are let in.
func (v *visitors) comeBack(now time.Time) time.Duration {
	r := v.back.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > longestWait {
		r.CancelAt(now)
		wait = longestWait
	}
	return wait
}

func (v *visitors) enter(now time.Time) {
	v.inside++
	if v.pace != nil {
		v.pace.AllowN(now, 1)
	}
}

// retryAfter is how a header says a time: in whole seconds, and one at least.
func retryAfter(d time.Duration) string { return strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))) }
