package signalling

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// handler carries out one message. It replies itself, or returns what the
// client is to be told.
type handler func(s *session, id string, raw []byte) error

// handlers is the table of all messages that clients may send.
var handlers = map[string]handler{
	"hello":       handle((*session).handleHello),
	"heartbeat":   handle((*session).handleHeartbeat),
	"join":        handle((*session).handleJoin),
	"leave":       handle((*session).handleLeave),
	"live.start":  handle((*session).handleLiveStart),
	"live.update": handle((*session).handleLiveUpdate),
	"live.end":    handle((*session).handleLiveEnd),
	"publish":     handle((*session).handlePublish),
	"signal":      handle((*session).handleSignal),
	"moderate":    handle((*session).handleModerate),
	"members":     handle((*session).handleMembers),
	"refresh":     handle((*session).handleRefresh),
}

// handle makes a handler of a function that takes the decoded message.
func handle[T any](do func(*session, string, T) error) handler {
	return func(s *session, id string, raw []byte) error {
		var message T
		if err := json.Unmarshal(raw, &message); err != nil {
			var wrong *json.UnmarshalTypeError
			if errors.As(err, &wrong) {
				return refuse(CodeBadRequest, "%s can't be a %.40s", wrong.Field, wrong.Value) // which has a number in full
			}
			return refuse(CodeBadRequest, "the message's fields can't be read")
		}
		return do(s, id, message)
	}
}

// dispatch finds the message's handler. Before hello nothing else is heard.
func (s *session) dispatch(e Envelope, raw []byte) error {
	do := handlers[e.Type]
	switch {
	case do == nil:
		return malformed("type %.40q is unknown", e.Type)
	case s.identity.Load() == nil && e.Type != "hello":
		return refuse(CodeUnauthorized, "send hello with a token first")
	}
	s.srv.metrics.received.WithLabelValues(e.Type).Inc()
	return do(s, e.ID, raw)
}

func (s *session) ok(id string, reply OK) error {
	if id != "" {
		reply.Type, reply.Re = "ok", id
		s.sendMessage(reply)
	}
	return nil
}

func (s *session) handleHello(id string, m Hello) error {
	if s.identity.Load() != nil {
		return refuse(CodeBadRequest, "this connection is authenticated already; use refresh for a new token")
	}
	identity, err := s.srv.cfg.Verifier.Verify(context.Background(), m.Token)
	if errors.Is(err, auth.ErrKeysAway) {
		s.end(causeNoKeys)
		return nil
	}
	if err != nil {
		s.log().Info("signalling: hello refused", "reason", err)
		s.end(causeUnauthorized.because("unauthorized: " + reasonOf(err)))
		return nil
	}
	if s.srv.cfg.Hub.Recognizes(identity) != nil {
		s.end(causeRevoked)
		return nil
	}
	if s.srv.cfg.Hub.Admits(moderation.Everywhere, identity.User, s.Addr()) != nil {
		s.identity.Store(identity)
		s.srv.cfg.Hub.Recheck(s) // no welcome: it closes with 4412
		if s.ended.Load() {
			return nil
		}
		// The ban has just ended.
	}
	if s.account = s.srv.accounts.enter(identity.User); s.account == nil {
		s.end(causeTooMany.because(s.srv.tooManyOf().why))
		return nil
	}
	s.srv.gate.know(s.visitors)
	s.authenticate(identity, id)
	return nil
}

// reasonOf returns the stable reason for which a token was refused.
func reasonOf(err error) string {
	var refused *auth.Error
	if errors.As(err, &refused) {
		return string(refused.Reason)
	}
	return err.Error()
}

func (s *session) handleHeartbeat(id string, _ Nothing) error {
	for _, m := range s.joined {
		if m.role == auth.RoleStreamer {
			s.srv.cfg.Hub.Beat(s, m.room)
		}
	}
	s.sendMessage(Heartbeat{Type: "heartbeat", Re: id, Now: presence.MillisOf(time.Now())})
	return nil
}

