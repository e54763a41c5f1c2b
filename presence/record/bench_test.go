package record

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
)

// BenchmarkList reads the longest page of JSON: what a row costs, as the indexes make the rest the same for any history.
func BenchmarkList(b *testing.B) {
	const rows = 20_000
	for name, database := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(b.TempDir(), "tallylight.db") },
		"postgres": func() string { return testserver.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			s := openStore(b, database())
			ctx := context.Background()
			tx, err := s.DB.BeginTx(ctx, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer tx.Rollback()
			for i := range rows {
				d := presence.Details{Title: "Sketches, with ink and a brush, late", Category: "art", Language: "en", Tags: []string{"ink", "brush", "late"}}
				tags, err := tagsOf(d)
				if err != nil {
					b.Fatal(err)
				}
				at := presence.Millis(1_790_000_000_000 + i)
				one := Broadcast{ID: uuid.Must(uuid.NewV7()).String(), Streamer: alice, Room: studio, Details: d, State: Ended, StartedAt: at, EndedAt: at + 1, Version: 4}
				if _, err := insert(ctx, tx, one, tags, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := tx.Commit(); err != nil {
				b.Fatal(err)
			}
			after := ""
			for b.Loop() {
				page, err := s.List(ctx, Query{First: 101, After: after})
				if err != nil {
					b.Fatal(err)
				}
				after = ""
				if len(page) == 101 {
					after = page[100].Cursor()
				}
			}
		})
	}
}
