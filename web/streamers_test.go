package web

import (
	"net/http"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

func TestStreamer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeDirectory)
		ask := func(id string) Streamer {
			a := w.get("/v1/streamers/"+id, token)
			a.wantStatus(t, id, http.StatusOK)
			return decode[Streamer](t, a)
		}
		if got := ask("nobody"); got.ID != "nobody" || got.State != presence.StateOffline || got.LastSeen != 0 || got.Rooms != nil {
			t.Errorf("somebody unknown: got %+v, want offline", got)
		}

		alice := w.online("alice", "alice")
		seen := Time(presence.MillisOf(time.Now()))
		if got := ask("alice"); got.State != presence.StateOnline || got.Room != "alice" || got.Name != "ALICE" || got.Broadcast != nil || got.LastSeen != seen {
			t.Errorf("online: got %+v", got)
		}
		alice.start(presence.Details{Title: "Chess"})
		if got := ask("alice"); got.State != presence.StateLive || got.Broadcast == nil || got.Broadcast.ID != alice.broadcast.ID || got.Broadcast.Title != "Chess" || got.LastSeen != seen {
			t.Errorf("live: got %+v", got)
		}
		time.Sleep(time.Minute)
		alice.drop()
		lost := Time(presence.MillisOf(time.Now()))
		if got := ask("alice"); got.State != presence.StateReconnecting || got.Broadcast == nil || got.LastSeen != lost {
			t.Errorf("reconnecting: got %+v, last seen %v", got, lost)
		}
		time.Sleep(presence.DefaultWindow + time.Second)
		got := ask("alice")
		ended := time.UnixMilli(int64(got.LastSeen)).Sub(time.UnixMilli(int64(lost)))
		if got.State != presence.StateOffline || got.Broadcast != nil || ended < presence.DefaultWindow || ended > presence.DefaultWindow+time.Second {
			t.Errorf("gone: got %+v, last seen %s after the loss", got, ended)
		}
	})
}

func TestStreamerOfManyRooms(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.online("alice", "a-online")
		w.online("alice", "b-lost").start(presence.Details{}).drop()
		w.online("alice", "c-old").start(presence.Details{})
		w.online("alice", "d-new").start(presence.Details{})
		got := decode[Streamer](t, w.get("/v1/streamers/alice", ""))
		if got.Room != "d-new" || got.State != presence.StateLive || len(got.Rooms) != 4 {
			t.Fatalf("got %+v, want d-new of 4", got)
		}
		for i, want := range []string{"d-new", "c-old", "b-lost", "a-online"} {
			if got.Rooms[i].Room != want || (got.Rooms[i].Broadcast == nil) != (want == "a-online") {
				t.Errorf("room %d: got %+v, want %s", i, got.Rooms[i], want)
			}
		}
	}, public)
}

func TestStreamerIDs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// Ids may hold characters that some clients escape and others do not.
		w.online("al|ice@example.org:1", "r")
		for _, path := range []string{"al%7Cice@example.org:1", "al%7Cice%40example.org%3A1", "al%7cice%40example%2eorg:1"} {
			if got := decode[Streamer](t, w.get("/v1/streamers/"+path, "")); got.State != presence.StateOnline {
				t.Errorf("%s: got %+v, want online", path, got)
			}
		}
		for _, path := range []string{"a%20b", "a%2Fb", "a%25b", "%00", "%F0%9F%98%80"} {
			w.get("/v1/streamers/"+path, "").wantProblem(t, path, http.StatusBadRequest, rooms.CodeBadRequest, "user id")
		}
	}, public)
}

// last_seen is extra: without the database the rest of the answer stands.
func TestStreamerWithoutDatabase(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.withoutDB()
		a := w.get("/v1/streamers/alice", "")
		a.wantStatus(t, "without database", http.StatusOK)
		if got := decode[Streamer](t, a); got.State != presence.StateOffline || got.LastSeen != 0 {
			t.Errorf("got %+v, want offline", got)
		}
	}, public)
}
