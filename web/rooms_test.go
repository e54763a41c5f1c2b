package web

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

func TestRoom(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.granted("bob", "stage", auth.RoleViewer)
		ask := func() Room {
			a := w.get("/v1/rooms/stage", token)
			a.wantStatus(t, "room", http.StatusOK)
			return decode[Room](t, a)
		}
		if got := ask(); got.Room != "stage" || got.State != presence.StateOffline || got.Streamer != nil || got.Viewers != 0 {
			t.Errorf("unknown: got %+v, want offline", got)
		}
		alice := w.online("alice", "stage")
		if got := ask(); got.State != presence.StateOnline || got.Streamer == nil || got.Streamer.ID != "alice" || got.Broadcast != nil {
			t.Errorf("online: got %+v", got)
		}
		alice.start(presence.Details{Title: "Chess"}).watched(3)
		if got := ask(); got.State != presence.StateLive || got.Broadcast == nil || got.Broadcast.Title != "Chess" || got.Viewers != 3 || got.Until != 0 {
			t.Errorf("live: got %+v", got)
		}
		alice.drop()
		until := Time(presence.MillisOf(time.Now().Add(presence.DefaultWindow)))
		if got := ask(); got.State != presence.StateReconnecting || got.Until != until || got.Reason != presence.ReasonConnectionLost {
			t.Errorf("reconnecting: got %+v, want until %v", got, until)
		}
	})
}

// member is a session that listens to nothing.
type member struct{ name string }

func (m member) Connection() string                     { return "n1-" + m.name }
func (m member) User() presence.User                    { return presence.User{ID: m.name} }
func (member) Send([]byte)                              {}
func (member) Signal([]byte) error                      { return nil }
func (member) Joined(rooms.Joined)                      {}
func (member) Cut(rooms.Cut)                            {}
func (member) Expel(rooms.Expulsion)                    {}
func (member) Addr() netip.Addr                         { return netip.Addr{} }
func (member) Identity() *auth.Identity                 { return nil }
func (member) Reconnect(time.Duration, presence.Reason) {}

// A room without a streamer has viewers as well; the directory knows nothing
// of them.
func TestRoomViewersWithoutStreamer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"bob", "carol"} {
			if err := w.cfg.Hub.Join(t.Context(), member{name}, rooms.Join{Room: "stage", Role: auth.RoleViewer}); err != nil {
				t.Fatal(err)
			}
		}
		if got := decode[Room](t, w.get("/v1/rooms/stage", "")); got.State != presence.StateOffline || got.Viewers != 2 {
			t.Errorf("got %+v, want offline with 2 viewers", got)
		}
	}, public)
}

func TestRoomIDs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, path := range []string{"a%20b", "a@b", "*", "a%2fb"} {
			w.get("/v1/rooms/"+path, "").wantProblem(t, path, http.StatusBadRequest, rooms.CodeBadRequest, "room id")
		}
		w.get("/v1/rooms/a:b~c", "").wantStatus(t, "all that ids may have", http.StatusOK)
	}, public)
}
