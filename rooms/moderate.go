package rooms

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Limits of moderation.
const (
	MaxReasonRunes = 200
	MaxSlow        = time.Hour // between two lines of chat
	// MaxTerm is the longest that a ban or a mute may be told to last; without an
	// end it lasts until it is lifted.
	MaxTerm = 10 * 365 * 24 * time.Hour

	// actWithin bounds the wait for the database, and tellNodesWithin that for what wakes the other nodes: those that
	// do not hear of it look by themselves soon.
	actWithin       = 5 * time.Second
	tellNodesWithin = time.Second
)

// Moderate carries out an act that somebody asks for: its action, room, target,
// reason, end and details. When it returns without error the act is in the
// audit and in force on this node; on the others it is within a second.
//
// A *Refusal says who may not do what, or what is missing, and
// presence.ErrUnavailable that the outcome is unknown. It may be repeated. It
// blocks on the database, and for what is deleted on the store.
func (h *Hub) Moderate(ctx context.Context, by *auth.Identity, a moderation.Act) (moderation.Act, error) {
	a.Actor = by.User
	if err := h.mayModerate(by, &a, time.Now()); err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	switch a.Action {
	case moderation.Delete:
		return h.deleteLine(ctx, a)
	case moderation.Kick:
		a.Holds = h.holdsOf(a.Room, a.Target)
	}
	return h.act(ctx, a)
}

// act writes an act down and sees to it that it is in force.
func (h *Hub) act(ctx context.Context, a moderation.Act) (moderation.Act, error) {
	book := h.cfg.Book
	if book == nil || !book.Loaded() {
		return a, fmt.Errorf("%w: %w", presence.ErrUnavailable, moderation.ErrNotLoaded)
	}
	a, err := book.Store().Do(ctx, a)
	if err != nil {
		h.cfg.Logger.Warn("rooms: an act of a moderator could not be written down", "action", a.Action, "room", a.Room, "actor", a.Actor, "error", err)
		return a, fmt.Errorf("%w: %w", presence.ErrUnavailable, err)
	}
	h.cfg.Logger.Info("rooms: moderated", "seq", a.Seq, "action", a.Action, "room", a.Room, "target", a.Target, "actor", a.Actor)
	ctx = context.WithoutCancel(ctx) // it is done: all must hear of it, whether or not the asker waits for that
	following, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	err = book.Follow(following)
	h.followUp(a)
	if err != nil {
		return a, fmt.Errorf("%w: %w", presence.ErrUnavailable, err)
	}
	h.wakeNodes(ctx)
	return a, nil
}

func (h *Hub) wakeNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tellNodesWithin)
	defer cancel()
	if err := h.cfg.Relay.Command(ctx, Command{Moderated: true}); err != nil {
		h.cfg.Logger.Warn("rooms: other nodes were not woken for an act of a moderator; they look by themselves soon", "error", err)
	}
}

// mayModerate looks at an act that somebody asks for. Nothing about it is
// trusted.
func (h *Hub) mayModerate(by *auth.Identity, a *moderation.Act, now time.Time) error {
	all := by.HasScope(auth.ScopeService)
	everywhere := a.Room == moderation.Everywhere
	switch {
	case !everywhere && !auth.ValidRoom(a.Room):
		return &Refusal{CodeBadRequest, "room must be 1 to 128 of A-Z a-z 0-9 . _ - ~ :, or * for all of them"}
	case everywhere && !all:
		return &Refusal{CodeForbidden, "the whole service is moderated with scope service or admin"}
	case !by.MayModerate(a.Room):
		return &Refusal{CodeForbidden, "the token does not allow to moderate this room; it takes a moderator's or streamer's grant there, or scope service or admin"}
	}
	if err := checkAct(a, now); err != nil {
		return err
	}
	upon := a.Action == moderation.Ban || a.Action == moderation.Mute || a.Action == moderation.Kick
	switch {
	case upon && a.Target == by.User:
		return &Refusal{CodeBadRequest, "user is yourself"}
	case all:
		return nil
	}
	// A moderator's rights are by token, and outlast a ban: whoever is banned does not lift that over another way in.
	if term, banned := h.cfg.Book.Banned(a.Room, by.User, noAddr, now); banned {
		return &Refusal{CodeForbidden, "you are " + term.Says("banned")}
	}
	return h.mayAct(by, a, upon)
}

