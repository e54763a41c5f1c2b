package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tallylight/tallylight/migrations"
)

// schema sees that the database is as this program needs it, before anything is built on it; or, where the database is
// away by then, as soon as it is back: presence does not wait for the record.
type schema struct {
	db      *sql.DB
	dialect migrations.Dialect
	migrate bool // false: somebody else does

	away error // why the database could not be reached; nil once the schema is up to date
}

// prepare migrates the database, or sees that it is migrated. It fails on one that refuses, or whose schema is not what
// this program works with, but not on one that is away.
func (s *schema) prepare(ctx context.Context) error {
	if s.away = s.see(ctx); migrations.Away(s.away) {
		return nil
	}
	return s.away
}

func (s *schema) see(ctx context.Context) error {
	if s.migrate {
		return migrations.Up(ctx, s.db, s.dialect)
	}
	err := migrations.Check(ctx, s.db, s.dialect)
	if errors.Is(err, migrations.ErrBehind) {
		return fmt.Errorf(`%w, and --no-migrate leaves it so: run "tallylight migrate up" for it first`, err)
	}
	return err
}

// catchUpEvery is how long a database that was away when the node started may be back before it is noticed.
const catchUpEvery = 3 * time.Second

// catchUp goes on where prepare could not, until it is done or the context ends. What is written meanwhile waits in the
// log of transitions. A node that serves is not stopped because its database turns out to be the wrong one: it says so,
// and waits for a better one.
func (s *schema) catchUp(ctx context.Context, logger *slog.Logger) {
	if s.away == nil {
		return
	}
	logger.Warn("the database can't be reached: nothing is recorded until it answers, all else goes on", "error", s.away)
	for said := s.away.Error(); ; {
		select {
		case <-time.After(catchUpEvery):
		case <-ctx.Done():
			return
		}
		err := s.see(ctx)
		switch {
		case err == nil:
			logger.Info("the database answers, and its schema is up to date")
			return
		case err.Error() == said || ctx.Err() != nil: // it may stay so for hours
		case migrations.Away(err):
			logger.Warn("the database still can't be reached", "error", err)
		default:
			logger.Error("the database answers, but can't be used; it is tried again", "error", err)
		}
		said = err.Error()
	}
}
