package web

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Sanction is a ban or a mute: of a user, or of an address.
type Sanction struct {
	Room      string `json:"room"`
	Target    string `json:"target"` // what a DELETE takes
	User      string `json:"user,omitempty"`
	IP        string `json:"ip,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Actor     string `json:"actor"`
	CreatedAt Time   `json:"created_at"`
	ExpiresAt Time   `json:"expires_at,omitempty"`
}

// SanctionPage is a list of them. Next is there only if more follow.
type SanctionPage struct {
	Data []Sanction `json:"data"`
	Next string     `json:"next,omitempty"`
}

// Settings are those of a room.
type Settings struct {
	SlowSeconds int `json:"slow_seconds"`
}

func sanctionOf(e moderation.Entry) Sanction {
	s := Sanction{
		Room: e.Room, Target: e.Target, Reason: e.Reason, Actor: e.Actor, CreatedAt: Time(e.Created), ExpiresAt: Time(e.Until),
	}
	if address, ok := moderation.AddressOf(e.Target); ok {
		s.IP = address
	} else {
		s.User = e.Target
	}
	return s
}

func madeBy(a moderation.Act) Sanction {
	return sanctionOf(moderation.Entry{Room: a.Room, Target: a.Target, Actor: a.Actor, Reason: a.Reason, Created: a.At, Until: a.Until})
}

const formRooms = formRoom + "; or * for all of them"

// moderatedRoom returns the room of a path, which may be all of them.
func moderatedRoom(r *http.Request) (string, error) {
	return pathID(r, "room", formRooms, func(id string) bool { return id == moderation.Everywhere || auth.ValidRoom(id) })
}

// moderate carries out an act in the room of the path, on behalf of who asks.
// The hub looks at who may, and at what is asked for.
func (s *server) moderate(r *http.Request, a moderation.Act) (moderation.Act, error) {
	room, err := moderatedRoom(r)
	if err != nil {
		return a, err
	}
	id, err := s.known(r)
	if err != nil {
		return a, err
	}
	if !id.HasScope(auth.ScopeService) {
		if wait := s.limits.take(id.User, moderating); wait > 0 {
			return a, tooMany(wait, "you moderate too much at a time; wait a moment")
		}
	}
	a.Room = room
	return s.cfg.Hub.Moderate(r.Context(), id, a)
}

// upon is the body of a kick or a mute.
type upon struct {
	User    string `json:"user"`
	Reason  string `json:"reason"`
	Seconds int64  `json:"seconds"`
}

func (s *server) readUpon(w http.ResponseWriter, r *http.Request, action moderation.Action) (a moderation.Act, err error) {
	var body upon
	if err := readJSON(w, r, &body); err != nil {
		return a, err
	}
	if most := int64(rooms.MaxTerm / time.Second); body.Seconds < 0 || body.Seconds > most {
		return a, badRequest("seconds must be between 0 and %d", most)
	}
	a = moderation.Act{Action: action, Target: body.User, Reason: body.Reason}
	if body.Seconds > 0 {
		a.Until = presence.MillisOf(time.Now().Add(time.Duration(body.Seconds) * time.Second))
	}
	if _, address := moderation.AddressOf(a.Target); address {
		return a, badRequest("user %.100q is not %s", a.Target, formUser)
	}
	return a, nil
}

func (s *server) kick(w http.ResponseWriter, r *http.Request) error {
	a, err := s.readUpon(w, r, moderation.Kick)
	if err == nil {
		_, err = s.moderate(r, a)
	}
	return s.done(w, err)
}

func (s *server) mute(w http.ResponseWriter, r *http.Request) error {
	a, err := s.readUpon(w, r, moderation.Mute)
	if err == nil {
		a, err = s.moderate(r, a)
	}
	if err != nil {
		return err
	}
	return s.created(w, r, madeBy(a))
}

func (s *server) unmute(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r, "user", formUser, auth.ValidUser)
	if err == nil {
		_, err = s.moderate(r, moderation.Act{Action: moderation.Unmute, Target: user})
	}
	return s.done(w, err)
}

func (s *server) ban(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		User      string     `json:"user"`
		IP        string     `json:"ip"`
		Reason    string     `json:"reason"`
		ExpiresAt *time.Time `json:"expires_at"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	a := moderation.Act{Action: moderation.Ban, Target: body.User, Reason: body.Reason}
	switch {
	case (body.User == "") == (body.IP == ""):
		return badRequest("name either a user or an ip")
	case body.IP != "":
		target, ok := moderation.ParseAddress(body.IP)
		if !ok {
			return badRequest("ip %.100q is not an address; of IPv6 it may be a /64", body.IP)
		}
		a.Target = target
	case !auth.ValidUser(body.User):
		return badRequest("user %.100q is not %s", body.User, formUser)
	}
	if body.ExpiresAt != nil {
		a.Until = instant(*body.ExpiresAt)
	}
	a, err := s.moderate(r, a)
	if err != nil {
		return err
	}
	return s.created(w, r, madeBy(a))
}

