package web

import (
	"maps"
	"net/http"
	"slices"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Ended names a broadcast that was ended.
type Ended struct {
	Room      string `json:"room"`
	Broadcast string `json:"broadcast"`
}

// EndedList is all that were.
type EndedList struct {
	Data []Ended `json:"data"`
}

// end ends a streamer's broadcasts. The streamer stays online.
func (s *server) end(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r, "id", formUser, auth.ValidUser)
	if err != nil {
		return err
	}
	id, err := s.known(r)
	if err != nil {
		return err
	}
	if !id.HasScope(auth.ScopeService) {
		return forbidden("this takes a token with scope service or admin")
	}
	var body struct {
		Room   string `json:"room"`
		Reason string `json:"reason"`
	}
	if r.ContentLength != 0 { // there need not be a body
		if err := readJSON(w, r, &body); err != nil {
			return err
		}
	}
	if body.Room != "" && !auth.ValidRoom(body.Room) {
		return badRequest("room %.100q is not %s", body.Room, formRoom)
	}
	if _, err := s.loaded(); err != nil {
		return err
	}
	ended, err := s.cfg.Hub.EndBroadcasts(r.Context(), moderation.Act{Actor: id.User, Target: user, Room: body.Room, Reason: body.Reason})
	if err != nil {
		return err
	}
	list := EndedList{Data: []Ended{}}
	for _, room := range slices.Sorted(maps.Keys(ended)) {
		list.Data = append(list.Data, Ended{Room: room, Broadcast: ended[room].ID})
	}
	return s.ok(w, r, list)
}
