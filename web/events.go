package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
)

const (
	// maxBody bounds what a request may carry, but for a route that says
	// otherwise; an event has at most 8 KiB.
	maxBody = 64 << 10
	// maxKey bounds an idempotency key, as it is kept for minutes.
	maxKey = 255
	// askTimeout is how long a store may take to answer: less than a balancer
	// or a user waits.
	askTimeout = 5 * time.Second
)

// publish says something in a room, for a backend that is no member or for a
// user whose token has a grant there.
func (s *server) publish(w http.ResponseWriter, r *http.Request) error {
	room, err := pathID(r, "room", formRoom, auth.ValidRoom)
	if err != nil {
		return err
	}
	id, err := s.known(r)
	if err != nil {
		return err
	}
	var body struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	data, err := rooms.Check(body.Event, body.Data)
	if err != nil {
		return err
	}
	from, err := senderIn(room, id, rooms.ActionOf(body.Event))
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r, id)
	if err != nil {
		return err
	}
	reaction := body.Event == rooms.EventReaction
	if reaction && key != "" {
		return badRequest("a reaction takes no Idempotency-Key: nothing of it is kept")
	}
	if from != nil {
		if err := s.maySpeak(r, room, id.User); err != nil {
			return err
		}
		if wait := s.limits.take(id.User, body.Event); wait > 0 {
			return tooMany(wait, "you publish too much; wait a moment")
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	position, err := s.cfg.Hub.Publish(ctx, rooms.Publication{
		Room: room, Name: body.Event, From: from, Data: data, Key: key,
		Slow: s.cfg.Hub.Slow(room, body.Event, id.MayModerate(room)),
	})
	if err != nil {
		return err
	}
	if reaction {
		return s.accepted(w, r, struct{}{}) // it is told with the others of the same second
	}
	return s.created(w, r, position)
}

// maySpeak refuses who is banned from the room or muted there: this API is no
// way around that.
func (s *server) maySpeak(r *http.Request, room, user string) error {
	if err := s.cfg.Hub.Admits(room, user, addrOf(r)); err != nil {
		return err
	}
	return s.cfg.Hub.MaySpeak(room, user)
}

// senderIn returns as whom the identity speaks in the room: a backend as the
// service itself, a user in the highest role in which they may do so.
func senderIn(room string, id *auth.Identity, action auth.Action) (*rooms.Sender, error) {
	if id.HasScope(auth.ScopeService) {
		return nil, nil
	}
	for _, role := range []auth.Role{auth.RoleStreamer, auth.RoleModerator, auth.RoleViewer} {
		if id.May(room, role, action) {
			return &rooms.Sender{ID: id.User, Name: id.Name, Role: role}, nil
		}
	}
	return nil, forbidden("the token does not allow %.70q in this room; it takes a grant there, or scope service or admin", action)
}

// idempotencyKey returns the key of a publication. Keys are kept by room; with
// the user in front, nobody can guess another's and so silence them.
func idempotencyKey(r *http.Request, id *auth.Identity) (string, error) {
	keys := r.Header.Values("Idempotency-Key")
	switch {
	case len(keys) == 0 || len(keys) == 1 && keys[0] == "":
		return "", nil
	case len(keys) > 1:
		return "", badRequest("there is more than one Idempotency-Key header")
	case len(keys[0]) > maxKey:
		return "", badRequest("the Idempotency-Key has %d bytes; it may have %d", len(keys[0]), maxKey)
	}
	return id.User + " " + keys[0], nil // a user id has no space
}

// readJSON reads a request's body, of at most maxBody bytes. Unknown fields are
// passed over.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	return readJSONUpTo(w, r, v, maxBody)
}

// readJSONUpTo is readJSON for a route with a limit of its own.
func readJSONUpTo(w http.ResponseWriter, r *http.Request, v any, limit int64) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return badRequest("the body did not arrive whole within %s", bodyTimeout)
	}
	// The whole body is here: its deadline would only end the request while it
	// is being answered.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return explainJSON(json.Unmarshal(data, v), len(data))
}

// explainJSON says what is wrong with JSON in the words of its author.
func explainJSON(err error, size int) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	var when *time.ParseError // repeats the whole of what is no time
	switch {
	case err == nil:
		return nil
	case size == 0:
		return badRequest("there is no body; it should be a JSON object")
	case errors.As(err, &syntax):
		return badRequest("the body is not JSON: %s, at byte %d", syntax, syntax.Offset)
	case errors.As(err, &mismatch) && mismatch.Field == "":
		return badRequest("the body is not a JSON object")
	case errors.As(err, &mismatch):
		return badRequest("%s can't be a JSON %.40s", mismatch.Field, mismatch.Value) // which has a number in full
	case errors.As(err, &when):
		return badRequest("%.40q is no time; one looks like 2026-12-01T00:00:00Z", when.Value)
	}
	return badRequest("the body can't be read: %.200s", err)
}
