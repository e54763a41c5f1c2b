package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
)

// TestAMillionBroadcasts asks a node whose record is large for lists of every kind, four at a time. It judges the answers,
// and that none takes a second; how long they take is for a person to read.
func TestAMillionBroadcasts(t *testing.T) {
	broadcasts, streamers, each := 10_000, 200, 5
	if soak() {
		broadcasts, streamers, each = 1_000_000, 20_000, 500
	}
	h := newHistory(broadcasts, streamers)
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			database := "sqlite:" + filepath.Join(t.TempDir(), "history.db")
			if kind == "postgres" {
				database = testserver.Postgres(t)
			}
			h.fill(t, database)
			r := &reader{history: h, t: t, node: start(t, "--database", database), took: make(delays)}
			r.bearer = token(t, "backend", func(c *auth.Claims) { c.Scopes = []auth.Scope{auth.ScopeService} })
			r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
			defer r.client.CloseIdleConnections()
			for _, atOnce := range []int{1, 4} {
				r.took = make(delays)
				r.readAll(each, atOnce, r.lists)
				r.readAll(each, atOnce, r.tables) // apart: one of them is as much work as ten others
				t.Logf("%d broadcasts, %d readers:\n%s", broadcasts, atOnce, r.took.table())
			}
		})
	}
}

// reader asks a node for its record.
type reader struct {
	*history
	t      *testing.T
	node   *process
	bearer string
	client *http.Client

	mu   sync.Mutex
	took delays
}

// question is one request, and how its answer is judged.
type question struct {
	kind, path, accept string
	judge              func(body []byte, link string) error
}

// readAll asks so many questions of each kind.
func (r *reader) readAll(each, atOnce int, ofEach func(*rand.Rand) []question) {
	r.t.Helper()
	rnd := rand.New(rand.NewPCG(2, 2))
	var questions []question
	for range each {
		questions = append(questions, ofEach(rnd)...)
	}
	rnd.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
	for i := range 20 * atOnce { // its first connections to the database are not what is measured
		_ = r.ask(questions[i%len(questions)])
	}
	var asking sync.WaitGroup
	for part := range atOnce {
		asking.Go(func() {
			for i := part; i < len(questions); i += atOnce {
				q := questions[i]
				took := r.ask(q)
				r.mu.Lock()
				r.took.add(q.kind, took)
				r.mu.Unlock()
			}
		})
	}
	asking.Wait()
}

// lists returns one question of each kind, but for tables.
func (r *reader) lists(rnd *rand.Rand) []question {
	n := len(r.all)
	some := r.all[rnd.IntN(n)]
	deep := func(places []int) int { return places[len(places)/4+rnd.IntN(len(places)/2+1)] + 1 }
	const day = 24 * 3600 * 1000
	last := r.all[n-1].at
	someday := yearStart + rnd.Int64N(yearLong-30*day)
	// Almost a year, of which the cursor is far from both ends.
	from, to := yearStart+10*day, last-10*day
	middle := n/4 + rnd.IntN(n/2)
	return []question{
		r.list("newest", asked{first: 20}),
		r.list("newest, 100", asked{first: 100}),
		r.list("deep, 100", asked{first: 100, after: 1 + rnd.IntN(n)}),
		r.list("busy streamer", asked{first: 20, streamer: busiest}),
		r.list("busy streamer, deep, 100", asked{first: 100, streamer: busiest, after: deep(r.byStreamer[busiest])}),
		r.list("any streamer, 100", asked{first: 100, streamer: some.streamer}),
		r.list("unknown streamer", asked{first: 20, streamer: "nobody"}),
		r.list("hall", asked{first: 20, room: hall}),
		r.list("hall, deep, 100", asked{first: 100, room: hall, after: deep(r.byRoom[hall])}),
		r.list("any room", asked{first: 20, room: some.room}),
		r.list("streamer, own room, deep", asked{first: 20, streamer: busiest, room: "room-of-" + busiest, after: deep(r.byStreamer[busiest])}),
		r.list("streamer hardly in room", asked{first: 20, streamer: busiest, room: hall}),
		r.list("streamer never in room", asked{first: 20, streamer: busiest, room: "room-of-streamer-1"}),
		r.list("last day", asked{first: 20, from: last - day}),
		r.list("some day", asked{first: 100, from: someday, to: someday + day}),
		r.list("some minute", asked{first: 100, from: someday, to: someday + 60_000}),
		r.list("before it all", asked{first: 100, to: yearStart}),
		r.list("after it all", asked{first: 100, from: yearStart + 2*yearLong}),
		r.list("range, cursor in it", asked{first: 100, from: from, to: to, after: middle}),
		r.list("range, cursor before", asked{first: 100, from: from, to: to, after: n/100 + 1}),
		r.list("range, cursor behind", asked{first: 100, from: from, to: to, after: n}),
		r.list("streamer, range, cursor", asked{first: 20, streamer: busiest, from: from, to: to, after: middle}),
		r.list("streamer, room, range", asked{first: 20, streamer: busiest, room: hall, from: from, to: to, after: middle}),
		r.list("room, range, cursor", asked{first: 20, room: hall, from: from, to: to, after: middle}),
		r.one("one", rnd.IntN(n)),
		r.one("one, 600 samples", r.sampled[rnd.IntN(len(r.sampled))]),
	}
}

