package rooms

import (
	"net/netip"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Expulsion is why somebody is put out.
type Expulsion struct {
	Room string          // or moderation.Everywhere
	Why  presence.Reason // ReasonKicked or ReasonBanned
	moderation.Term
}

// From reports whether it is this room that somebody is put out of: if they
// are, their broadcast there is over, and elsewhere the connection is only
// lost.
func (e Expulsion) From(room string) bool { return e.Room == moderation.Everywhere || e.Room == room }

// Says puts it in words, see moderation.Term.
func (e Expulsion) Says() string { return e.Term.Says(string(e.Why)) }

func expulsionOf(a moderation.Act) Expulsion {
	why := presence.ReasonBanned
	if a.Action == moderation.Kick {
		why = presence.ReasonKicked
	}
	return Expulsion{Room: a.Room, Why: why, Term: moderation.Term{Until: a.Until, Reason: a.Reason}}
}

// kickedLately is how old a kick may be when a node hears of it: who is there
// after that may rightly have come back.
const kickedLately = time.Minute

// acted is told of each act once it is in the book, in order.
func (h *Hub) acted(a moderation.Act) {
	now := time.Now()
	late := now.Sub(a.At.Time())
	switch e := expulsionOf(a); {
	case a.Excludes() && !e.Over(now), a.Action == moderation.Kick && late < kickedLately:
		h.expel(e, func(user string, addr func() netip.Addr) bool { return moderation.Concerns(a.Target, user, addr) })
	case a.Action == moderation.Revoke:
		h.cutRevoked()
	}
	// The node that acts tells the room of it. It may be gone before it has, and then it is one of these two that does.
	if h.rank(presence.PartitionOf(a.Room)) < 2 {
		h.followUp(a)
	}
}

// rank says which place this node has among those that could look after a
// partition.
func (h *Hub) rank(partition int) int {
	if h.cfg.Rank == nil {
		return 0
	}
	return h.cfg.Rank(partition)
}

// expel puts those sessions out of a room that the condition holds for. It does
// not block.
func (h *Hub) expel(e Expulsion, hit func(user string, addr func() netip.Addr) bool) {
	for _, s := range h.sessionsIn(e.Room) {
		if hit(s.User().ID, s.Addr) {
			s.Expel(e)
		}
	}
}

// sessionsIn returns the sessions of this node that are members of a room, or
// all of them.
func (h *Hub) sessionsIn(name string) (in []Session) {
	if name == moderation.Everywhere {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, s := range h.sessions {
			in = append(in, s)
		}
		return in
	}
	r := h.find(name)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		in = append(in, m.session)
	}
	return in
}

// expelAll looks at everybody who is there. It is for a book that has just been
// filled: they were let in when nobody knew who is banned.
func (h *Hub) expelAll() {
	h.cutRevoked()
	names := []string{moderation.Everywhere}
	for _, r := range h.open() {
		names = append(names, r.name)
	}
	for _, name := range names {
		for _, s := range h.sessionsIn(name) {
			h.expelBanned(name, s)
		}
	}
}

// expelBanned puts a session out of a room if it may not be there, and reports
// whether it did.
func (h *Hub) expelBanned(room string, s Session) bool {
	term, banned := h.cfg.Book.Banned(room, s.User().ID, s.Addr(), time.Now())
	if banned {
		s.Expel(Expulsion{Room: room, Why: presence.ReasonBanned, Term: term})
	}
	return banned
}

// Admits returns a *Refusal if a user, or the address that they come from, is
// banned from a room; or from the service, which is the room
// moderation.Everywhere. It does not block. Whoever comes in is to be checked
// again by Recheck once a ban would find them there.
func (h *Hub) Admits(room, user string, addr netip.Addr) error {
	term, banned := h.cfg.Book.Banned(room, user, addr, time.Now())
	if !banned {
		return nil
	}
	return &Refusal{CodeForbidden, "you are " + term.Says("banned")}
}

// Recheck puts a registered session out if it is banned from the service, or its
// token was revoked: that may have happened between Admits, or Recognizes, and
// now.
func (h *Hub) Recheck(s Session) {
	if !h.cutIfRevoked(s) {
		h.expelBanned(moderation.Everywhere, s)
	}
}

// MaySpeak returns a *Refusal if the user is muted in the room. It does not
// block.
func (h *Hub) MaySpeak(room, user string) error {
	term, muted := h.cfg.Book.Muted(room, user, time.Now())
	if !muted {
		return nil
	}
	return &Refusal{CodeForbidden, "you are " + term.Says("muted")}
}

// Slow returns the Publication.Slow of an event in a room. Who moderates the
// room need not wait, nor does any event but chat. It does not block.
func (h *Hub) Slow(room, event string, moderates bool) time.Duration {
	if moderates || event != EventChat {
		return 0
	}
	return h.cfg.Book.Slow(room)
}
