package signalling

import (
	"context"
	"encoding/json"
	"regexp"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/pace"
	"github.com/tallylight/tallylight/rooms"
)

// Limits of signals.
const (
	MaxSDP    = 64 << 10 // bytes of a session description
	MaxSignal = 4 << 10  // bytes of the data of any other signal
	maxMember = 256      // bytes of a member's id
)

// validSession is for the ids of signalling sessions, which clients choose.
var validSession = regexp.MustCompile(`^[A-Za-z0-9._~:-]{1,64}$`)

func (s *session) handleSignal(id string, m Signal) error {
	role, ok := s.joined.of(m.Room)
	switch {
	case !ok:
		return rooms.ErrNotJoined
	case !s.identity.Load().May(m.Room, role, auth.ActionSignal):
		return refuse(CodeForbidden, "the token does not allow to signal in this room")
	}
	if err := m.check(); err != nil {
		return err
	}
	share := 1
	if role == auth.RoleStreamer {
		share = streamersShare
	}
	perSecond := s.srv.cfg.Rules.SignalBytes
	if s.signals == nil {
		s.signals = pace.Limiter(times(share, perSecond), burst)
	}
	if err := limitN(s.signals, len(m.Data), "signals are limited to %d bytes a second in bursts of %d", times(share, perSecond), burst*share*perSecond); err != nil {
		return err
	}
	s.srv.cfg.Hub.Signal(context.Background(), s, rooms.Signal{
		Room: m.Room, Session: m.Session, Kind: m.Kind, Data: m.Data, To: m.To,
	}, func(err error) { s.signalled(id, err) })
	return nil
}

// signalled tells what became of a signal, which may be after what was asked later.
func (s *session) signalled(id string, err error) {
	if err == nil {
		_ = s.ok(id, OK{})
		return
	}
	told := errorOf(err)
	s.srv.metrics.refused.WithLabelValues(string(told.Code)).Inc()
	s.sendMessage(told.reply(id))
}

// check looks at all that the client may choose.
func (m *Signal) check() error {
	switch {
	case !m.Kind.Valid():
		return refuse(CodeBadRequest, "kind must be request, offer, answer, candidate or bye")
	case !validSession.MatchString(m.Session):
		return refuse(CodeBadRequest, "session must be 1 to 64 of A-Z a-z 0-9 . _ - ~ :")
	case m.To == "" || len(m.To) > maxMember:
		return refuse(CodeBadRequest, `to must be "streamer" or the id of a member`)
	case !utf8.Valid(m.Data):
		// It is handed on as it is, and a browser drops its socket over a text frame that is not UTF-8 (RFC 6455 §8.1).
		return refuse(CodeBadRequest, "data is not UTF-8")
	case m.Kind == rooms.SignalOffer || m.Kind == rooms.SignalAnswer:
		return m.checkDescription()
	case len(m.Data) > MaxSignal:
		return refuse(CodeTooLarge, "data of a %s must not be longer than %d bytes, and has %d", m.Kind, MaxSignal, len(m.Data))
	}
	return nil
}

// checkDescription looks at a session description (RFC 8829 §5), but for what it says: any codec is as good as another.
func (m *Signal) checkDescription() error {
	var description struct {
		SDP string `json:"sdp"`
	}
	if json.Unmarshal(m.Data, &description) != nil || description.SDP == "" {
		return refuse(CodeBadRequest, `data of an %s must be an object with the description as "sdp"`, m.Kind)
	}
	if n := len(description.SDP); n > MaxSDP {
		return refuse(CodeTooLarge, "sdp must not be longer than %d bytes, and has %d", MaxSDP, n)
	}
	return nil
}
