package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

func idsBody(ids ...string) string {
	body, _ := json.Marshal(map[string][]string{"ids": ids})
	return string(body)
}

// ask queries streamers and checks that the answer is about these users in this order.
func (w *world) ask(token string, want []string, ids ...string) StreamerList {
	w.t.Helper()
	a := w.do(http.MethodPost, "/v1/streamers/query", token, idsBody(ids...))
	a.wantStatus(w.t, fmt.Sprintf("%.100q", ids), http.StatusOK)
	list := decode[StreamerList](w.t, a)
	var got []string
	for _, one := range list.Data {
		got = append(got, one.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("asked for %.200q, got %.200q, want %.200q", ids, got, want)
	}
	return list
}

// All states at once, and each the same as when asked for alone.
func TestQueryStreamers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeService)
		w.live("erin", presence.Details{}).end()
		ended := time.Now()
		time.Sleep(time.Hour)
		w.online("alice", "a-online")
		w.online("alice", "b-live").start(presence.Details{Title: "Chess", Tags: []string{"blitz"}})
		w.online("bob", "bob")
		w.live("carol", presence.Details{}).drop()
		w.live("dave", presence.Details{})
		time.Sleep(5 * time.Second)
		users := []string{"dave", "nobody", "alice", "carol", "erin", "bob"}
		list := w.ask(token, users, "dave", "nobody", "dave", "alice", "carol", "erin", "alice", "bob", "dave")
		if list.Stale {
			t.Error("it is stale")
		}
		states := []presence.State{"live", "offline", "live", "reconnecting", "online", "online"}
		for i, got := range list.Data {
			alone := w.get("/v1/streamers/"+users[i], token)
			if want, _ := json.Marshal(got); strings.TrimSpace(string(alone.body)) != string(want) {
				t.Errorf("alone: %s\namong others: %s", alone.body, want)
			}
			if got.State != states[i] || (got.LastSeen == 0) != (got.ID == "nobody") {
				t.Errorf("%+v, want it %s, and last seen", got, states[i])
			}
		}
		if alice := list.Data[2]; alice.Room != "b-live" || len(alice.Rooms) != 2 || alice.Broadcast.Title != "Chess" {
			t.Errorf("alice is %+v", alice)
		}
		if err := w.store.Release(t.Context(), presence.Hold{Room: "erin", Fence: w.lease("erin").Fence}, presence.ReasonLeft); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if erin := w.ask(token, []string{"erin"}, "erin").Data[0]; erin.State != presence.StateOffline || erin.LastSeen != Time(presence.MillisOf(ended)) {
			t.Errorf("erin is %+v, want her last seen at %s", erin, ended)
		}
	})
}

func (w *world) lease(room string) presence.Lease {
	w.t.Helper()
	lease, err := w.store.Get(w.t.Context(), room)
	if err != nil {
		w.t.Fatal(err)
	}
	return lease
}

// A thousand of the longest ids go through; what is more, or no id, is refused and named.
func TestQueryStreamersLimits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ids := make([]string, maxIDs)
		for i := range ids {
			ids[i] = strings.Repeat("x", 124) + fmt.Sprintf("%04d", i)
		}
		if list := w.ask("", ids, ids...); len(list.Data) != maxIDs {
			t.Errorf("%d are answered", len(list.Data))
		}
		for _, test := range []struct {
			name, body string
			mentions   string
		}{
			{"no body", "", "there is no body"},
			{"no object", `["alice"]`, "not a JSON object"},
			{"no ids", `{}`, "ids has 0 ids; it takes 1 to 1000"},
			{"an empty list", `{"ids":[]}`, "ids has 0 ids"},
			{"no list", `{"ids":"alice"}`, "ids"},
			{"a number among them", `{"ids":["alice",7]}`, "ids"},
			{"one too many", idsBody(append(ids, "alice")...), "ids has 1001 ids; it takes 1 to 1000"},
			{"one that is none", idsBody("alice", "a b", "bob"), `ids[1] "a b" is not a user id: 1 to 128 of`},
			{"null", `{"ids":["alice","bob",null]}`, `ids[2] "" is not a user id`},
			{"one that is too long", idsBody(strings.Repeat("x", 129)), "ids[0]"},
		} {
			w.do(http.MethodPost, "/v1/streamers/query", "", test.body).wantProblem(t, test.name, http.StatusBadRequest, rooms.CodeBadRequest, test.mentions)
		}
		large := `{"ids":["` + strings.Repeat("x", maxQueryBody) + `"]}`
		w.do(http.MethodPost, "/v1/streamers/query", "", large).wantProblem(t, "large", http.StatusRequestEntityTooLarge, rooms.CodeTooLarge, "262144")
		large = `{"event":"x.a","data":"` + strings.Repeat("x", maxBody) + `"}` // whose limit is another
		w.do(http.MethodPost, "/v1/rooms/r/events", w.scoped(auth.ScopeService), large).wantProblem(t, "an event", http.StatusRequestEntityTooLarge, rooms.CodeTooLarge, "65536")

		w.online("query", "r") // somebody may be called that
		if got := decode[Streamer](t, w.get("/v1/streamers/query", "")); got.State != presence.StateOnline {
			t.Errorf("the user called query is %+v", got)
		}
		a := w.do(http.MethodPost, "/v1/streamers/alice", "", "{}")
		a.wantProblem(t, "POST of one", http.StatusMethodNotAllowed, rooms.CodeBadRequest, "GET")
		a = w.do(http.MethodPut, "/v1/streamers/query", "", "{}")
		a.wantProblem(t, "PUT", http.StatusMethodNotAllowed, rooms.CodeBadRequest, "POST")
	}, public)
}

