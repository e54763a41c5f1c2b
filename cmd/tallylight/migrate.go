package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tallylight/tallylight/migrations"
)

// migrateCmd is for who would rather not have a node do it at start, and for the way back.
type migrateCmd struct {
	Up     migrateUp     `cmd:"" help:"Apply what the database lacks. Nodes may run meanwhile, and several may do it at once."`
	Down   migrateDown   `cmd:"" help:"Take back the newest migration. ALL DATA in the tables and columns that it made IS LOST, such as the record of broadcasts, webhooks, or bans and the audit; stop the nodes before."`
	Status migrateStatus `cmd:"" help:"List the migrations, and when each was applied."`
}

// databaseFlag names the database as serve does.
type databaseFlag struct {
	Database string `env:"TALLYLIGHT_DATABASE" placeholder:"URL" help:"The database: sqlite:FILE or postgres://… (default: sqlite:tallylight.db)."`
}

// open opens the database; it need not answer.
func (f databaseFlag) open(ctx context.Context) (*sql.DB, migrations.Dialect, error) {
	return migrations.Open(ctx, cmp.Or(f.Database, defaultDatabase))
}

type migrateUp struct{ databaseFlag }

func (c *migrateUp) Run(ctx context.Context, out io.Writer) error {
	db, dialect, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	steps, err := migrations.Apply(ctx, db, dialect)
	return printSteps(out, "applied", steps, err)
}

type migrateDown struct {
	databaseFlag
	To  *int64 `env:"-" placeholder:"VERSION" help:"Go back further, until this version is the newest one; 0 takes everything back, with all data."`
	Yes bool   `env:"-" help:"Yes, drop the data."` // nobody's environment shall say it
}

func (c *migrateDown) Run(ctx context.Context, out io.Writer) error {
	switch {
	case c.To != nil && *c.To < 0:
		return usagef("--to must be a version, or 0 for none, not %d", *c.To)
	case !c.Yes:
		return usagef("this drops tables and columns with all that is in them: confirm it with --yes")
	}
	db, dialect, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if c.To == nil {
		steps, err := migrations.Down(ctx, db, dialect)
		return printSteps(out, "taken back", steps, err)
	}
	all, err := migrations.Status(ctx, db, dialect)
	if err != nil {
		return err
	}
	if *c.To != 0 && !slices.ContainsFunc(all, func(m migrations.Migration) bool { return m.Version == *c.To }) {
		return usagef("--to: there is no version %d", *c.To)
	}
	steps, err := migrations.DownTo(ctx, db, dialect, *c.To)
	return printSteps(out, "taken back", steps, err)
}

// printSteps says what was done, also if it then failed.
func printSteps(out io.Writer, done string, steps []migrations.Step, failed error) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		fmt.Fprintf(w, "%s\t%d\t%s\tin %s\n", done, s.Version, s.Name, s.Took.Round(100*time.Microsecond))
	}
	if len(steps) == 0 && failed == nil {
		fmt.Fprintln(w, "nothing to do")
	}
	return errors.Join(failed, w.Flush())
}

type migrateStatus struct{ databaseFlag }

func (c *migrateStatus) Run(ctx context.Context, out io.Writer) error {
	db, dialect, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := migrations.Status(ctx, db, dialect)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "version\tname\tapplied")
	for _, m := range all {
		applied := "pending"
		if !m.Pending() {
			applied = m.AppliedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", m.Version, cmp.Or(m.Name, "(unknown: of a newer version of this program)"), applied)
	}
	return w.Flush()
}
