package signalling

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/pace"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

// session is one connection.
type session struct {
	// These stand first and next to each other, for the sake of every delivery: see socket.
	out  queue
	sock socket

	// Fixed after construction.
	srv  *Server
	conn *websocket.Conn
	id   string
	from string // the peer's address

	visitors *visitors // those whom the gate counts it among
	account  *account  // whose it is; nil until authenticated, and never changed then

	// Used by any goroutine.
	identity atomic.Pointer[auth.Identity] // nil until authenticated
	in       inbox
	life     life
	ended    atomic.Bool
	gone     atomic.Bool    // the server knows it no more
	cause    *cause         // written once by whoever set ended, read by takeApart
	finished sync.WaitGroup // one from the beginning, none once takeApart has returned

	slot int // owned by the wheel: its place there, from 1; 0: none

	// Owned by the inbox's goroutine, and by takeApart once the inbox is closed.
	joined   memberships
	messages *rate.Limiter
	bytes    *rate.Limiter // nil until the first time
	rosters  *rate.Limiter // of questions about members; nil until the first time
	acts     *rate.Limiter // of moderation; nil until the first time
	signals  *rate.Limiter // of the bytes of signals; nil until the first time
	patience *rate.Limiter // with a peer that is told to slow down and does not; nil until the first time
	bad      int           // messages in a row that were none
}

var (
	_ rooms.Session = (*session)(nil)
	_ outlet        = (*session)(nil)
)

// newSession returns a session that has no connection yet.
func newSession(srv *Server, id, from string) *session {
	s := &session{srv: srv, id: id, from: from, messages: pace.Limiter(srv.cfg.Rules.Messages, burst)}
	s.in.init(s.handleFrame)
	s.out.writers, s.out.out = srv.writers, s
	s.life.begin(srv.wheel.now(), srv.cfg.Ping)
	s.finished.Add(1)
	return s
}

// await waits for what the peer sends next. It and read are the session's own goroutines, one after the other: that which
// waits, and there is one of it for every connection, never needs more than the smallest stack.
//
// A third handles messages, which may take its time: it is read's, which by then has one waiting in its place, and a stack
// that has grown as it must.
func (s *session) await() {
	for {
		frame, err := s.sock.await()
		switch {
		case err != nil:
			s.readNoMore(causeGone)
			return
		case frame:
			go s.read()
			return
		default:
			s.life.pong(s.srv.wheel.now())
		}
	}
}

// read reads a message, and what was read with it.
func (s *session) read() {
	for {
		kind, frame, err := s.conn.Read(context.Background())
		if err == nil && kind == websocket.MessageText && !utf8.Valid(frame) {
			err = errNoText
		}
		if err != nil {
			s.readNoMore(causeOfRead(err))
			return
		}
		s.life.message(s.srv.wheel.now())
		work := false
		switch {
		case kind != websocket.MessageText:
			s.end(causeProtocol.because("frames must be text"))
		default:
			work = s.in.push(frame) // refused once the session has ended: then only the close matters
		}
		switch more := s.sock.more(); {
		case more && work:
			go s.in.work()
		case !more:
			go s.await()
			if work {
				s.in.work()
			}
			return
		}
	}
}

// pinged answers a ping by way of the queue: a pong may have to wait for the rest of a frame, and the reader must not.
func (s *session) pinged(_ context.Context, payload []byte) (library bool) {
	s.life.pong(s.srv.wheel.now())
	s.out.pushPong(payload)
	return false
}

// readNoMore ends the session, whose reader ends with it. It returns when the session is finished, whoever ended it: the
// server counts it as open for as long.
func (s *session) readNoMore(c cause) {
	if s.over(c) {
		s.takeApart() // here: when thousands are gone at once, none of them needs a second goroutine
	}
	s.finished.Wait()
	s.srv.remove(s)
	s.srv.sessions.Done()
}

// errNoText is a text message that is none: the library does not look (RFC 6455 §8.1).
var errNoText = errors.New("not UTF-8")

// causeOfRead says what a failed read means. The library has already answered a close frame. What is neither that nor the
// end of the connection is a frame that must not be.
func causeOfRead(err error) cause {
	_, broken := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return causeTooBig
	case errors.Is(err, errNoText):
		return causeNoText
	case broken, websocket.CloseStatus(err) != -1,
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return causeGone
	}
	return causeForbidden
}

// handleFrame handles the messages of one frame, in order.
func (s *session) handleFrame(frame []byte) {
	for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if s.ended.Load() {
			return
		}
		s.handleMessage(line)
	}
}

// handleMessage handles one message and replies.
func (s *session) handleMessage(raw []byte) {
	envelope, err := parseEnvelope(raw)
	if err == nil {
		err = s.admit(len(raw))
	}
	if err == nil {
		err = s.dispatch(envelope, raw)
	}
	if err == nil {
		s.bad = 0
		return
	}
	told := errorOf(err)
	if told.Code == CodeInternal {
		s.log().Error("signalling: a message failed", "type", envelope.Type, "error", err)
	}
	s.srv.metrics.refused.WithLabelValues(string(told.Code)).Inc()
	s.sendMessage(told.reply(envelope.ID))
	s.countAgainst(told, len(raw))
}

