package signalling

import (
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
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
	// only, if not empty, is the one room that release is for: of all others the connection is just lost.
	only string
	// unread: what waits in the queue is dropped, because the peer does not
	// read it anyway.
	unread bool
	// fails: the peer has broken RFC 6455, and nothing more that it sends is looked at.
	fails bool
}

// All causes for which a session ends. PROTOCOL.md repeats this table, and a
// test compares them.
var (
	causeGone         = cause{code: websocket.StatusNormalClosure, reason: "", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce, unread: true}
	causeStopped      = cause{code: websocket.StatusGoingAway, reason: "going away", release: presence.ReasonDrain, comeBack: comeBackAtOnce, unread: true}
	causeTooBig       = cause{code: websocket.StatusMessageTooBig, reason: "frame over 128 KiB", release: presence.ReasonConnectionLost, comeBack: stayAway, fails: true}
	causeForbidden    = cause{code: websocket.StatusProtocolError, reason: "RFC 6455 forbids this", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce, fails: true}
	causeNoText       = cause{code: websocket.StatusInvalidFramePayloadData, reason: "text must be UTF-8", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce, fails: true}
	causeRestart      = cause{code: websocket.StatusServiceRestart, reason: "service restart", release: presence.ReasonDrain, comeBack: comeBackAtOnce}
	causeProtocol     = cause{code: 4400, reason: "protocol error", release: presence.ReasonConnectionLost, comeBack: stayAway}
	causeUnauthorized = cause{code: 4401, reason: "unauthorized", release: presence.ReasonConnectionLost, comeBack: comeBackNewToken}
	causeNoHello      = cause{code: 4404, reason: "no hello in time", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
	causeSilent       = cause{code: 4408, reason: "heartbeat missed", release: presence.ReasonSilence, comeBack: comeBackAtOnce, unread: true}
	causeNoPong       = cause{code: causeSilent.code, reason: "heartbeat missed: no answer to a ping", release: presence.ReasonSilence, comeBack: causeSilent.comeBack, unread: true}
	causeReplaced     = cause{code: 4409, reason: "replaced by a newer connection", release: presence.ReasonConnectionLost, comeBack: stayAway}
	causeLost         = cause{code: websocket.StatusServiceRestart, reason: "service restart: you were taken for gone", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
	causeNoKeys       = cause{code: websocket.StatusServiceRestart, reason: "service restart: the keys for your token are not there yet", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
	causeTooSlow      = cause{code: 4410, reason: "too slow: messages were waiting to be read", release: presence.ReasonSilence, comeBack: comeBackAtOnce, unread: true}
	causeRevoked      = cause{code: 4403, reason: "revoked", release: presence.ReasonRevoked, comeBack: comeBackNewToken}
	causeKicked       = cause{code: 4411, reason: "kicked", release: presence.ReasonKicked, comeBack: stayAway}
	causeBanned       = cause{code: 4412, reason: "banned", release: presence.ReasonBanned, comeBack: stayAway}
	causeExpired      = cause{code: 4419, reason: "token expired", release: presence.ReasonConnectionLost, comeBack: comeBackNewToken}
	causeTooMany      = cause{code: 4429, reason: "too many requests", release: presence.ReasonConnectionLost, comeBack: comeBackAtOnce}
)

// causes are those that a client can be told of, one of each code.
var causes = []cause{
	causeStopped, causeForbidden, causeNoText, causeTooBig, causeRestart, causeProtocol, causeUnauthorized, causeNoHello, causeSilent,
	causeReplaced, causeTooSlow, causeRevoked, causeKicked, causeBanned, causeExpired, causeTooMany,
}

// because returns the cause with a more exact reason.
func (c cause) because(reason string) cause {
	const longest = 123 // RFC 6455 §5.5: 125 bytes less the code
	if len(reason) > longest {
		reason = reason[:longest]
		for !utf8.ValidString(reason) { // cut within a character; reasons are text otherwise
			reason = reason[:len(reason)-1]
		}
	}
	c.reason = reason
	return c
}

// releaseFrom is why the session's lease of a room is given up.
func (c cause) releaseFrom(room string) presence.Reason {
	if c.only != "" && c.only != room {
		return presence.ReasonConnectionLost
	}
	return c.release
}

// causeOfExpulsion turns what a moderator did into a cause.
func causeOfExpulsion(e rooms.Expulsion) cause {
	c := causeBanned
	if e.Why == presence.ReasonKicked {
		c = causeKicked
	}
	if e.Room != moderation.Everywhere {
		c.only = e.Room
	}
	return c.because(e.Says())
}

// causeOf turns a command from outside into a cause.
func causeOf(c rooms.Cut) cause {
	switch c {
	case rooms.CutReplaced:
		return causeReplaced
	case rooms.CutLost:
		return causeLost
	case rooms.CutRevoked:
		return causeRevoked
	default:
		return causeStopped
	}
}
