package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

func (w *world) page(path, token string) LivePage {
	w.t.Helper()
	a := w.get(path, token)
	a.wantStatus(w.t, path, http.StatusOK)
	return decode[LivePage](w.t, a)
}

func streamers(rows []Row) string {
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Streamer.ID
	}
	return strings.Join(names, " ")
}

func TestLive(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeDirectory)
		if page := w.page("/v1/live", token); page.Total != 0 || len(page.Data) != 0 || page.Stale {
			t.Errorf("at first: got %+v, want nobody", page)
		}
		w.online("dave", "dave")
		start := time.Now()
		alice := w.live("alice", presence.Details{Title: "Chess", Category: "games", Language: "en", Tags: []string{"blitz"}}).watched(3)
		w.live("bob", presence.Details{Category: "music", Language: "de"}).watched(7)
		carol := w.live("carol", presence.Details{Category: "games", Language: "de"}).watched(5)
		carol.drop()
		alice.watched(2)

		page := w.page("/v1/live", token)
		if got := streamers(page.Data); got != "bob carol alice" || page.Total != 3 || page.Next != "" {
			t.Errorf("got %q of %d, next %q, want bob carol alice of 3", got, page.Total, page.Next)
		}
		want := Row{
			Broadcast: alice.broadcast.ID, Streamer: presence.User{ID: "alice", Name: "ALICE"}, Room: "alice", State: presence.StateLive,
			Title: "Chess", Category: "games", Language: "en", Tags: []string{"blitz"},
			StartedAt: Time(presence.MillisOf(start.Add(time.Millisecond))), Viewers: 2, PeakViewers: 3,
		}
		if got := page.Data[2]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		for _, tt := range []struct{ query, want string }{
			{"sort=viewers", "bob carol alice"},
			{"sort=started", "carol bob alice"},
			{"category=games", "carol alice"},
			{"category=games&category=music", "bob carol alice"},
			{"category=games&language=de", "carol"},
			{"category=chess", ""},
			{"streamer=bob&streamer=alice&streamer=dave", "bob alice"},
			{"state=live", "bob alice"},
			{"state=reconnecting", "carol"},
			{"state=reconnecting&state=live", "bob carol alice"},
			{"first=2", "bob carol"},
			{"nonsense=1", "bob carol alice"},
		} {
			page := w.page("/v1/live?"+tt.query, token)
			if got := streamers(page.Data); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
			}
		}
	})
}

func TestLivePages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 23 {
			w.live(fmt.Sprintf("s%02d", i), presence.Details{}).watched(i % 3)
		}
		token := w.scoped(auth.ScopeService)
		for _, sort := range []string{"viewers", "started"} {
			var got []string
			pages, after := 0, ""
			for {
				page := w.page("/v1/live?first=5&sort="+sort+"&after="+after, token)
				if page.Total != 23 {
					t.Errorf("%s: got a total of %d, want 23", sort, page.Total)
				}
				for _, row := range page.Data {
					got = append(got, row.Streamer.ID)
				}
				pages++
				if after = page.Next; after == "" {
					break
				}
				if url.QueryEscape(after) != after {
					t.Errorf("%s: cursor %q is not fit for a URL", sort, after)
				}
			}
			slices.Sort(got)
			if got = slices.Compact(got); len(got) != 23 || pages != 5 {
				t.Errorf("%s: got %d streamers on %d pages, want 23 on 5", sort, len(got), pages)
			}
		}
		if page := w.page("/v1/live", token); len(page.Data) != 20 {
			t.Errorf("got a page of %d, want 20", len(page.Data))
		}
	})
}

func TestLiveRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.live("alice", presence.Details{})
		w.live("bob", presence.Details{})
		token := w.scoped(auth.ScopeDirectory)
		cursor := w.page("/v1/live?first=1", token).Next
		for _, tt := range []struct{ query, mention string }{
			{"first=0", "first"},
			{"first=101", "first"},
			{"first=-1", "first"},
			{"first=ten", "first"},
			{"first=5&first=6", "first"},
			{"sort=name", "sort"},
			{"sort=viewers&sort=started", "sort"},
			{"state=online", "state"},
			{"state=", "state"},
			{"streamer=a%20b", "streamer"},
			{"streamer=", "streamer"},
			{"streamer=" + strings.Repeat("a", 129), "streamer"},
			{strings.Repeat("category=a&", 101), "category"},
			{"after=nonsense", "after"},
			{"after=%ff", "after"},
			{"sort=started&after=" + cursor, "after"},
			{"first=%zz", "query"},
			{"first=1;sort=viewers", "query"},
		} {
			w.get("/v1/live?"+tt.query, token).wantProblem(t, tt.query, http.StatusBadRequest, rooms.CodeBadRequest, tt.mention)
		}
	})
}