// countAgainst ends the session of a peer that does not speak the protocol, or
// does not slow down when it is told to.
func (s *session) countAgainst(e *Error, size int) {
	switch {
	case e.malformed:
		if s.bad++; s.bad >= maxBad {
			s.end(causeProtocol.because("too many messages that are none"))
		}
	case e.Code == CodeRateLimited:
		// Not in a row: between two refusals a flood always gets some through.
		if !lazily(&s.patience, forgivenPerSecond, maxLimited).AllowN(time.Now(), 1+size/lightMessage) {
			s.end(causeTooMany)
		}
	default:
		s.bad = 0
	}
}

func parseEnvelope(raw []byte) (Envelope, error) {
	var e Envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return Envelope{}, malformed("%s must be a string", wrong.Field)
		}
		return Envelope{}, malformed("a message must be a JSON object")
	}
	if len(e.ID) > MaxRequest {
		return Envelope{}, malformed("id is longer than %d bytes", MaxRequest)
	}
	return e, nil
}

// admit applies the limits on messages and bytes a second: the connection's, and its user's.
func (s *session) admit(size int) error {
	rules := &s.srv.cfg.Rules
	if err := limit(s.messages, "messages are limited to %d a second in bursts of %d", rules.Messages, burst*rules.Messages); err != nil {
		return err
	}
	heavy := size > lightMessage
	if heavy {
		if s.bytes == nil {
			s.bytes = pace.Limiter(rules.Bytes, burst)
		}
		if err := limitN(s.bytes, size, "bytes are limited to %d a second in bursts of %d", rules.Bytes, burst*rules.Bytes); err != nil {
			return err
		}
	}
	if s.account == nil {
		return nil
	}
	theirs := s.account.allowance.Load()
	if theirs == nil {
		return nil
	}
	if err := limit(theirs.messages, "messages of a user are limited to %d a second in bursts of %d", rules.UserMessages, burst*rules.UserMessages); err != nil || !heavy {
		return err
	}
	return limitN(theirs.bytes, size, "bytes of a user are limited to %d a second in bursts of %d", rules.UserBytes, burst*rules.UserBytes)
}

// sent returns how much the connection has sent of what it may at once, unless that is less than half.
func (s *session) sent() (much sent) {
	now := time.Now()
	used := func(l *rate.Limiter) int {
		if l == nil || l.Limit() == rate.Inf || 2*l.TokensAt(now) >= float64(l.Burst()) {
			return 0
		}
		return l.Burst() - int(l.TokensAt(now))
	}
	return sent{messages: used(s.messages), bytes: used(s.bytes)}
}

// lazily returns a limiter that is made the first time: most connections never need it.
func lazily(l **rate.Limiter, perSecond rate.Limit, burst int) *rate.Limiter {
	if *l == nil {
		*l = rate.NewLimiter(perSecond, burst)
	}
	return *l
}

func limit(l *rate.Limiter, format string, args ...any) error { return limitN(l, 1, format, args...) }

// limitN takes n at once, which is not more than the burst.
func limitN(l *rate.Limiter, n int, format string, args ...any) error {
	now := time.Now()
	if l.Limit() == rate.Inf {
		return nil
	}
	r := l.ReserveN(now, min(n, l.Burst())) // one that is larger than all takes all
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	e := refuse(CodeRateLimited, format, args...)
	e.RetryAfter = max(wait, time.Millisecond)
	return e
}

// authenticate accepts the connection's first token.
func (s *session) authenticate(id *auth.Identity, request string) {
	s.identity.Store(id)
	s.srv.wheel.look(s)
	cfg, rules := &s.srv.cfg, &s.srv.cfg.Rules
	s.sendMessage(Welcome{
		Type:        "welcome",
		Re:          request,
		Connection:  s.id,
		Node:        cfg.Node,
		User:        s.User(),
		HeartbeatMS: cfg.Heartbeat.Milliseconds(),
		PingMS:      max(cfg.Ping, 0).Milliseconds(),
		Limits: Limits{
			FrameBytes: MaxFrame, Rooms: told(rules.Rooms), ChatChars: rooms.MaxChatRunes, EventBytes: rooms.MaxDataBytes,
			SDPBytes: MaxSDP, SignalBytes: MaxSignal,
			MessagesPerSecond: told(rules.Messages), MessagesBurst: told(times(burst, rules.Messages)),
			ChatPerSecond: told(rules.Chat), ChatBurst: told(times(chatBurst, rules.Chat)),
			ReactionKinds: rooms.MaxReactionKinds,
		},
		ExpiresAt: presence.MillisOf(id.Expires),
		Now:       presence.MillisOf(time.Now()),
	})
	s.srv.cfg.Hub.Recheck(s)
}

// Connection implements rooms.Session.
func (s *session) Connection() string { return s.id }

