package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/presence"
)

func TestLastEnds(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		want := func(name string, want map[string]presence.Millis, users ...string) {
			t.Helper()
			if got, err := s.LastEnds(t.Context(), users); err != nil || !maps.Equal(got, want) {
				t.Errorf("%s: got %.100v, %v, want %v", name, fmt.Sprint(got), err, want)
			}
		}
		want("nobody", map[string]presence.Millis{})
		want("nobody known", map[string]presence.Millis{}, "alice", "bob")
		for _, n := range []int64{3, 5, 4} {
			write(t, s, broadcastNo(n, alice, studio))
		}
		write(t, s, broadcastNo(9, bob, "elsewhere"))
		if _, err := s.DB.Exec(`INSERT INTO broadcasts (id, streamer, streamer_name, room, started_at, version)
			VALUES ('0197c1b5-9d3d-7cc0-8000-000000000001', 'bob', '', 'r', 99000, 1)`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB.Exec(`INSERT INTO broadcasts (id, streamer, streamer_name, room, started_at, version)
			VALUES ('0197c1b5-9d3d-7cc0-8000-000000000002', 'carol', '', 'r', 99000, 1)`); err != nil {
			t.Fatal(err)
		}
		want("one", map[string]presence.Millis{"alice": 5500}, "alice")
		want("one who is on air again", map[string]presence.Millis{"bob": 9500}, "bob")
		want("one whose first broadcast runs", map[string]presence.Millis{}, "carol")
		want("one of odd letters", map[string]presence.Millis{}, "'; DROP TABLE broadcasts; --")
		want("some", map[string]presence.Millis{"alice": 5500, "bob": 9500}, "bob", "carol", "dave", "alice", "bob")
		for _, n := range []int{999, 1000, 1024, 1025} {
			users := []string{"alice"}
			for i := range n - 2 {
				users = append(users, fmt.Sprint("user", i))
			}
			want(fmt.Sprint(n), map[string]presence.Millis{"alice": 5500, "bob": 9500}, append(users, "bob")...)
		}
	})
}

// However many are asked for, their broadcasts are found by an index: nobody reads the whole history.
func TestLastEndsByIndex(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		numbers, id := `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)`, `lower(hex(randomblob(16)))`
		if onPostgres(t) {
			numbers, id = `WITH numbers AS (SELECT generate_series(1, 20000) AS n)`, `gen_random_uuid()`
		}
		for _, statement := range []string{
			numbers + ` INSERT INTO broadcasts (id, streamer, streamer_name, room, started_at, ended_at, version)
				SELECT ` + id + `, 'user' || (n % 2000), '', 'r', n, n, 3 FROM numbers`,
			"ANALYZE",
		} {
			if _, err := s.DB.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		users := make([]string, 1000)
		for i := range users {
			users[i] = fmt.Sprint("user", i)
		}
		query, args := lastEndsOf(users)
		plan := strings.Split(planOf(t, s, query, args...), "\n")
		byIndex := func(line string) bool {
			return strings.Contains(line, "Index ") || strings.Contains(line, "INDEX broadcasts")
		}
		whole := func(line string) bool {
			return strings.Contains(line, "Seq Scan on broadcasts") || strings.Contains(line, "SCAN broadcasts")
		}
		if !slices.ContainsFunc(plan, byIndex) || slices.ContainsFunc(plan, whole) {
			t.Errorf("the plan is\n%s", strings.Join(plan, "\n"))
		}
	})
}