func (s *server) unban(w http.ResponseWriter, r *http.Request) error {
	text, err := pathID(r, "target", "a user id, or ip: and an address", func(id string) bool { _, ok := moderation.ParseTarget(id); return ok })
	if err == nil {
		target, _ := moderation.ParseTarget(text)
		_, err = s.moderate(r, moderation.Act{Action: moderation.Unban, Target: target})
	}
	return s.done(w, err)
}

func (s *server) deleteEvent(w http.ResponseWriter, r *http.Request) error {
	text := chi.URLParam(r, "offset")
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil || offset < 1 {
		return badRequest("offset %.40q is not that of an event", text)
	}
	_, err = s.moderate(r, moderation.Act{Action: moderation.Delete, Details: moderation.Details{Offset: offset}})
	return s.done(w, err)
}

func (s *server) setSettings(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		SlowSeconds *int `json:"slow_seconds"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.SlowSeconds == nil {
		return badRequest("slow_seconds is missing")
	}
	a, err := s.moderate(r, moderation.Act{Action: moderation.Slow, Details: moderation.Details{Seconds: *body.SlowSeconds}})
	if err != nil {
		return err
	}
	return s.ok(w, r, Settings{SlowSeconds: a.Seconds})
}

func (s *server) settings(w http.ResponseWriter, r *http.Request) error {
	room, err := pathID(r, "room", formRoom, auth.ValidRoom)
	if err != nil {
		return err
	}
	id, err := s.known(r)
	if err != nil {
		return err
	}
	if !id.MayRead(room) {
		return forbidden("this takes a grant on the room, or scope service or admin")
	}
	store, err := s.moderationStore()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	seconds, err := store.SlowSeconds(ctx, room)
	if err != nil {
		return moderationAway(err)
	}
	return s.ok(w, r, Settings{SlowSeconds: seconds})
}

func (s *server) bans(w http.ResponseWriter, r *http.Request) error {
	return s.sanctions(w, r, (*moderation.Store).Bans)
}

func (s *server) mutes(w http.ResponseWriter, r *http.Request) error {
	return s.sanctions(w, r, (*moderation.Store).Mutes)
}

// sanctions lists those of a room that are in force.
func (s *server) sanctions(w http.ResponseWriter, r *http.Request, list func(*moderation.Store, context.Context, moderation.EntryQuery) ([]moderation.Entry, error)) error {
	room, err := moderatedRoom(r)
	if err != nil {
		return err
	}
	id, err := s.known(r)
	if err != nil {
		return err
	}
	if room == moderation.Everywhere && !id.HasScope(auth.ScopeService) || !id.MayModerate(room) {
		return forbidden("this takes a moderator's or streamer's grant on the room, or scope service or admin")
	}
	found, more, err := inForce(s, r, room, list)
	if err != nil {
		return err
	}
	page := SanctionPage{Data: []Sanction{}}
	for _, e := range found {
		page.Data = append(page.Data, sanctionOf(e))
	}
	if more {
		page.Next = found[len(found)-1].Target
	}
	return s.ok(w, r, page)
}

// inForce reads one page of what is in force, as the request asks for it; more
// follow or not.
func inForce[E any](s *server, r *http.Request, room string, list func(*moderation.Store, context.Context, moderation.EntryQuery) ([]E, error)) (found []E, more bool, err error) {
	store, err := s.moderationStore()
	if err != nil {
		return nil, false, err
	}
	p := paramsOf(r)
	q := moderation.EntryQuery{Room: room, First: p.first(), After: p.one("after"), Now: presence.MillisOf(time.Now())}
	if p.err != nil {
		return nil, false, p.err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	first := q.First
	q.First++ // one more tells whether more follow
	if found, err = list(store, ctx, q); err != nil {
		return nil, false, moderationAway(err)
	}
	return found[:min(first, len(found))], len(found) > first, nil
}

func (s *server) moderationStore() (*moderation.Store, error) {
	if s.cfg.Book == nil {
		return nil, retryLater(nil, "nobody is moderated on this node")
	}
	return s.cfg.Book.Store(), nil
}

func moderationAway(err error) error {
	return retryLater(err, "the database can't be read at the moment")
}

// addrOf is the address that a request came from, which clientAddr has found.
func addrOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // none: a socket in the file system, for one
	return peer.Addr()
}
