package signalling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

// Code is a stable error code of the protocol.
type Code = rooms.Code

const (
	CodeBadRequest   = rooms.CodeBadRequest
	CodeUnauthorized = rooms.CodeUnauthorized
	CodeForbidden    = rooms.CodeForbidden
	CodeNotFound     = rooms.CodeNotFound
	CodeNotJoined    = rooms.CodeNotJoined
	CodeConflict     = rooms.CodeConflict
	CodeTooLarge     = rooms.CodeTooLarge
	CodeRateLimited  = rooms.CodeRateLimited
	CodePeerGone     = rooms.CodePeerGone
	CodePeerLimit    = rooms.CodePeerLimit
	CodeUnavailable  = rooms.CodeUnavailable
	CodeInternal     = rooms.CodeInternal
)

// Error is a message that was not carried out. Handlers return it to say what
// the client did wrong; Client returns it to say what the server answered.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration
	// malformed: this was no message of the protocol at all.
	malformed bool
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) *Error {
	return &Error{Code: CodeBadRequest, Message: fmt.Sprintf(format, args...), malformed: true}
}

// errorOf turns what went wrong into what the client is told. Only what is our
// own fault becomes internal.
func errorOf(err error) *Error {
	var own *Error
	var refusal *rooms.Refusal
	var token *auth.Error
	var soon *rooms.TooSoon
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &soon):
		return &Error{Code: CodeRateLimited, Message: soon.Error(), RetryAfter: max(soon.Wait, time.Millisecond)}
	case errors.As(err, &refusal):
		return refuse(refusal.Code, "%s", refusal.Message)
	case errors.As(err, &token):
		return refuse(CodeUnauthorized, "%s: %s", token.Reason, token.Detail)
	case errors.Is(err, rooms.ErrNotJoined):
		return refuse(CodeNotJoined, "join the room first")
	case errors.Is(err, rooms.ErrRole):
		return refuse(CodeForbidden, "this connection joined the room in another role; leave it first, or use another connection")
	case errors.Is(err, rooms.ErrPeerGone):
		return refuse(CodePeerGone, "the peer is not there, or the session is not open")
	case errors.Is(err, rooms.ErrPeerLimit):
		return refuse(CodePeerLimit, "the streamer has no seat left; ask again when somebody has gone")
	case errors.Is(err, rooms.ErrPeerBusy):
		return &Error{Code: CodeRateLimited, Message: "the peer has not read yet what it was told", RetryAfter: time.Second}
	case errors.Is(err, rooms.ErrNotPeers):
		return refuse(CodeForbidden, "viewers signal the streamer, the streamer everybody, and both within their own sessions only")
	case errors.Is(err, presence.ErrConflict):
		return refuse(CodeConflict, "another user is this room's streamer; join when it is offline")
	case errors.Is(err, presence.ErrFenced):
		return refuse(CodeConflict, "a newer connection of this streamer holds the room")
	case errors.Is(err, auth.ErrKeysAway):
		return &Error{Code: CodeUnavailable, Message: auth.ErrKeysAway.Error(), RetryAfter: time.Second}
	case errors.Is(err, presence.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return refuse(CodeUnavailable, "the outcome is unknown; try again")
	}
	return refuse(CodeInternal, "something went wrong on our side; it was logged")
}

func (e *Error) reply(re string) Failure {
	return Failure{Type: "error", Re: re, Code: e.Code, Message: e.Message, RetryAfterMS: (e.RetryAfter + time.Millisecond - 1).Milliseconds()}
}
