package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// AuditEntry is one thing that somebody did.
type AuditEntry struct {
	Seq       int64  `json:"seq"`
	At        Time   `json:"at"`
	Actor     string `json:"actor"`
	Action    string `json:"action"`
	Room      string `json:"room,omitempty"`
	Target    string `json:"target,omitempty"`
	Reason    string `json:"reason,omitempty"`
	ExpiresAt Time   `json:"expires_at,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	Seconds   int    `json:"seconds,omitempty"`
}

// AuditPage is what was done, latest first. Next is there only if more follows.
type AuditPage struct {
	Data []AuditEntry `json:"data"`
	Next string       `json:"next,omitempty"`
}

func (s *server) audit(w http.ResponseWriter, r *http.Request) error {
	if err := s.operator(r); err != nil {
		return err
	}
	q, err := auditQuery(r)
	if err != nil {
		return err
	}
	store, err := s.moderationStore()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	first := q.First
	q.First++ // one more tells whether more follows
	acts, err := store.Audit(ctx, q)
	if err != nil {
		return moderationAway(err)
	}
	page := AuditPage{Data: []AuditEntry{}}
	if len(acts) > first {
		acts = acts[:first]
		page.Next = strconv.FormatInt(acts[first-1].Seq, 10)
	}
	for _, a := range acts {
		page.Data = append(page.Data, AuditEntry{
			Seq: a.Seq, At: Time(a.At), Actor: a.Actor, Action: string(a.Action), Room: a.Room, Target: a.Target, Reason: a.Reason,
			ExpiresAt: Time(a.Until), Offset: a.Offset, Seconds: a.Seconds,
		})
	}
	return s.ok(w, r, page)
}

func auditQuery(r *http.Request) (moderation.AuditQuery, error) {
	p := paramsOf(r)
	isSeq := func(text string) bool { n, err := strconv.ParseInt(text, 10, 64); return err == nil && n > 0 }
	isRoom := func(id string) bool { return id == moderation.Everywhere || auth.ValidRoom(id) }
	q := moderation.AuditQuery{
		First:  p.first(),
		Room:   p.valid("room", formRooms, isRoom),
		Actor:  p.valid("actor", formUser, auth.ValidUser),
		Target: p.one("target"),
		Action: moderation.Action(p.one("action")),
	}
	if target, ok := moderation.ParseTarget(q.Target); ok {
		q.Target = target // an address in the form in which it is banned
	}
	q.After, _ = strconv.ParseInt(p.valid("after", "a cursor of this list", isSeq), 10, 64)
	return q, p.err
}

// note writes an act to the audit that is done whether or not it can be noted:
// nobody should have to wait for a database with a node that must go.
func (s *server) note(ctx context.Context, a moderation.Act) {
	store, err := s.moderationStore()
	if err == nil {
		_, err = store.Do(ctx, a)
	}
	if err != nil {
		s.cfg.Logger.Error("web: an act is missing in the audit", "action", a.Action, "actor", a.Actor, "target", a.Target, "error", err)
	}
}