func (s *session) handleJoin(id string, m Join) error {
	if m.Role == "" {
		m.Role = auth.RoleViewer
	}
	_, again := s.joined.of(m.Room)
	switch {
	case !auth.ValidRoom(m.Room):
		return badRoom()
	case !m.Role.Valid():
		return refuse(CodeBadRequest, "role must be viewer, streamer or moderator")
	case !s.identity.Load().MayJoin(m.Room, m.Role):
		return refuse(CodeForbidden, "the token has no grant to join this room as %s", m.Role)
	case !again && len(s.joined) >= s.srv.cfg.Rules.Rooms:
		return refuse(CodeTooLarge, "a connection joins at most %d rooms; leave one first", s.srv.cfg.Rules.Rooms)
	case s.srv.draining.Load() && !again:
		return refuse(CodeUnavailable, "this node is draining; come back to another one")
	}
	err := s.srv.cfg.Hub.Join(context.Background(), s, rooms.Join{Room: m.Room, Role: m.Role, Since: m.Since, Request: id})
	if errors.Is(err, presence.ErrUnavailable) && m.Role == auth.RoleStreamer && s.srv.cfg.Hub.Stale() {
		s.Reconnect(0, presence.ReasonIsolated) // a window may be running: nothing is to be had here
	}
	if err != nil {
		return err
	}
	s.joined.add(m.Room, m.Role)
	if !again && m.Role == auth.RoleStreamer {
		s.life.streaming.Add(1)
		s.srv.wheel.look(s)
	}
	return nil
}

func badRoom() error {
	return refuse(CodeBadRequest, "room must be 1 to 128 of A-Z a-z 0-9 . _ - ~ :")
}

func (s *session) handleLeave(id string, m Leave) error {
	role, ok := s.joined.of(m.Room)
	if !ok {
		return rooms.ErrNotJoined
	}
	if err := s.srv.cfg.Hub.Leave(context.Background(), s, m.Room, presence.ReasonLeft); err != nil {
		return err
	}
	s.joined.remove(m.Room)
	if role == auth.RoleStreamer {
		s.life.streaming.Add(-1)
	}
	return s.ok(id, OK{})
}

func (s *session) handleLiveStart(id string, m LiveStart) error {
	if err := checkDetails(&m.Title, &m.Category, &m.Language, &m.Tags); err != nil {
		return err
	}
	start := presence.Start{Details: m.Details}
	if m.WindowMS != nil {
		if *m.WindowMS < 0 || *m.WindowMS > presence.MaxWindow.Milliseconds() {
			return refuse(CodeBadRequest, "window_ms must be between 0 and %d", presence.MaxWindow.Milliseconds())
		}
		window := time.Duration(*m.WindowMS) * time.Millisecond
		start.Window = &window
	}
	if err := s.mayBroadcast(m.Room); err != nil {
		return err
	}
	b, err := s.srv.cfg.Hub.Start(context.Background(), s, m.Room, start)
	if err != nil {
		return onLease(err)
	}
	return s.ok(id, OK{Broadcast: b})
}

func (s *session) handleLiveUpdate(id string, m LiveUpdate) error {
	if err := checkDetails(m.Title, m.Category, m.Language, m.Tags); err != nil {
		return err
	}
	if err := s.mayBroadcast(m.Room); err != nil {
		return err
	}
	b, err := s.srv.cfg.Hub.Update(context.Background(), s, m.Room, presence.Changes{
		Title: m.Title, Category: m.Category, Language: m.Language, Tags: m.Tags,
	})
	if err != nil {
		return onLease(err)
	}
	return s.ok(id, OK{Broadcast: b})
}

func (s *session) handleLiveEnd(id string, m LiveEnd) error {
	if err := s.srv.cfg.Hub.End(context.Background(), s, m.Room); err != nil {
		return onLease(err)
	}
	return s.ok(id, OK{})
}

// mayBroadcast refuses who joined as streamer and was given a lesser token since. Of others the hub knows that they may not.
func (s *session) mayBroadcast(room string) error {
	role, _ := s.joined.of(room)
	if role == auth.RoleStreamer && !s.identity.Load().MayJoin(room, role) {
		return refuse(CodeForbidden, "the token that replaced the first does not allow to broadcast in this room")
	}
	return nil
}

// onLease says what a role has to do with it.
func onLease(err error) error {
	if errors.Is(err, rooms.ErrRole) {
		return refuse(CodeForbidden, "only who joined the room as streamer broadcasts in it")
	}
	return err
}

