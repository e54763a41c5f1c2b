package rooms

// Code is a stable error code of the protocol; sockets and HTTP share them.
// signalling/PROTOCOL.md says what a client should do about each.
type Code string

const (
	CodeBadRequest   Code = "bad_request"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeNotFound     Code = "not_found"
	CodeNotJoined    Code = "not_joined"
	CodeConflict     Code = "conflict"
	CodeTooLarge     Code = "too_large"
	CodeRateLimited  Code = "rate_limited"
	CodePeerGone     Code = "peer_gone"
	CodePeerLimit    Code = "peer_limit"
	CodeUnavailable  Code = "unavailable"
	CodeInternal     Code = "internal"
)

// Refusal says what is wrong with somebody's input and what to do about it.
type Refusal struct {
	Code    Code
	Message string
}

func (r *Refusal) Error() string { return r.Message }
