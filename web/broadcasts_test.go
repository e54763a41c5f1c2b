package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/rooms"
)

func (w *world) records(query, token string) RecordPage {
	w.t.Helper()
	a := w.get("/v1/broadcasts"+query, token)
	a.wantStatus(w.t, query, http.StatusOK)
	return decode[RecordPage](w.t, a)
}

func TestBroadcasts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeDirectory)
		if page := w.records("", token); len(page.Data) != 0 || page.Next != "" {
			t.Errorf("at first: got %+v, want nothing", page)
		}
		start := time.Now()
		alice := w.live("alice", presence.Details{Title: "Chess", Tags: []string{"blitz"}}).watched(4)
		alice.watched(2)
		synctest.Wait()
		a := w.get("/v1/broadcasts/"+alice.broadcast.ID, token)
		a.wantStatus(t, "still live", http.StatusOK)
		if got := decode[WholeRecord](t, a); got.State != record.Live || got.EndedAt != nil || got.PeakViewers == nil || *got.PeakViewers != 4 || got.WatchSeconds != nil {
			t.Errorf("still live: got %+v", got)
		}
		w.listen("bob", "alice")
		time.Sleep(30 * time.Minute)
		w.listen("carol", "alice")
		time.Sleep(30 * time.Minute)
		alice.end()
		w.live("dave", presence.Details{}).end() // nobody is in his room who could count

		page := w.records("", token)
		if len(page.Data) != 2 {
			t.Fatalf("got %+v, want two records", page)
		}
		if got := page.Data[0]; got.Room != "dave" || got.UniqueViewers != nil || got.WatchSeconds != nil {
			t.Errorf("got %+v, want no figures", got)
		}
		got := page.Data[1]
		if got.ID != alice.broadcast.ID || got.Streamer != (presence.User{ID: "alice", Name: "ALICE"}) || got.Room != "alice" || got.Title != "Chess" ||
			fmt.Sprint(got.Tags) != "[blitz]" || got.Reason != presence.ReasonEndedByStreamer ||
			got.StartedAt != Time(presence.MillisOf(start.Add(time.Millisecond))) || *got.EndedAt-got.StartedAt != Time(time.Hour.Milliseconds()) ||
			got.PeakViewers == nil || *got.PeakViewers != 4 ||
			got.UniqueViewers == nil || *got.UniqueViewers != 2 || got.WatchSeconds == nil || *got.WatchSeconds != 5400 {
			t.Errorf("got %+v", got)
		}
		a = w.get("/v1/broadcasts/"+alice.broadcast.ID, token)
		a.wantStatus(t, "one", http.StatusOK)
		one := decode[WholeRecord](t, a)
		if one.ID != got.ID || *one.EndedAt != *got.EndedAt || one.State != record.Ended {
			t.Errorf("got %+v, want %+v", one, got)
		}
		if n := len(one.Viewers); n != 60 || one.Viewers[0].At < one.StartedAt || one.Viewers[0].Viewers != 1 || one.Viewers[59].Viewers != 2 || one.Viewers[59].At-one.Viewers[0].At != Time((59*time.Minute).Milliseconds()) {
			t.Errorf("got %d samples of the minutes that began in an hour: %+v", n, one.Viewers)
		}
		for _, id := range []string{"00000000-0000-7000-8000-000000000000", "nonsense", strings.ToUpper(alice.broadcast.ID)} {
			w.get("/v1/broadcasts/"+id, token).wantProblem(t, id, 404, "not_found", "")
		}
	})
}

func TestBroadcastsPagesAndFilters(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeService)
		start := time.Now()
		for i := range 5 {
			for _, user := range []string{"alice", "bob"} {
				s := w.online(user, "stage-"+user).start(presence.Details{Title: fmt.Sprint(i)})
				if err := w.store.Release(t.Context(), s.hold, presence.ReasonLeft); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			time.Sleep(time.Minute)
		}
		at := func(minute int, zone string) string {
			z := time.FixedZone("", map[string]int{"Z": 0, "+02:00": 7200}[zone])
			return url.QueryEscape(start.Add(time.Duration(minute) * time.Minute).In(z).Format(time.RFC3339))
		}
		for _, tt := range []struct{ query, want string }{
			{"?first=3", "bob4 alice4 bob3"},
			{"?streamer=bob&first=100", "bob4 bob3 bob2 bob1 bob0"},
			{"?room=stage-alice&first=2", "alice4 alice3"},
			{"?room=stage-alice&streamer=bob", ""},
			{"?streamer=bob&from=" + at(3, "Z"), "bob4 bob3"},
			{"?streamer=bob&to=" + at(2, "+02:00"), "bob1 bob0"},
			{"?streamer=bob&to=1970-01-01T00:00:00Z", ""}, // which is a bound
			{"?streamer=bob&from=" + at(1, "+02:00") + "&to=" + at(3, "Z"), "bob2 bob1"},
		} {
			if got := titles(w.records(tt.query, token)); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
			}
		}
		var all []string
		pages, after := 0, ""
		for pages == 0 || after != "" {
			page := w.records("?first=4&after="+after, token)
			all = append(all, titles(page))
			pages, after = pages+1, page.Next
		}
		want := "bob4 alice4 bob3 alice3|bob2 alice2 bob1 alice1|bob0 alice0"
		if got := strings.Join(all, "|"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if page := w.records("?first=5&streamer=bob", token); page.Next != "" {
			t.Errorf("a full last page has next %q", page.Next)
		}
	})
}