// Limits of what is said about a broadcast, in characters.
const (
	maxTitle, maxCategory, maxLanguage = 200, 100, 35
	maxTags, maxTag                    = 10, 50
)

// checkDetails looks at those that are given.
func checkDetails(title, category, language *string, tags *[]string) error {
	err := errors.Join(checkLength("title", title, maxTitle), checkLength("category", category, maxCategory), checkLength("language", language, maxLanguage))
	if tags != nil {
		if len(*tags) > maxTags {
			err = errors.Join(err, refuse(CodeTooLarge, "tags are at most %d", maxTags))
		}
		for i := range *tags {
			err = errors.Join(err, checkLength(fmt.Sprintf("tags[%d]", i), &(*tags)[i], maxTag))
		}
	}
	return err
}

func checkLength(field string, value *string, most int) error {
	if value == nil || utf8.RuneCountInString(*value) <= most {
		return nil
	}
	return refuse(CodeTooLarge, "%s is longer than %d characters", field, most)
}

func (s *session) handlePublish(id string, m Publish) error {
	role, ok := s.joined.of(m.Room)
	if !ok {
		return rooms.ErrNotJoined
	}
	data, err := rooms.Check(m.Event, m.Data)
	if err != nil {
		return err
	}
	identity := s.identity.Load()
	if !identity.May(m.Room, role, rooms.ActionOf(m.Event)) {
		return refuse(CodeForbidden, "the token does not allow %s in this room", m.Event)
	}
	if err := s.srv.cfg.Hub.MaySpeak(m.Room, identity.User); err != nil {
		return err
	}
	if m.Event == rooms.EventChat {
		perSecond := s.srv.cfg.Rules.Chat
		if err := limit(s.srv.accounts.allow(s.account).chat, "chat is limited to %d a second in bursts of %d", perSecond, chatBurst*perSecond); err != nil {
			return err
		}
	}
	p, err := s.srv.cfg.Hub.Publish(context.Background(), rooms.Publication{
		Room: m.Room,
		Name: m.Event,
		From: &rooms.Sender{ID: identity.User, Name: identity.Name, Role: role},
		Data: data,
		Slow: s.srv.cfg.Hub.Slow(m.Room, m.Event, identity.MayModerate(m.Room)),
	})
	if err != nil {
		return err
	}
	return s.ok(id, OK{Epoch: p.Epoch, Offset: p.Offset})
}

// pageOfMembers is the most members in one reply, and how many without first.
const pageOfMembers = 100

func (s *session) handleMembers(id string, m Members) error {
	if _, ok := s.joined.of(m.Room); !ok {
		return rooms.ErrNotJoined
	}
	if m.First == 0 {
		m.First = pageOfMembers
	}
	if m.First < 1 || m.First > pageOfMembers {
		return refuse(CodeBadRequest, "first must be between 1 and %d", pageOfMembers)
	}
	after, err := base64.RawURLEncoding.DecodeString(m.After)
	if err != nil {
		return refuse(CodeBadRequest, "after is not a cursor of this list")
	}
	if err := limit(lazily(&s.rosters, rostersPerSecond, rostersBurst), "members is limited to %d a second in bursts of %d: all nodes are asked", rostersPerSecond, rostersBurst); err != nil {
		return err
	}
	roster := s.srv.cfg.Hub.Roster(context.Background(), m.Room, m.First, string(after))
	reply := OK{Members: roster.Members, Partial: roster.Partial}
	if n := len(roster.Members); roster.More && n > 0 {
		reply.Next = base64.RawURLEncoding.EncodeToString([]byte(roster.Members[n-1].ID))
	}
	return s.ok(id, reply)
}

func (s *session) handleRefresh(id string, m Refresh) error {
	identity, err := s.srv.cfg.Verifier.Verify(context.Background(), m.Token)
	if err != nil {
		return err
	}
	if identity.User != s.identity.Load().User {
		return refuse(CodeForbidden, "the new token is another user's")
	}
	if err := s.srv.cfg.Hub.Recognizes(identity); err != nil {
		return err
	}
	s.identity.Store(identity)
	s.srv.wheel.look(s)
	s.srv.cfg.Hub.Recheck(s)
	return s.ok(id, OK{ExpiresAt: presence.MillisOf(identity.Expires)})
}