// mayAct looks at whom a moderator acts upon, or for whom.
func (h *Hub) mayAct(by *auth.Identity, a *moderation.Act, upon bool) error {
	_, address := moderation.AddressOf(a.Target)
	switch {
	case address:
		// Moderators are told no addresses, and one may be that of thousands, or of the streamer.
		return &Refusal{CodeForbidden, "addresses are banned with scope service or admin"}
	case a.Action == moderation.Unmute && a.Target == by.User:
		return &Refusal{CodeForbidden, "somebody else has to unmute you"}
	case upon && a.Target == h.streamerOf(a.Room):
		return &Refusal{CodeForbidden, "user is the room's streamer, whom only scope service or admin moderates"}
	}
	return nil
}

// streamerOf returns who is a room's streamer now, or "".
func (h *Hub) streamerOf(room string) string {
	if user := h.cfg.Directory.Room(room).View.User; user != nil {
		return user.ID
	}
	return ""
}

// checkAct sees that an act has all that it needs, and nothing beyond bounds.
func checkAct(a *moderation.Act, now time.Time) error {
	if err := checkReason(a.Reason); err != nil {
		return err
	}
	if err := checkEnd(a.Until, now); err != nil {
		return err
	}
	_, address := moderation.AddressOf(a.Target)
	switch a.Action {
	case moderation.Ban, moderation.Unban:
		if !address && !auth.ValidUser(a.Target) {
			return needsUser(a)
		}
	case moderation.Mute, moderation.Unmute, moderation.Kick:
		if !auth.ValidUser(a.Target) {
			return needsUser(a)
		}
	case moderation.Delete:
		return checkOne(a, a.Offset > 0, "delete needs the offset of a line of chat")
	case moderation.Slow:
		most := int(MaxSlow / time.Second)
		return checkOne(a, a.Seconds >= 0 && a.Seconds <= most, fmt.Sprintf("slow needs seconds from 0 to %d", most))
	default:
		return &Refusal{CodeBadRequest, "action must be delete, mute, unmute, kick, ban, unban or slow"}
	}
	return nil
}

func checkEnd(until presence.Millis, now time.Time) error {
	if until != 0 && (until <= presence.MillisOf(now) || until.Time().Sub(now) > MaxTerm) {
		return &Refusal{CodeBadRequest, "the end must be in the future, and no more than ten years away"}
	}
	return nil
}

func needsUser(a *moderation.Act) error {
	return &Refusal{CodeBadRequest, fmt.Sprintf("%s needs a user: 1 to 128 of A-Z a-z 0-9 . _ - ~ : @ | + =", a.Action)}
}

// checkOne is for what is about one room alone.
func checkOne(a *moderation.Act, ok bool, needs string) error {
	switch {
	case a.Room == moderation.Everywhere:
		return &Refusal{CodeBadRequest, fmt.Sprintf("%s is for one room, not for *", a.Action)}
	case !ok:
		return &Refusal{CodeBadRequest, needs}
	}
	return nil
}

// checkReason keeps reasons to what fits on a line: they are told in close
// frames and logs.
func checkReason(reason string) error {
	switch n := utf8.RuneCountInString(reason); {
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return &Refusal{CodeBadRequest, "reason must be one line of text"}
	case n > MaxReasonRunes:
		return &Refusal{CodeTooLarge, fmt.Sprintf("reason has %d characters; it takes at most %d", n, MaxReasonRunes)}
	}
	return nil
}

// holdsOf returns the leases that a user holds, or held last, in a room or all
// of them, as far as the directory knows.
func (h *Hub) holdsOf(room, user string) (holds []presence.Hold) {
	for _, e := range h.cfg.Directory.Streamer(user) {
		if room == moderation.Everywhere || e.Room == room {
			holder, _ := h.cfg.Directory.Holder(e.Room)
			holds = append(holds, presence.Hold{Room: e.Room, Fence: holder.Fence})
		}
	}
	return holds
}

// deleteLine deletes a line of chat. The room's log is read if need be, so that
// it is known what is deleted, and of whom.
func (h *Hub) deleteLine(ctx context.Context, a moderation.Act) (moderation.Act, error) {
	r, err := h.acquire(ctx, a.Room)
	if err != nil {
		return a, err
	}
	defer h.release(r)
	line := r.line(a.Offset, time.Now())
	if line == nil { // somebody may have seen it on another node, a moment before this one
		if err := h.cfg.Relay.CatchUp(ctx, a.Room, r); err != nil {
			return a, err
		}
		line = r.line(a.Offset, time.Now())
	}
	switch {
	case line == nil:
		return a, &Refusal{CodeNotFound, fmt.Sprintf("no line of chat is kept at offset %d", a.Offset)}
	case line.deleted:
		return a, nil
	}
	a.Epoch = line.Epoch
	if line.From != nil {
		a.Target = line.From.ID
	}
	if a, err = h.act(ctx, a); err != nil {
		return a, err
	}
	return a, h.tell(ctx, a) // it is deleted once all are told
}
