package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tallylight/tallylight/internal/bench"
)

const (
	// barWidth is that of the bar alone, so that a line fits into 80 columns.
	barWidth = 30
	// lineEvery is how often a line says how far it is, where lines stay.
	lineEvery = 10 * time.Second
)

// progress shows how far a measurement is: a bar for each phase on a terminal, otherwise a line now and then.
type progress struct {
	out  io.Writer
	bar  bool
	open bool          // the last line on the terminal is not finished
	said time.Duration // when the last line of this phase was printed, from its beginning
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, bar: lookOf(out).terminal != nil}
}

// tell is called one call at a time.
func (p *progress) tell(now bench.Progress) {
	switch {
	case p.bar:
		fmt.Fprintf(p.out, "\r%s\x1b[K", barLine(now))
		if p.open = !now.Over; now.Over {
			fmt.Fprintln(p.out)
		}
	case now.Over:
		p.said = 0
		fmt.Fprintf(p.out, "%s: %s of %s after %s\n", now.Phase, amount(now, now.Done), amount(now, now.Total), now.Elapsed.Round(100*time.Millisecond))
	case now.Elapsed-p.said >= lineEvery:
		p.said = now.Elapsed
		fmt.Fprintf(p.out, "%s: %s of %s\n", now.Phase, amount(now, now.Done), amount(now, now.Total))
	}
}

// end leaves the terminal at the beginning of a line.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.out)
	}
}

func barLine(now bench.Progress) string {
	full := 0
	if now.Total > 0 {
		full = int(now.Done * barWidth / now.Total)
	}
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	return fmt.Sprintf("%-10s %s %s of %s", now.Phase, bar, amount(now, now.Done), amount(now, now.Total))
}

// amount is a time, or a number of connections.
func amount(now bench.Progress, n int64) string {
	if now.Timed {
		return (time.Duration(n) * time.Millisecond).Round(100 * time.Millisecond).String()
	}
	return fmt.Sprint(n)
}