func (r *reader) tables(rnd *rand.Rand) []question {
	return []question{
		r.table("CSV, 1000, deep", asked{first: 1000, after: 1 + rnd.IntN(len(r.all))}),
		r.table("CSV, 1000, busy streamer", asked{first: 1000, streamer: busiest}),
	}
}

// ask asks, and returns how long the answer took.
func (r *reader) ask(q question) (took time.Duration) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.node.addr+q.path, nil)
	if err != nil {
		r.t.Errorf("%s: %v", q.kind, err)
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+r.bearer)
	request.Header.Set("Accept", q.accept)
	begun := time.Now()
	response, err := r.client.Do(request)
	if err != nil {
		r.t.Errorf("%s: %v", q.kind, err)
		return 0
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	took = time.Since(begun)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", response.Status, body)
	}
	if err == nil {
		err = q.judge(body, response.Header.Get("Link"))
	}
	if err == nil && soak() && took > time.Second {
		err = fmt.Errorf("it took %s", took)
	}
	if err != nil {
		r.t.Errorf("%s: %s: %v", q.kind, q.path, err)
	}
	return took
}

// list asks for JSON.
func (r *reader) list(kind string, q asked) question {
	return question{kind, r.path(q), "application/json", func(body []byte, _ string) error {
		var page struct {
			Data []struct{ ID, Title string }
			Next string
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		ids := make([]string, len(page.Data))
		for i, b := range page.Data {
			ids[i] = b.ID
		}
		return r.judge(q, ids, page.Next != "")
	}}
}

// table asks for CSV.
func (r *reader) table(kind string, q asked) question {
	return question{kind, r.path(q), "text/csv", func(body []byte, link string) error {
		lines := strings.Split(strings.TrimSpace(string(body)), "\r\n")[1:]
		for i, line := range lines {
			lines[i], _, _ = strings.Cut(line, ",")
		}
		return r.judge(q, lines, link != "")
	}}
}

// one asks for a broadcast with its viewers over time.
func (r *reader) one(kind string, place int) question {
	want := 0
	if slices.Contains(r.sampled, place) {
		want = samples
	}
	return question{kind, "/v1/broadcasts/" + r.all[place].id, "application/json", func(body []byte, _ string) error {
		var whole struct {
			ID      string
			Viewers []struct{ Viewers int }
		}
		if err := json.Unmarshal(body, &whole); err != nil {
			return err
		}
		if whole.ID != r.all[place].id || len(whole.Viewers) != want {
			return fmt.Errorf("got %s with %d samples, want %d", whole.ID, len(whole.Viewers), want)
		}
		return nil
	}}
}

func (r *reader) judge(q asked, ids []string, more bool) error {
	page, wantMore := r.answer(q)
	want := make([]string, len(page))
	for i, place := range page {
		want[i] = r.all[place].id
	}
	if !slices.Equal(ids, want) || more != wantMore {
		return fmt.Errorf("got %d, and more: %v, %.200q\nwant %d, %v, %.200q", len(ids), more, ids, len(want), wantMore, want)
	}
	return nil
}

func (r *reader) path(q asked) string {
	query := url.Values{"first": {strconv.Itoa(q.first)}}
	set := func(name, value string, given bool) {
		if given {
			query.Set(name, value)
		}
	}
	set("streamer", q.streamer, q.streamer != "")
	set("room", q.room, q.room != "")
	set("from", time.UnixMilli(q.from).UTC().Format(time.RFC3339Nano), q.from != 0)
	set("to", time.UnixMilli(q.to).UTC().Format(time.RFC3339Nano), q.to != 0)
	if q.after != 0 {
		p := r.all[q.after-1]
		b := record.Broadcast{ID: p.id, StartedAt: presence.Millis(p.at)}
		set("after", b.Cursor(), true)
	}
	return "/v1/broadcasts?" + query.Encode()
}
