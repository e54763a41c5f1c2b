package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// shown is how many violations are shown in full, and shownOfKind how many of a kind: the first of each, since one
// mistake makes many.
const shown, shownOfKind = 20, 3

// Report writes what a run has found for a person. replay is the command that does it again.
func Report(w io.Writer, r Result, replay string) {
	n := r.Notes
	fmt.Fprintf(w, "\nPromises, from what happens until people are told (what is slow is no violation)\n")
	fmt.Fprintf(w, "  %-62s %6s %6s %9s %9s %9s\n", "", "n", "causes", "median", "worst", "promised")
	for _, d := range measure(n) {
		slices.Sort(d.took)
		worst, mark := d.took[len(d.took)-1], ""
		if worst > d.promise {
			mark = " !"
		}
		fmt.Fprintf(w, "  %-62s %6d %6d %8.2fs %8.2fs %8.2fs%s\n", d.what, len(d.took), len(d.causes),
			d.took[len(d.took)/2].Seconds(), worst.Seconds(), d.promise.Seconds(), mark)
	}
	fmt.Fprintf(w, "\nFaults: %s\n", countsOf(n.Faults, func(f Fault) string { return string(f.Kind) }))
	events, conns, ends := n.countEvents()
	transitions := 0
	for _, list := range n.happenings() {
		transitions += len(list)
	}
	fmt.Fprintf(w, "Told: %d events to %d clients, of %d that happened; %d connections, of which ended: %s\n", events, len(n.Actors), transitions, conns, counted(ends))
	fmt.Fprintf(w, "Streamers: %s\n", countsOf(acts(n), func(a Act) string { return string(a.Kind) }))
	var busy []string
	for _, l := range r.Load {
		busy = append(busy, l.String())
	}
	fmt.Fprintf(w, "The machine was busy %s\n", strings.Join(busy, ", "))

	fmt.Fprintf(w, "\nViolations: %d\n", len(r.Violations))
	examples := examplesOf(r.Violations)
	for _, v := range examples {
		fmt.Fprintf(w, "  %s\n           (%s)\n", v, n.near(v.At))
	}
	if more := len(r.Violations) - len(examples); more > 0 {
		fmt.Fprintf(w, "  … and %d more\n", more)
	}
	if len(r.Violations) > 0 {
		fmt.Fprintf(w, "By kind: %s\n", countsOf(r.Violations, func(v Violation) string { return v.Kind }))
	}
	fmt.Fprintf(w, "Again: %s\n", replay)
}

func examplesOf(all []Violation) (examples []Violation) {
	of := make(map[string]int)
	for _, v := range all {
		if of[v.Kind]++; of[v.Kind] <= shownOfKind && len(examples) < shown {
			examples = append(examples, v)
		}
	}
	return examples
}

func acts(n *Notes) (all []Act) {
	for _, a := range n.Actors {
		all = append(all, a.Acts...)
	}
	return all
}

// countEvents counts what was told, the connections, and why those ended.
func (n *Notes) countEvents() (events, conns int, ends map[string]int) {
	ends = make(map[string]int)
	for _, c := range n.conns() {
		conns++
		for range c.told() {
			events++
		}
		switch {
		case c.End == EndServer:
			ends[fmt.Sprintf("server %d", c.Code)]++
		case c.End != EndOpen:
			ends[string(c.End)]++
		}
	}
	return events, conns, ends
}

func countsOf[T any](list []T, key func(T) string) string {
	counts := make(map[string]int)
	for _, x := range list {
		counts[key(x)]++
	}
	return counted(counts)
}

func counted(counts map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
	}
	return strings.Join(parts, ", ")
}

// WriteNotes writes the notes as JSON lines: a line for each fault, violation, connection, act and listing. Times are
// nanoseconds since the run began.
func WriteNotes(w io.Writer, r Result) error {
	out := json.NewEncoder(w)
	line := func(kind string, v any) error { return out.Encode(map[string]any{kind: v}) }
	for _, f := range r.Notes.Faults {
		if err := line("fault", f); err != nil {
			return err
		}
	}
	for _, v := range r.Violations {
		if err := line("violation", v); err != nil {
			return err
		}
	}
	for _, a := range r.Notes.Actors {
		for _, act := range a.Acts {
			if err := line("act", map[string]any{"Actor": a.Name, "Act": act}); err != nil {
				return err
			}
		}
		for _, c := range a.Conns {
			if err := line("connection", c); err != nil {
				return err
			}
		}
	}
	for _, l := range r.Notes.Polls {
		for _, x := range l.Listings {
			if err := line("listing", map[string]any{"Node": l.Node, "Listing": x}); err != nil {
				return err
			}
		}
	}
	return line("final", r.Notes.Final)
}
