package record

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The history of these tests has one broadcast a second. Every fifth is muriel's, until she stopped in the middle of it,
// and every fifth was in the hall, until it closed; there she was a few times at the very beginning. Both are in the
// middle of the alphabet.
const (
	historyLong = 24_000
	muriel      = "muriel"
	hall        = "hall"
)

func fillHistory(t *testing.T, s *Store) {
	t.Helper()
	numbers, id := `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d)`, `printf('00000000-0000-7000-8000-%012d', n)`
	if onPostgres(t) {
		numbers, id = `WITH numbers AS (SELECT generate_series(1, %d) AS n)`, `('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid`
	}
	for _, statement := range []string{
		fmt.Sprintf(numbers, historyLong) + `, whose AS (SELECT n,
				CASE WHEN n < 12000 AND n % 5 = 0 OR n < 50 AND n % 5 = 1 THEN 'muriel' WHEN n % 2 = 0 THEN 'a' || n % 499 ELSE 'z' || n % 499 END AS who,
				n < 12000 AND n % 5 = 1 AS together FROM numbers)
			INSERT INTO broadcasts (id, streamer, streamer_name, room, title, started_at, ended_at, version)
			SELECT ` + id + `, who, '', CASE WHEN together THEN 'hall' ELSE 'a-room-of-' || who END,
				'Sketches with ink and a brush, and more.', n * 1000, CASE WHEN n % 5000 > 0 THEN n * 1000 + 500 END, 3 FROM whose`,
		`INSERT INTO viewer_samples (broadcast, at, viewers) SELECT id, started_at + 60000, 1 FROM broadcasts
			UNION ALL SELECT id, started_at + 120000, 2 FROM broadcasts`,
	} {
		if _, err := s.DB.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

func onPostgres(t *testing.T) bool { return strings.Contains(t.Name(), "postgres") }

// planOf returns how a database goes about a query; PostgreSQL carries it out, and says what it read.
func planOf(t *testing.T, s *Store, query string, args ...any) string {
	t.Helper()
	explain := "EXPLAIN QUERY PLAN "
	if onPostgres(t) {
		explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) "
	}
	tx, err := s.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // what is to be deleted stays
	rows, err := tx.Query(explain+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan []string
	for rows.Next() {
		line := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range line {
			into[i] = &line[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, line[len(line)-1])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}

var buffers = regexp.MustCompile(`Buffers:(?: shared)?(?: hit=(\d+))?(?: read=(\d+))?`)

// pagesOf returns how many pages PostgreSQL read, by its plan, to carry it out.
func pagesOf(plan string) (sum int) {
	for _, n := range buffers.FindStringSubmatch(plan)[1:] { // the first line is of the whole
		pages, _ := strconv.Atoi(n)
		sum += pages
	}
	return sum
}

// A plan that goes through a table, or sorts. What is open has an index of its own, and all of it is asked for.
var whole = regexp.MustCompile(`Seq Scan|Sort Key|SCAN (broadcasts|viewer_samples)( |$)(USING INDEX broadcasts_(open|started))?|TEMP B-TREE`)

func readsWhole(plan string) bool {
	return slices.ContainsFunc(whole.FindAllString(plan, -1), func(found string) bool { return !strings.Contains(found, "USING INDEX") })
}

// Each list is read from an index that has it side by side in its order, whatever is asked for, wherever the page is, and
// whether the database has looked at its tables (SQLite does so only when it is told to).
func TestPlansOfLists(t *testing.T) {
	at := func(n int64) string { b := broadcastNo(n, alice, studio); return b.Cursor() }
	filters := []struct {
		name, index    string // SQLite's choice
		streamer, room string
		pages          int // that PostgreSQL may read
	}{
		{"all", "broadcasts_started", "", "", 10},
		{"a streamer with many", "broadcasts_streamer", muriel, "", 40},
		{"a streamer with few", "broadcasts_streamer", "a12", "", 60},
		{"nobody", "broadcasts_streamer", "nobody", "", 10},
		{"a room with many", "broadcasts_room", "", hall, 40},
		{"a room with few", "broadcasts_room", "", "a-room-of-a12", 60},
		{"many of both, few together", "broadcasts_streamer_room", muriel, hall, 40},
		{"many together", "broadcasts_streamer_room", muriel, "a-room-of-muriel", 40},
		{"none together", "broadcasts_streamer_room", muriel, "a-room-of-a12", 10},
	}
	bounds := []struct {
		name string
		q    Query
	}{
		{"newest", Query{}},
		{"deep", Query{After: at(9000)}},
		{"lately", Query{From: 23_900_000}},
		{"once", Query{From: 3_000_000, To: 3_900_000}},
		{"once, deep", Query{From: 1_000_000, To: 3_900_000, After: at(3500)}},
		{"until", Query{To: 9_000_000}},
		{"before it all", Query{To: 1}},
		{"after it all", Query{From: 99_000_000}},
		{"most of it, deep", Query{From: 1, To: 23_999_000, After: at(6000)}},
		{"most of it, cursor after it", Query{From: 1, To: 6_000_000, After: at(23_999)}},
		{"most of it, cursor before it", Query{From: 20_000_000, To: 23_999_000, After: at(100)}},
	}
	eachDatabase(t, func(t *testing.T, s *Store) {
		fillHistory(t, s)
		check := func(t *testing.T) {
			for _, f := range filters {
				for _, b := range bounds {
					q := b.q
					q.Streamer, q.Room, q.First = f.streamer, f.room, 21
					statement, args, err := q.statement()
					if err != nil {
						t.Fatal(err)
					}
					plan := planOf(t, s, statement, args...)
					// PostgreSQL may as well sort, if it reads no more for that.
					if onPostgres(t) && pagesOf(plan) <= f.pages && !strings.Contains(plan, "Seq Scan") ||
						!onPostgres(t) && strings.Contains(plan+" ", f.index+" ") && !readsWhole(plan) {
						continue
					}
					t.Errorf("%s, %s: the plan is\n%s", f.name, b.name, plan)
				}
			}
		}
		if !onPostgres(t) {
			t.Run("unknown tables", check)
		}
		if _, err := s.DB.Exec("ANALYZE"); err != nil {
			t.Fatal(err)
		}
		check(t)
	})
}

// What is asked besides is found by an index as well.
func TestPlansOfTheRest(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		fillHistory(t, s)
		if _, err := s.DB.Exec("ANALYZE"); err != nil {
			t.Fatal(err)
		}
		one := broadcastNo(9000, alice, studio).ID
		lastEnds, user := lastEndsOf([]string{muriel})
		for _, test := range []struct {
			name, query string
			args        []any
			index       string // PostgreSQL's name for it
			sqlite      string
		}{
			{"one", `SELECT ` + columns + ` FROM broadcasts WHERE id = $1`, []any{one}, "broadcasts_pkey", "sqlite_autoindex_broadcasts_1"},
			{"samples", samplesOfOne, []any{one}, "viewer_samples_pkey", "PRIMARY KEY"},
			{"open", openSince, []any{99_000_000}, "broadcasts_open", "broadcasts_open"},
			{"last end", lastEnds, user, "broadcasts_last", "broadcasts_last"},
			{"oldest", oldest, []any{5_000_000, 500}, "broadcasts_started", "broadcasts_started"},
			{"forget samples", `DELETE FROM viewer_samples WHERE broadcast IN (` + oldest + `)`, []any{9_000, 500}, "viewer_samples_pkey", "PRIMARY KEY"},
			{"forget", `DELETE FROM broadcasts WHERE id IN (` + oldest + `)`, []any{9_000, 500}, "broadcasts_pkey", "sqlite_autoindex_broadcasts_1"},
		} {
			index, plan := test.sqlite, planOf(t, s, test.query, test.args...)
			if onPostgres(t) {
				index = test.index
			}
			if !strings.Contains(plan, index) || readsWhole(plan) {
				t.Errorf("%s: the plan is\n%s", test.name, plan)
			}
		}
	})
}

// Of two upper bounds a statement has one.
func TestOneUpperBound(t *testing.T) {
	b := broadcastNo(5, alice, studio)
	for _, test := range []struct {
		q    Query
		want string
	}{
		{Query{After: b.Cursor()}, "(started_at, id) <"},
		{Query{After: b.Cursor(), To: 5001}, "(started_at, id) <"},
		{Query{After: b.Cursor(), To: 5000}, " started_at <"},
		{Query{To: 5000}, " started_at <"},
	} {
		statement, _, err := test.q.statement()
		if err != nil || strings.Count(statement, "<") != 1 || !strings.Contains(statement, test.want) {
			t.Errorf("%+v: %s, %v", test.q, statement, err)
		}
	}
}
