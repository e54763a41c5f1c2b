package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// Broadcast is a running broadcast.
type Broadcast struct {
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Category  string   `json:"category"`
	Language  string   `json:"language"`
	Tags      []string `json:"tags"`
	StartedAt Time     `json:"started_at"`
	Version   int64    `json:"version"`
}

func broadcastOf(b *presence.Broadcast) *Broadcast {
	if b == nil {
		return nil
	}
	return &Broadcast{
		ID: b.ID, Title: b.Title, Category: b.Category, Language: b.Language, Tags: listed(b.Tags),
		StartedAt: Time(b.StartedAt), Version: b.Version,
	}
}

// Streamer is what is known about a user. One user may hold several rooms:
// Rooms are all of them, most on air first, and the fields above are those of
// the first.
type Streamer struct {
	ID        string         `json:"id"`
	Name      string         `json:"name,omitempty"`
	State     presence.State `json:"state"`
	Room      string         `json:"room,omitempty"`
	Broadcast *Broadcast     `json:"broadcast,omitempty"`
	Rooms     []HeldRoom     `json:"rooms,omitempty"`
	LastSeen  Time           `json:"last_seen,omitempty"`
	Stale     bool           `json:"stale,omitempty"`
}

// HeldRoom is a room that a streamer holds.
type HeldRoom struct {
	Room      string         `json:"room"`
	State     presence.State `json:"state"`
	Broadcast *Broadcast     `json:"broadcast,omitempty"`
}

func (s *server) streamer(w http.ResponseWriter, r *http.Request) error {
	user, err := pathID(r, "id", formUser, auth.ValidUser)
	if err != nil {
		return err
	}
	if _, err := s.reader(r, func(id *auth.Identity) bool { return id.User == user }); err != nil {
		return err
	}
	directory, err := s.loaded()
	if err != nil {
		return err
	}
	answer := streamerOf(user, directory.Streamer(user))
	answer.Stale = directory.Stale()
	answer.LastSeen = s.lastSeen(r.Context(), user, answer.Room)
	return s.ok(w, r, answer)
}

func streamerOf(user string, held []presence.Entry) Streamer {
	answer := Streamer{ID: user, State: presence.StateOffline}
	slices.SortFunc(held, mostOnAir)
	for i, e := range held {
		room := HeldRoom{Room: e.Room, State: e.View.State, Broadcast: broadcastOf(e.View.Broadcast)}
		if i == 0 {
			answer.Name, answer.State, answer.Room, answer.Broadcast = e.View.User.Name, room.State, room.Room, room.Broadcast
		}
		answer.Rooms = append(answer.Rooms, room)
	}
	return answer
}

// mostOnAir orders a streamer's rooms: live before reconnecting before online,
// then the latest start first, then by name.
func mostOnAir(a, b presence.Entry) int {
	return cmp.Or(cmp.Compare(onAirRank[b.View.State], onAirRank[a.View.State]),
		cmp.Compare(startedAt(b), startedAt(a)), cmp.Compare(a.Room, b.Room))
}

var onAirRank = map[presence.State]int{presence.StateLive: 2, presence.StateReconnecting: 1}

func startedAt(e presence.Entry) presence.Millis {
	if e.View.Broadcast == nil {
		return 0
	}
	return e.View.Broadcast.StartedAt
}

// lastSeen is when a streamer was last heard from: over their connection, or
// else at the end of their last broadcast. It is extra: a store that is away
// makes it unknown and the answer no worse.
func (s *server) lastSeen(ctx context.Context, user, room string) Time {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if room != "" {
		lease, err := s.cfg.Store.Get(ctx, room)
		if err == nil && lease.State != presence.StateOffline && lease.User.ID == user {
			return Time(lease.LastSeen)
		}
		if err != nil {
			s.cfg.Logger.Warn("web: last_seen is unknown", "room", room, "error", err)
			return 0
		}
	}
	ended, err := s.cfg.Records.LastEnd(ctx, user)
	if err != nil {
		s.cfg.Logger.Warn("web: last_seen is unknown", "user", user, "error", err)
	}
	return Time(ended)
}
