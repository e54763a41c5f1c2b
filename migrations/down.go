package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"
)

// Down takes back the newest migration that is applied, and returns it; none if none is. Whatever its tables and columns
// held is lost. Other processes are kept out, and waited for, as by Apply; nodes that run go on using what it drops.
//
// A database that a newer program has migrated is left alone, and gets ErrNewer: only that program knows the way back.
func Down(ctx context.Context, db *sql.DB, d Dialect) ([]Step, error) {
	return down(ctx, db, d, func(p *goose.Provider, ctx context.Context) ([]*goose.MigrationResult, error) {
		result, err := p.Down(ctx)
		switch {
		case errors.Is(err, goose.ErrNoNextVersion):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []*goose.MigrationResult{result}, nil
	})
}

// DownTo is Down until version is the newest migration that is applied; 0 takes everything back. What it took back is
// returned, also if it failed then.
func DownTo(ctx context.Context, db *sql.DB, d Dialect, version int64) ([]Step, error) {
	return down(ctx, db, d, func(p *goose.Provider, ctx context.Context) ([]*goose.MigrationResult, error) {
		return p.DownTo(ctx, version)
	})
}

func down(ctx context.Context, db *sql.DB, d Dialect, do func(*goose.Provider, context.Context) ([]*goose.MigrationResult, error)) ([]Step, error) {
	steps, err := migrate(ctx, db, d, func(p *goose.Provider, ctx context.Context) ([]*goose.MigrationResult, error) {
		// Should a newer program migrate between this and the lock, then goose finds a version without a file, and does
		// nothing either.
		all, err := Status(ctx, db, d)
		if err == nil {
			err = newerThanWe(all)
		}
		if err != nil {
			return nil, err
		}
		return do(p, ctx)
	})
	if err != nil {
		return steps, fmt.Errorf("taking migrations of the %s database back: %w", d, err)
	}
	return steps, nil
}