// Who may ask is the same for all that says who is live.
func TestWhoMayReadTheDirectory(t *testing.T) {
	paths := []string{"/v1/live", "/v1/streamers/alice", "/v1/rooms/alice"}
	inWorld(t, func(t *testing.T, w *world) {
		expired := w.token(auth.Claims{User: "a", Expires: time.Now().Add(-time.Hour), Scopes: []auth.Scope{auth.ScopeAdmin}})
		for _, path := range paths {
			for _, scope := range []auth.Scope{auth.ScopeDirectory, auth.ScopeService, auth.ScopeAdmin} {
				w.get(path, w.scoped(scope)).wantStatus(t, path+" "+string(scope), http.StatusOK)
			}
			w.get(path, "").wantProblem(t, path+" nobody", http.StatusUnauthorized, "unauthorized", "Authorization")
			w.get(path, expired).wantProblem(t, path+" expired", http.StatusUnauthorized, "unauthorized", "exp")
			w.get(path, w.scoped("openid")).wantProblem(t, path+" other scope", http.StatusForbidden, "forbidden", "scope")
			w.get(path+"?token="+w.scoped(auth.ScopeAdmin), "").wantProblem(t, path+" in the URL", http.StatusUnauthorized, "unauthorized", "Authorization")
		}
		w.get("/v1/live", w.granted("alice", "*", auth.RoleViewer)).wantProblem(t, "viewer everywhere", http.StatusForbidden, "forbidden", "scope")
		w.get("/v1/rooms/alice", w.granted("bob", "al*", auth.RoleViewer)).wantStatus(t, "a grant on the room", http.StatusOK)
		w.get("/v1/rooms/alice", w.granted("bob", "bob", auth.RoleStreamer)).wantProblem(t, "a grant on another room", http.StatusForbidden, "forbidden", "scope")
		w.get("/v1/streamers/alice", w.granted("alice", "x", auth.RoleViewer)).wantStatus(t, "about oneself", http.StatusOK)
	})
	inWorld(t, func(t *testing.T, w *world) {
		for _, path := range paths {
			w.get(path, "").wantStatus(t, "public "+path, http.StatusOK)
			w.get(path, w.scoped("openid")).wantStatus(t, "public with any token "+path, http.StatusOK)
			w.get(path, "nonsense").wantProblem(t, "public, bad token "+path, http.StatusUnauthorized, "unauthorized", "")
		}
	}, public)
}

// A directory that is not loaded would call people offline who are not.
func TestNothingIsSaidBeforeTheDirectoryIsLoaded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, path := range []string{"/v1/live", "/v1/live/stream", "/v1/streamers/alice", "/v1/rooms/alice"} {
			w.get(path, "").wantProblem(t, path, http.StatusServiceUnavailable, "unavailable", "started")
		}
	}, public, func(c *Config) { c.Directory = presence.NewDirectory(c.Store, c.Logger) })
}

// cutLog is a log that can be cut off.
type cutLog struct {
	presence.Log
	cut atomic.Bool
}

func (l *cutLog) Read(ctx context.Context, partition int, after uint64, max int) ([]presence.Transition, error) {
	if l.cut.Load() {
		return nil, presence.ErrUnavailable
	}
	return l.Log.Read(ctx, partition, after, max)
}

// Once the log can't be read for 10 s, answers say so.
func TestStale(t *testing.T) {
	log := &cutLog{}
	inWorld(t, func(t *testing.T, w *world) {
		w.run(w.cfg.Directory.Run)
		w.live("alice", presence.Details{})
		if w.page("/v1/live", "").Stale {
			t.Error("stale at once")
		}
		log.cut.Store(true)
		time.Sleep(16 * time.Second) // the last poll that succeeded is up to 5 s old
		if page := w.page("/v1/live", ""); !page.Stale || page.Total != 1 {
			t.Errorf("got %+v, want alice, stale", page)
		}
		if !decode[Room](t, w.get("/v1/rooms/alice", "")).Stale || !decode[Streamer](t, w.get("/v1/streamers/alice", "")).Stale {
			t.Error("rooms and streamers are not stale")
		}
		a := w.do(http.MethodPost, "/v1/streamers/query", "", idsBody("alice", "bob"))
		if !decode[StreamerList](t, a).Stale || strings.Count(string(a.body), "stale") != 1 {
			t.Errorf("a list of streamers is not stale as a whole: %s", a.body)
		}
	}, public, func(c *Config) {
		log.Log = c.Store
		c.Directory = presence.NewDirectory(log, c.Logger)
	})
}
