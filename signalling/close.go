package signalling

import (
	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

// What a client should do after a close.
type comeBack string

const (
	comeBackAtOnce   comeBack = "at once"          // with backoff and jitter
	comeBackNewToken comeBack = "with a new token" // the old one is no good
	stayAway         comeBack = "stay away"        // it would only happen again
)

// cause is why a session ended: what the peer is told, and what becomes of the
// leases that the session held.
type cause struct {
	code     websocket.StatusCode
	reason   string // the close frame's, at most 123 bytes
	release  presence.Reason
	comeBack comeBack
	// unread: what waits in the queue is dropped, because the peer does not
	// read it anyway.
	unread bool
}

// All causes for which a session ends. PROTOCOL.md repeats this table, and a
// test compares them.
var (
	causeGone         = cause{code: websocket.StatusNormalClosure, reason: "", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce, unread: true}
	causeStopped      = cause{code: websocket.StatusGoingAway, reason: "going away", release: presence.ReasonDrain, comeBack: comeBackAtOnce, unread: true}
	causeTooBig       = cause{code: websocket.StatusMessageTooBig, reason: "frame over 128 KiB", release: presence.ReasonConnectionLost, comeBack: stayAway}
	causeRestart      = cause{code: websocket.StatusServiceRestart, reason: "service restart", release: presence.ReasonDrain, comeBack: comeBackAtOnce}
	causeProtocol     = cause{code: 4400, reason: "protocol error", release: presence.ReasonConnectionLost, comeBack: stayAway}
	causeUnauthorized = cause{code: 4401, reason: "unauthorized", release: presence.ReasonConnectionLost, comeBack: comeBackNewToken}
	causeNoHello      = cause{code: 4404, reason: "no hello in time", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
	causeSilent       = cause{code: 4408, reason: "heartbeat missed", release: presence.ReasonSilence, comeBack: comeBackAtOnce, unread: true}
	causeNoPong       = cause{code: causeSilent.code, reason: "heartbeat missed: no answer to a ping", release: presence.ReasonSilence, comeBack: causeSilent.comeBack, unread: true}
	causeReplaced     = cause{code: 4409, reason: "replaced by a newer connection", release: presence.ReasonConnectionLost, comeBack: stayAway}
	causeLost         = cause{code: websocket.StatusServiceRestart, reason: "service restart: you were taken for gone", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
	causeTooSlow      = cause{code: 4410, reason: "too slow: messages were waiting to be read", release: presence.ReasonSilence, comeBack: comeBackAtOnce, unread: true}
	causeExpired      = cause{code: 4419, reason: "token expired", release: presence.ReasonConnectionLost, comeBack: comeBackNewToken}
	causeTooMany      = cause{code: 4429, reason: "too many requests", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
)

// causes are those that a client can be told of, one of each code.
var causes = []cause{
	causeStopped, causeTooBig, causeRestart, causeProtocol, causeUnauthorized, causeNoHello, causeSilent,
	causeReplaced, causeTooSlow, causeExpired, causeTooMany,
}

// because returns the cause with a more exact reason.
func (c cause) because(reason string) cause {
	const longest = 123 // RFC 6455 §5.5: 125 bytes less the code
	c.reason = reason[:min(len(reason), longest)]
	return c
}

// causeOf turns a command from outside into a cause.
func causeOf(c rooms.Cut) cause {
	switch c {
	case rooms.CutReplaced:
		return causeReplaced
	case rooms.CutLost:
		return causeLost
	default:
		return causeStopped
	}
}