func TestQueryStreamersRights(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, scope := range []auth.Scope{auth.ScopeDirectory, auth.ScopeService, auth.ScopeAdmin} {
			w.ask(w.scoped(scope), []string{"alice"}, "alice")
		}
		ask := func(token string) answer {
			return w.do(http.MethodPost, "/v1/streamers/query", token, idsBody("alice"))
		}
		ask("").wantProblem(t, "nobody", http.StatusUnauthorized, rooms.CodeUnauthorized, "")
		ask("nonsense").wantProblem(t, "a bad token", http.StatusUnauthorized, rooms.CodeUnauthorized, "")
		ask(w.granted("alice", "*", auth.RoleViewer)).wantProblem(t, "a viewer", http.StatusForbidden, rooms.CodeForbidden, "scope directory")
	})
	inWorld(t, func(t *testing.T, w *world) {
		w.do(http.MethodPost, "/v1/streamers/query", "nonsense", idsBody("alice")).
			wantProblem(t, "a bad token in public", http.StatusUnauthorized, rooms.CodeUnauthorized, "")
		a := w.do(http.MethodPost, "/v1/streamers/query", "", idsBody("alice"))
		a.wantProblem(t, "before the directory is loaded", http.StatusServiceUnavailable, rooms.CodeUnavailable, "just started")
	}, public, func(c *Config) { c.Directory = presence.NewDirectory(c.Store, c.Logger) })
}

// fickle is a store that can be away for who asks for leases, and counts how often it is asked.
type fickle struct {
	presence.Store
	away  bool
	ahead func(*presence.Lease) // what the directory has not heard of yet
	asked int
}

func (f *fickle) GetAll(ctx context.Context, rooms []string) ([]presence.Lease, error) {
	f.asked++
	if f.away {
		return nil, presence.ErrUnavailable
	}
	leases, err := f.Store.GetAll(ctx, rooms)
	if f.ahead != nil {
		for i := range leases {
			f.ahead(&leases[i])
		}
	}
	return leases, err
}

// Each store is asked once; one that is away leaves out what only it knows.
func TestQueryStreamersWithoutStores(t *testing.T) {
	store := &fickle{}
	inWorld(t, func(t *testing.T, w *world) {
		w.live("dave", presence.Details{}).end()
		if err := w.store.Release(t.Context(), presence.Hold{Room: "dave", Fence: w.lease("dave").Fence}, presence.ReasonLeft); err != nil {
			t.Fatal(err)
		}
		w.live("alice", presence.Details{})
		w.live("bob", presence.Details{})
		seen := func(name string, alice, dave bool) {
			t.Helper()
			store.asked = 0
			list := w.ask("", []string{"alice", "dave", "bob"}, "alice", "dave", "bob").Data
			if list[0].State != presence.StateLive || list[1].State != presence.StateOffline || list[2].State != presence.StateLive {
				t.Errorf("%s: got %+v", name, list)
			}
			if (list[0].LastSeen != 0) != alice || (list[2].LastSeen != 0) != alice || (list[1].LastSeen != 0) != dave {
				t.Errorf("%s: last seen at %d, %d and %d", name, list[0].LastSeen, list[1].LastSeen, list[2].LastSeen)
			}
			if store.asked != 1 {
				t.Errorf("%s: the store was asked %d times", name, store.asked)
			}
		}
		seen("both there", true, true)
		store.away = true
		seen("no leases", false, true)
		store.away = false
		w.withoutDB()
		seen("no database", true, false)
		store.away = true
		seen("neither", false, false)
		if log := w.log.String(); strings.Count(log, "level=WARN msg=\"web: last_seen") != 4 {
			t.Errorf("the log says\n%s", log)
		}
	}, public, func(c *Config) { store.Store, c.Store = c.Store, store })
}

// Whose room is nobody's or another's by now was last seen at the end of their last broadcast.
func TestQueryStreamersAhead(t *testing.T) {
	store := &fickle{}
	inWorld(t, func(t *testing.T, w *world) {
		w.live("alice", presence.Details{}).end()
		ended := Time(presence.MillisOf(time.Now()))
		time.Sleep(time.Minute)
		for name, ahead := range map[string]func(*presence.Lease){
			"nobody's":  func(l *presence.Lease) { *l = presence.Lease{Room: l.Room, State: presence.StateOffline} },
			"another's": func(l *presence.Lease) { l.User.ID = "mallory" },
		} {
			store.ahead = ahead
			if got := w.ask("", []string{"alice"}, "alice").Data[0]; got.State != presence.StateOnline || got.LastSeen != ended {
				t.Errorf("%s: got %+v, want last seen at %d", name, got, ended)
			}
		}
	}, public, func(c *Config) { store.Store, c.Store = c.Store, store })
}
