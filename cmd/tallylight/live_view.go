package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tallylight/tallylight/web"
)

// screenView keeps a table on a terminal current.
type screenView struct {
	out   io.Writer
	look  look
	sort  string
	state liveState
	lost  error
	drawn bool // anything is on the screen
	dirty bool
	next  time.Time // when to draw even without news: "since" grows
}

func (v *screenView) snapshot(p web.LivePage) error {
	v.state, v.dirty = stateOf(p), true
	return nil
}

func (v *screenView) change(c web.LiveChange) error {
	v.state.apply(c)
	v.dirty = true
	return nil
}

func (v *screenView) viewers(n web.LiveViewers) error {
	v.state.count(n)
	v.dirty = true
	return nil
}

func (v *screenView) connection(lost error) error {
	v.lost, v.dirty = lost, true
	return nil
}

func (v *screenView) tick(now time.Time) error {
	if v.state == nil || !v.dirty && now.Before(v.next) {
		return nil
	}
	v.dirty, v.next = false, now.Add(time.Second)
	width, height, err := term.GetSize(int(v.look.terminal.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	return v.draw(now, width, height)
}

// draw writes over what is there: erasing the screen first would flicker.
func (v *screenView) draw(now time.Time, width, height int) error {
	rows := slices.SortedFunc(maps.Values(v.state), byOrder(v.sort))
	table := liveTable{rows: rows, now: now, look: v.look, width: width}
	lines := table.lines()
	if room := max(height-2, 2); len(lines) > room { // a line for the status, one for the cursor
		more := len(lines) - room + 1
		lines = append(lines[:room-1], fmt.Sprintf("… and %d more", more))
	}
	status := fmt.Sprintf("%d live · %s", len(rows), now.Format(time.TimeOnly))
	if v.lost != nil {
		status = "DISCONNECTED, this is getting old · " + now.Format(time.TimeOnly)
	}
	var b strings.Builder
	if !v.drawn {
		b.WriteString("\x1b[2J")
		v.drawn = true
	}
	b.WriteString("\x1b[H")
	for _, line := range append([]string{status}, lines...) {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(v.out, b.String())
	return err
}

// byOrder is the order of GET /v1/live.
func byOrder(sort string) func(a, b web.Row) int {
	return func(a, b web.Row) int {
		first := cmp.Compare(b.Viewers, a.Viewers)
		if sort == "started" {
			first = cmp.Compare(b.StartedAt, a.StartedAt)
		}
		return cmp.Or(first, cmp.Compare(a.Broadcast, b.Broadcast))
	}
}

// lineView prints a line for each change, for files and pipes.
type lineView struct {
	out   io.Writer
	state liveState
}

// snapshot prints who is live and, after a gap, who no longer is.
func (v *lineView) snapshot(p web.LivePage) error {
	before, now := v.state, stateOf(p)
	v.state = now
	for id, row := range before {
		if _, still := now[id]; !still {
			if err := v.line("ended", row, ""); err != nil {
				return err
			}
		}
	}
	for _, row := range slices.SortedFunc(slices.Values(p.Data), byOrder("started")) {
		if was, known := before[row.Broadcast]; !known || was.State != row.State {
			if err := v.line(string(row.State), row, ""); err != nil {
				return err
			}
		}
	}
	if before == nil && len(now) == 0 {
		_, err := fmt.Fprintln(v.out, nobodyLive)
		return err
	}
	return nil
}

func (v *lineView) change(c web.LiveChange) error {
	v.state.apply(c)
	return v.line(string(c.Event), c.Row, string(c.Reason))
}

// viewers prints nothing: a line a second would bury the changes.
func (v *lineView) viewers(n web.LiveViewers) error { v.state.count(n); return nil }
func (v *lineView) connection(error) error          { return nil }
func (v *lineView) tick(time.Time) error            { return nil }

func (v *lineView) line(what string, row web.Row, reason string) error {
	words := []string{time.Now().UTC().Format(time.RFC3339), printable(what), printable(row.Streamer.ID), printable(row.Room)}
	if reason != "" {
		words = append(words, printable(reason))
	}
	if row.Title != "" {
		words = append(words, fmt.Sprintf("%q", printable(row.Title)))
	}
	_, err := fmt.Fprintln(v.out, strings.Join(words, " "))
	return err
}

// jsonView prints each event as one line of JSON, as the service sent it; the
// names are those of the stream, or the change's own.
type jsonView struct{ out *json.Encoder }

func (v *jsonView) snapshot(p web.LivePage) error {
	return v.out.Encode(struct {
		Event string `json:"event"`
		web.LivePage
	}{web.StreamSnapshot, p})
}

func (v *jsonView) change(c web.LiveChange) error { return v.out.Encode(c) }

func (v *jsonView) viewers(n web.LiveViewers) error {
	return v.out.Encode(struct {
		Event string `json:"event"`
		web.LiveViewers
	}{web.StreamViewers, n})
}

func (v *jsonView) connection(error) error { return nil }
func (v *jsonView) tick(time.Time) error   { return nil }