// User implements rooms.Session.
func (s *session) User() presence.User {
	id := s.identity.Load()
	if id == nil {
		return presence.User{}
	}
	return presence.User{ID: id.User, Name: id.Name}
}

// Identity implements rooms.Session.
func (s *session) Identity() *auth.Identity { return s.identity.Load() }

// Addr implements rooms.Session. It is read anew each time: it is asked for seldom, and there are many sessions.
func (s *session) Addr() netip.Addr { return addrOf(s.from) }

func addrOf(remote string) netip.Addr {
	peer, _ := netip.ParseAddrPort(remote) // none: a socket in the file system, for one
	return peer.Addr()
}

// Send implements rooms.Session.
func (s *session) Send(message []byte) {
	if _, full := s.out.push(message, MaxQueued); full {
		s.end(causeTooSlow)
	}
}

// Signal implements rooms.Session. Others can't fill the queue with signals, or reactions, and so end the session of who reads
// slowly.
func (s *session) Signal(message []byte) error {
	switch queued, full := s.out.push(message, MaxQueued/2); {
	case full:
		return rooms.ErrPeerBusy
	case !queued:
		return rooms.ErrPeerGone
	}
	return nil
}

func (s *session) sendMessage(message any) { s.Send(wire.JSON(message)) }

// Joined implements rooms.Session.
func (s *session) Joined(j rooms.Joined) {
	s.sendMessage(Joined{
		Type:      "joined",
		Re:        j.Request,
		Room:      j.Room,
		Role:      j.Role,
		Member:    s.id,
		Position:  j.Position,
		Recovered: j.Recovered,
		Events:    encoded(j.Events),
		Chat:      encoded(j.Chat),
		Streamer:  j.Streamer,
		Viewers:   Connections{j.Connections},
		ICE:       s.iceServers(),
		Slow:      int(j.Slow / time.Second),
		Stale:     j.Stale,
	})
}

func encoded(events []*rooms.Event) []json.RawMessage {
	messages := make([]json.RawMessage, len(events))
	for i, e := range events {
		messages[i] = e.Message()
	}
	return messages
}

// Reconnect implements rooms.Session.
func (s *session) Reconnect(after time.Duration, why presence.Reason) {
	s.sendMessage(Reconnect{Type: "reconnect", AfterMS: after.Milliseconds(), Reason: why})
}

// Cut implements rooms.Session.
func (s *session) Cut(c rooms.Cut) { s.end(causeOf(c)) }

// Expel implements rooms.Session.
func (s *session) Expel(e rooms.Expulsion) { s.end(causeOfExpulsion(e)) }

// attempt implements outlet.
func (s *session) attempt(frame []byte) ([]byte, error) { return s.sock.attempt(frame) }

// finish implements outlet. The wheel looks at how long it takes.
func (s *session) finish(rest []byte) error {
	s.life.writing(s.srv.wheel.now())
	s.srv.wheel.look(s)
	defer s.life.written()
	return s.sock.finish(rest)
}

// failed implements outlet. If it is we who have closed the connection, whoever did that says why.
func (s *session) failed(err error) {
	if !errors.Is(err, net.ErrClosed) {
		s.end(causeGone)
	}
}

// log returns a logger that says whose connection it is. It is made anew each time: there is little to log of most.
func (s *session) log() *slog.Logger {
	log := s.srv.cfg.Logger.With("connection", s.id, "remote", s.from)
	if id := s.identity.Load(); id != nil {
		log = log.With("user", id.User)
	}
	return log
}

// end ends the session for this cause unless it is ending already. It does not
// block; takeApart does the work.
func (s *session) end(c cause) {
	if s.over(c) {
		go s.takeApart()
	}
}

// over notes why the session ends. If it was ending already, it is false; otherwise the caller has it taken apart.
func (s *session) over(c cause) bool {
	if s.ended.Swap(true) {
		return false
	}
	s.cause = &c
	s.srv.metrics.closed.WithLabelValues(c.label()).Inc()
	if c.unread {
		s.out.close(true)
	}
	return true
}

// takeApart takes the session apart. Presence comes first: whoever waits for the
// streamer must not wait for a slow peer's close.
func (s *session) takeApart() {
	defer s.finished.Done()
	s.in.close()
	ctx := context.Background()
	for _, m := range s.joined {
		room := m.room
		if err := s.srv.cfg.Hub.Leave(ctx, s, room, s.cause.releaseFrom(room)); err != nil && !errors.Is(err, rooms.ErrNotJoined) {
			s.log().Error("signalling: leaving a room failed", "room", room, "error", err)
		}
	}
	s.srv.cfg.Hub.Unregister(s)
	s.out.close(s.cause.unread)
	s.out.drained()
	switch {
	case s.cause.fails:
		s.sock.fail(s.cause.code, s.cause.reason)
	case s.cause.code != causeGone.code:
		s.sock.readThrough()
		_ = s.conn.Close(s.cause.code, s.cause.reason) // waits for the peer's answer, but not for long
	}
	_ = s.conn.CloseNow()
}
