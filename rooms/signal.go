package rooms

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// SignalKind says what a signal is about.
type SignalKind string

const (
	// SignalRequest asks for an offer, or says after a reconnect: this is where I am now.
	SignalRequest SignalKind = "request"
	// SignalOffer, SignalAnswer and SignalCandidate carry what WebRTC's own objects of these names are (RFC 8829, RFC 8838).
	SignalOffer     SignalKind = "offer"
	SignalAnswer    SignalKind = "answer"
	SignalCandidate SignalKind = "candidate"
	// SignalBye ends a session.
	SignalBye SignalKind = "bye"

	// signalGone and signalLeft are told by a viewer's node: its connection has ended, or it left and does not come back.
	signalGone SignalKind = "gone"
	signalLeft SignalKind = "left"
	// signalProbe asks a viewer's node whether the session is still open there.
	signalProbe SignalKind = "probe"
)

// Valid reports whether a client may send the kind.
func (k SignalKind) Valid() bool {
	switch k {
	case SignalRequest, SignalOffer, SignalAnswer, SignalCandidate, SignalBye:
		return true
	}
	return false
}

// opens reports whether a session may begin with it.
func (k SignalKind) opens() bool { return k == SignalRequest || k == SignalOffer }

// ToStreamer is the address of whoever is the room's streamer.
const ToStreamer = "streamer"

// Signal is what one member of a room says to one other, so that a WebRTC connection between the two comes about. One of
// them is the streamer. It is immutable.
type Signal struct {
	Room    string          `json:"room"`
	Session string          `json:"session"` // chosen by whoever asked first
	Kind    SignalKind      `json:"kind"`
	Data    json.RawMessage `json:"data,omitempty"`
	To      string          `json:"to"` // a member's id, or ToStreamer

	// Set by the hub of the sender.
	From string        `json:"from"` // the member's id
	User presence.User `json:"user"`
	Role auth.Role     `json:"role"`
}

