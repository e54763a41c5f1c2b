package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/web"
)

const nobodyLive = "nobody is live"

// maxCell bounds a column, so that a long title leaves room for the rest.
const maxCell = 40

// minTitle is what a narrow terminal leaves of a title.
const minTitle = 8

// liveTable is who is live at one moment.
type liveTable struct {
	rows  []web.Row
	now   time.Time
	look  look
	width int // of the terminal; 0: no bound
}

// lines returns the table without line ends.
func (t liveTable) lines() []string {
	if len(t.rows) == 0 {
		return []string{nobodyLive}
	}
	lines := align(t.cells(maxCell))
	if over := longest(lines) - t.width; t.width > 0 && over > 0 { // the titles make room; if that is not enough, lines are cut
		lines = align(t.cells(max(t.longestTitle()-over, minTitle)))
	}
	for i := range lines {
		if t.width > 0 {
			lines[i] = clip(lines[i], t.width)
		}
		if i > 0 {
			lines[i] = t.light(lines[i], t.rows[i-1].State)
		}
	}
	return lines
}

func (t liveTable) cells(maxTitle int) [][]string {
	cells := [][]string{{"STATE", "STREAMER", "ROOM", "TITLE", "VIEWERS", "SINCE"}}
	for _, row := range t.rows {
		name := cmp.Or(printable(row.Streamer.Name), printable(row.Streamer.ID))
		cells = append(cells, []string{
			t.lamp() + printable(string(row.State)), clip(name, maxCell), clip(printable(row.Room), maxCell), clip(printable(row.Title), maxTitle),
			fmt.Sprint(row.Viewers), since(t.now, presence.Millis(row.StartedAt).Time()),
		})
	}
	return cells
}

func (t liveTable) longestTitle() int {
	n := 0
	for _, row := range t.rows {
		n = max(n, utf8.RuneCountInString(printable(row.Title)))
	}
	return min(n, maxCell)
}

func longest(lines []string) int {
	n := 0
	for _, line := range lines {
		n = max(n, utf8.RuneCountInString(line))
	}
	return n
}

// lamp is the tally light, which only a terminal has.
func (t liveTable) lamp() string {
	if t.look.terminal == nil {
		return ""
	}
	return "● "
}

// light colours the lamp of a line: red for on air, as in a studio.
func (t liveTable) light(line string, state presence.State) string {
	lamp := t.lamp()
	if lamp == "" || !t.look.colour {
		return line
	}
	colour := "\x1b[31m"
	if state == presence.StateReconnecting {
		colour = "\x1b[33m"
	}
	return colour + lamp + "\x1b[0m" + strings.TrimPrefix(line, lamp)
}

// align pads cells to columns two spaces apart.
func align(cells [][]string) []string {
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(cells))
	for n, row := range cells {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

func clip(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	return string(runes[:width-1]) + "…"
}

// printable takes out what a terminal would obey or hide: titles come from
// anybody.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

// since is how long ago a start was, in the two units that say most.
func since(now, start time.Time) string {
	d := max(now.Sub(start), 0).Truncate(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
