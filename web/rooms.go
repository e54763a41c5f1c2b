package web

import (
	"net/http"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Room is what is known about a room. Rooms that nobody holds are offline,
// whether anybody ever used them or not.
type Room struct {
	Room      string          `json:"room"`
	State     presence.State  `json:"state"`
	Streamer  *presence.User  `json:"streamer,omitempty"`
	Broadcast *Broadcast      `json:"broadcast,omitempty"`
	Viewers   int             `json:"viewers"`
	Reason    presence.Reason `json:"reason,omitempty"` // reconnecting: why
	Until     Time            `json:"until,omitempty"`  // reconnecting: when the broadcast ends
	Stale     bool            `json:"stale,omitempty"`
}

func (s *server) room(w http.ResponseWriter, r *http.Request) error {
	name, err := pathID(r, "room", formRoom, auth.ValidRoom)
	if err != nil {
		return err
	}
	if _, err := s.reader(r, func(id *auth.Identity) bool { return id.MayRead(name) }); err != nil {
		return err
	}
	directory, err := s.loaded()
	if err != nil {
		return err
	}
	e := directory.Room(name)
	return s.ok(w, r, Room{
		Room: name, State: e.View.State, Streamer: e.View.User, Broadcast: broadcastOf(e.View.Broadcast),
		// The hub's number is of this moment but only there if the room has
		// members on this node; the directory's may be a second old.
		Viewers: max(s.cfg.Hub.Viewers(name), e.Viewers),
		Reason:  e.View.Reason, Until: Time(e.View.Until), Stale: directory.Stale(),
	})
}