func titles(page RecordPage) string {
	names := make([]string, len(page.Data))
	for i, r := range page.Data {
		names[i] = r.Streamer.ID + r.Title
	}
	return strings.Join(names, " ")
}

func TestBroadcastsRefuse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeDirectory)
		for _, tt := range []struct{ query, mention string }{
			{"first=0", "first"},
			{"first=101", "first"},
			{"after=nonsense", "after"},
			{"after='", "after"},
			{"streamer=a%20b", "streamer"},
			{"streamer=a&streamer=b", "streamer"},
			{"room=*", "room"},
			{"from=yesterday", "from"},
			{"to=2026-01-31", "to"},
			{"to=2026-01-31T12:00:00+02:00", "%2B"},
		} {
			w.get("/v1/broadcasts?"+tt.query, token).wantProblem(t, tt.query, 400, rooms.CodeBadRequest, tt.mention)
		}
		for _, path := range []string{"/v1/broadcasts", "/v1/broadcasts/00000000-0000-7000-8000-000000000000"} {
			w.get(path, "").wantProblem(t, path+" nobody", 401, "unauthorized", "Authorization")
			w.get(path, w.granted("alice", "*", auth.RoleStreamer)).wantProblem(t, path+" streamer", 403, "forbidden", "scope")
		}
		w.withoutDB()
		w.get("/v1/broadcasts", token).wantProblem(t, "no database", 503, "unavailable", "record")
		w.get("/v1/broadcasts/00000000-0000-7000-8000-000000000000", token).wantProblem(t, "no database", 503, "unavailable", "record")
	}, public)
}

// A title is what a streamer likes: in a spreadsheet it must not be calculated.
func TestBroadcastsAsTable(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeDirectory)
		for i, title := range []string{"=1+1", "Skizzen, \"quoted\"", "plain"} {
			w.live(fmt.Sprint("user", i), presence.Details{Title: title, Tags: []string{"a", "b"}}).end()
			time.Sleep(time.Minute)
		}
		table := func(query string) ([][]string, http.Header) {
			a := w.do("GET", "/v1/broadcasts"+query, token, "", "Accept", "text/csv")
			a.wantStatus(t, query, http.StatusOK)
			if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv;") {
				t.Errorf("%s: it is %s", query, got)
			}
			rows, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			return rows, a.header
		}
		rows, header := table("?first=2")
		if len(rows) != 3 || rows[0][5] != "title" || rows[1][5] != "plain" || rows[2][5] != `Skizzen, "quoted"` || rows[2][8] != "a b" || rows[2][4] != "ended" {
			t.Errorf("got %q", rows)
		}
		next, _, ok := strings.Cut(strings.TrimPrefix(header.Get("Link"), "</v1/broadcasts"), `>; rel="next"`)
		if !ok {
			t.Fatalf("the next page is %q", header.Get("Link"))
		}
		if rows, header := table(next); len(rows) != 2 || rows[1][5] != "'=1+1" || header.Get("Link") != "" {
			t.Errorf("got %q, then %q", rows, header.Get("Link"))
		}
		if rows, _ := table("?first=10000"); len(rows) != 4 { // a list has at most 100
			t.Errorf("got %q", rows)
		}
		w.do("GET", "/v1/broadcasts?first=10001", token, "", "Accept", "text/csv").wantStatus(t, "too many", http.StatusBadRequest)
		if rows, _ := table("/" + rows[1][0]); fmt.Sprint(rows[0]) != "[at viewers]" {
			t.Errorf("got %q", rows)
		}
	})
}
