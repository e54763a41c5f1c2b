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
// the first. Stale is not set among others, whose list says it once.
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
	answer := s.streamersOf(r.Context(), directory, []string{user})[0]
	answer.Stale = directory.Stale()
	return s.ok(w, r, answer)
}

// streamersOf returns what is known about users, in their order. It waits for
// the stores, but no longer than askTimeout.
func (s *server) streamersOf(ctx context.Context, directory *presence.Directory, users []string) []Streamer {
	streamers := make([]Streamer, len(users))
	for i, user := range users {
		streamers[i] = streamerOf(user, directory.Streamer(user))
	}
	s.lastSeen(ctx, streamers)
	return streamers
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

// lastSeen fills in when streamers were last heard from: over their connection,
// or else at the end of their last broadcast. However many they are, it asks
// each store once. It is extra: one that is away makes it unknown, and the
// answer no worse.
func (s *server) lastSeen(ctx context.Context, streamers []Streamer) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var holders, others []*Streamer
	for i := range streamers {
		if streamers[i].Room != "" {
			holders = append(holders, &streamers[i])
		} else {
			others = append(others, &streamers[i])
		}
	}
	gone, err := s.lastHeard(ctx, holders)
	if err != nil {
		s.cfg.Logger.Warn("web: last_seen of those who hold rooms is unknown", "users", len(holders), "error", err)
	}
	others = append(others, gone...)
	if err := s.lastEnded(ctx, others); err != nil {
		s.cfg.Logger.Warn("web: last_seen of those who hold no room is unknown", "users", len(others), "error", err)
	}
}

// lastHeard is lastSeen by the leases of those who hold rooms. Whose room is
// not theirs any more, of which the directory has not heard yet, is returned.
func (s *server) lastHeard(ctx context.Context, holders []*Streamer) (gone []*Streamer, err error) {
	rooms := make([]string, len(holders))
	for i, h := range holders {
		rooms[i] = h.Room
	}
	leases, err := s.cfg.Store.GetAll(ctx, rooms)
	for i, lease := range leases {
		if lease.State != presence.StateOffline && lease.User.ID == holders[i].ID {
			holders[i].LastSeen = Time(lease.LastSeen)
		} else {
			gone = append(gone, holders[i])
		}
	}
	return gone, err
}

// lastEnded is lastSeen by the record.
func (s *server) lastEnded(ctx context.Context, streamers []*Streamer) error {
	users := make([]string, len(streamers))
	for i, one := range streamers {
		users[i] = one.ID
	}
	ends, err := s.cfg.Records.LastEnds(ctx, users)
	for _, one := range streamers {
		one.LastSeen = Time(ends[one.ID])
	}
	return err
}