// SignalMessage is a signal on the wire.
type SignalMessage struct {
	Type    string          `json:"type"` // "signal"
	Room    string          `json:"room"`
	From    string          `json:"from"`
	User    presence.User   `json:"user"`
	Session string          `json:"session"`
	Kind    SignalKind      `json:"kind"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (s Signal) message() []byte {
	return wire.JSON(SignalMessage{
		Type: "signal", Room: s.Room, From: s.From, User: s.User, Session: s.Session, Kind: s.Kind, Data: s.Data,
	})
}

// byeFor ends a session on behalf of somebody who can't do so any more.
func byeFor(room, session, from string, user presence.User) []byte {
	return Signal{Room: room, Session: session, Kind: SignalBye, From: from, User: user}.message()
}

// Why a signal was not handed to its addressee. They travel between nodes as what outcomeOf makes of them.
var (
	// ErrPeerGone: the addressee is not there, or the session is not open.
	ErrPeerGone = errors.New("the peer is not there, or the session is not open")
	// ErrPeerLimit: the streamer has as many sessions open as there may be.
	ErrPeerLimit = errors.New("the streamer has no seat left; try again when somebody has gone")
	// ErrPeerBusy: the addressee reads too slowly to be told more just now.
	ErrPeerBusy = errors.New("the peer has not read yet what it was told; wait")
	// ErrNotPeers: viewers signal the streamer only, and within their own sessions.
	ErrNotPeers = errors.New("viewers signal the streamer, the streamer everybody, and both within their own sessions only")
)

// outcomes are what a node answers about a signal.
var outcomes = map[string]error{
	"":            nil,
	"peer_gone":   ErrPeerGone,
	"peer_limit":  ErrPeerLimit,
	"peer_busy":   ErrPeerBusy,
	"not_peers":   ErrNotPeers,
	"unknown":     errNoSuchSession,
	"unavailable": presence.ErrUnavailable,
}

// errNoSuchSession answers a probe: the member is there, and knows nothing of the session.
var errNoSuchSession = errors.New("the member has no such session open")

// outcomeOf returns the name under which an error crosses to another node.
func outcomeOf(err error) string {
	for name, known := range outcomes {
		if known != nil && errors.Is(err, known) {
			return name
		}
	}
	if err != nil {
		return "unavailable"
	}
	return ""
}

// errorOfOutcome is outcomeOf the other way round.
func errorOfOutcome(name string) error {
	if err, known := outcomes[name]; known {
		return err
	}
	return presence.ErrUnavailable // of a node that is newer than this one
}

// Signal hands a signal to its addressee, wherever that is connected. The front door has looked at all that the client may
// choose. answered is called once, possibly before Signal returns, or from another goroutine; it must not block. It gets
// nil once the signal is in the queue of the addressee's socket, and otherwise ErrNotJoined, ErrPeerGone, ErrPeerLimit,
// ErrPeerBusy, ErrNotPeers or presence.ErrUnavailable. Signals that one session sends to one addressee arrive in the order of the calls,
// which must not overlap. It may block on the store.
func (h *Hub) Signal(ctx context.Context, s Session, sig Signal, answered func(error)) {
	r, m := h.memberOf(sig.Room, s.Connection())
	if m == nil {
		answered(ErrNotJoined)
		return
	}
	sig.From, sig.User, sig.Role = s.Connection(), s.User(), m.role
	if m.peerings != nil {
		m.peerings.send(ctx, sig, answered)
		return
	}
	if sig.To == ToStreamer {
		streamer, err := h.connectionOf(ctx, r)
		if err != nil {
			answered(err)
			return
		}
		sig.To = streamer
	}
	first := r.sends(sig)
	h.route(ctx, sig, func(err error) {
		if first {
			r.unsent(sig, err)
		}
		answered(err)
	})
}

// connectionOf returns the connection of a room's streamer, or ErrPeerGone. The directory knows without asking anybody, but
// it follows the log of transitions by itself, and may not have come as far as the room, or further. A member who was told
// that the streamer is there must reach them: then the store is asked.
func (h *Hub) connectionOf(ctx context.Context, r *room) (connection string, err error) {
	holder, view := h.cfg.Directory.Holder(r.name)
	if !r.shows(view) {
		ctx, cancel := context.WithTimeout(ctx, peeringsWithin)
		defer cancel()
		lease, err := h.cfg.Store.Get(ctx, r.name)
		if err != nil {
			return "", err
		}
		holder = lease.Holder
	}
	if holder.Connection == "" {
		return "", ErrPeerGone
	}
	return holder.Connection, nil
}

// memberOf returns a member of a room on this node, and the room, or nil.
func (h *Hub) memberOf(name, connection string) (*room, *member) {
	r := h.find(name)
	if r == nil {
		return nil, nil
	}
	return r, r.member(connection)
}

// nodeOf returns the node of a connection, which its id begins with; empty if it is no such id.
func nodeOf(connection string) string {
	return connection[:max(strings.LastIndexByte(connection, '-'), 0)]
}

// route brings a signal to its addressee's node, which is this one or another.
func (h *Hub) route(ctx context.Context, sig Signal, answered func(error)) {
	switch node := nodeOf(sig.To); node {
	case "":
		answered(ErrPeerGone)
	case h.cfg.Node:
		h.TakeSignal(sig, answered)
	default:
		h.cfg.Relay.Signal(ctx, node, sig, answered)
	}
}

// TakeSignal implements Sink.
func (h *Hub) TakeSignal(sig Signal, answered func(error)) {
	r := h.find(sig.Room)
	var m *member
	if r != nil {
		m = r.addressee(sig.To)
	}
	switch {
	case m == nil:
		answered(ErrPeerGone)
	case m.peerings != nil && sig.Role == auth.RoleStreamer, m.peerings == nil && sig.Role != auth.RoleStreamer:
		answered(ErrNotPeers)
	case m.peerings != nil:
		m.peerings.take(sig, answered)
	case sig.Kind == signalProbe:
		answered(r.probe(sig))
	default:
		answered(r.receives(m, sig))
	}
}
