package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/migrations"
)

// history is a year of broadcasts, as a platform has them: few streamers have most of them, most are in the streamer's own
// room, and some in rooms of many. It is the same each time, and knows what each list has.
type history struct {
	all        []past           // earliest start first, as lists are ordered
	byStreamer map[string][]int // places in all
	byRoom     map[string][]int
	sampled    []int // places of those with viewer samples
}

// past is one of them.
type past struct {
	id, streamer, room string
	at                 int64 // its start, Unix ms
}

const (
	yearStart = int64(1_790_000_000_000)
	yearLong  = int64(365 * 24 * 3600 * 1000)
	samples   = 600 // of each that has any: ten hours
)

// The streamer who has most, and the room of many that has most. They hardly ever meet: the streamer was there a few times,
// at the very beginning.
const busiest, hall = "streamer-0", "hall-0"

func newHistory(broadcasts, streamers int) *history {
	rnd := rand.New(rand.NewPCG(1, 1))
	h := &history{byStreamer: make(map[string][]int), byRoom: make(map[string][]int)}
	for n := range broadcasts {
		// Of a million, the busiest of 20,000 has some 20,000, the middle one some 20.
		number := int(float64(streamers) * math.Pow(rnd.Float64(), 2.5))
		p := past{streamer: fmt.Sprint("streamer-", number)}
		p.room = "room-of-" + p.streamer
		if rnd.IntN(20) == 0 && (number > 0 || n < broadcasts/100) {
			p.room = fmt.Sprint("hall-", int(10*math.Pow(rnd.Float64(), 2)))
		}
		// Two at a time start in the same millisecond. Ids are made by clocks that are not quite right.
		p.at = yearStart + int64(n/2*2)*yearLong/int64(broadcasts)
		made := p.at - rnd.Int64N(1000)
		p.id = fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", made>>16, made&0xffff, rnd.IntN(1<<12), 1<<15+rnd.IntN(1<<14), rnd.Int64N(1<<48))
		h.all = append(h.all, p)
	}
	slices.SortFunc(h.all, func(a, b past) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.id, b.id)) })
	for i, p := range h.all {
		h.byStreamer[p.streamer] = append(h.byStreamer[p.streamer], i)
		h.byRoom[p.room] = append(h.byRoom[p.room], i)
	}
	h.sampled = rnd.Perm(broadcasts)[:100]
	return h
}

// fill writes it into an empty database.
func (h *history) fill(t *testing.T, database string) {
	t.Helper()
	ctx := t.Context()
	db, dialect, err := migrations.Open(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := migrations.Up(ctx, db, dialect); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	err = insertAll(ctx, tx, `broadcasts (id, streamer, streamer_name, room, title, category, language, tags, state,
		started_at, ended_at, reason, version, peak_viewers, unique_viewers, watch_seconds, seen_at)`, len(h.all), func(i int) []any {
		p := h.all[i]
		title := fmt.Sprintf("%-40.40s", fmt.Sprint("Sketches number ", i, ", with ink and a brush, late"))
		ended := p.at + 60_000 + int64(i*7919%14_400_000)
		return []any{p.id, p.streamer, "Name of " + p.streamer, p.room, title, "art", "en", `["ink","brush","late"]`, "ended",
			p.at, ended, "ended-by-streamer", 4, i % 500, i % 3000, i % 90_000, ended}
	})
	if err == nil {
		err = insertAll(ctx, tx, `viewer_samples (broadcast, at, viewers)`, len(h.sampled)*samples, func(i int) []any {
			p := h.all[h.sampled[i/samples]]
			return []any{p.id, p.at + int64(i%samples)*60_000, i % 1000}
		})
	}
	if err == nil {
		err = tx.Commit()
	}
	if err == nil && dialect == migrations.Postgres {
		_, err = db.ExecContext(ctx, "VACUUM ANALYZE") // as the server does by itself
	}
	if err != nil {
		t.Fatal(err)
	}
}

// insertAll inserts rows, some by one statement: SQLite's driver looks for each parameter among all of them.
func insertAll(ctx context.Context, tx *sql.Tx, table string, n int, row func(int) []any) error {
	for next := 0; next < n; {
		var values []string
		var args []any
		for ; next < n && len(values) < 50; next++ {
			var places []string
			for _, value := range row(next) {
				args = append(args, value)
				places = append(places, fmt.Sprint("$", len(args)))
			}
			values = append(values, "("+strings.Join(places, ",")+")")
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES "+strings.Join(values, ","), args...); err != nil {
			return err
		}
	}
	return nil
}

// asked is a question to the record. Zero fields are not asked for.
type asked struct {
	streamer, room string
	from, to       int64
	after          int // the place of the last one of the page before, and 1
	first          int
}

// answer returns the places of what is to be listed, and whether more follow.
func (h *history) answer(q asked) (page []int, more bool) {
	within := h.byStreamer[q.streamer]
	if q.streamer == "" {
		within = h.byRoom[q.room]
	}
	until := len(h.all) // before this place
	if q.after != 0 {
		until = q.after - 1
	}
	if q.to != 0 {
		place, _ := slices.BinarySearchFunc(h.all, q.to, func(p past, to int64) int { return cmp.Compare(p.at, to) })
		until = min(until, place)
	}
	narrowed := q.streamer != "" || q.room != ""
	if narrowed {
		until, _ = slices.BinarySearch(within, until)
	}
	for i := until - 1; i >= 0; i-- {
		place := i
		if narrowed {
			place = within[i]
		}
		switch p := h.all[place]; {
		case p.at < q.from:
			return page, false
		case q.room != "" && p.room != q.room:
		case len(page) == q.first:
			return page, true
		default:
			page = append(page, place)
		}
	}
	return page, false
}
