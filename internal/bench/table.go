package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes the report for people.
func (r Report) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("load", "%s: %s, %s, %s, %s", strings.Join(r.URLs, ", "), count(r.Rooms, "room"), count(r.Streamers, "streamer"), count(r.Moderators, "moderator"), count(r.Viewers, "viewer"))
	if r.Interrupted {
		line("interrupted", "what follows was measured until then")
	}
	if c := r.Connect; c != nil {
		line("joined", "%s in %.1f s, %s/s", grouped(c.Joined), c.Seconds, short(c.PerSecond))
		line("  dial to joined", "%s", c.Took)
	}
	if p := r.Publish; p != nil {
		line("published", "%s, of which %s were accepted", grouped(p.Published), grouped(p.Accepted))
		line("delivered", "%s in %.1f s, %s/s", grouped(p.Deliveries), p.Seconds, short(p.PerSecond))
		line("  publish to delivery", "%s", p.Latency)
	}
	if c := r.Churned; c != nil {
		line("cut off meanwhile", "%s; back with exactly what they had missed %s, with a snapshot %s", grouped(c.Cut), grouped(c.Recovered), grouped(c.Back-c.Recovered))
	}
	if s := r.Stalled; s != nil {
		line("stopped reading", "%s; still connected %s, ended %s", grouped(int64(s.Viewers)), grouped(int64(s.Open)), cmp.Or(list(s.Ended), "none"))
	}
	if b := r.Reconnect; b != nil {
		line("dropped at once", "%s; %s were back within %.1f s, %s with exactly what they had missed", grouped(int64(b.Dropped)), grouped(b.Back), b.Seconds, grouped(b.Recovered))
		line("  drop to joined", "%s", b.Away)
	}
	line("lost, repeated", "%s, %s", grouped(r.Lost), grouped(r.Repeated))
	for _, rare := range []struct {
		name string
		n    int64
	}{{"strayed", r.Strayed}, {"unasked snapshots", r.Snapshots}, {"told to reconnect", r.SentAway}} {
		if rare.n > 0 {
			line(rare.name, "%s", grouped(rare.n))
		}
	}
	for _, kinds := range []struct {
		name string
		n    map[string]int64
	}{{"tried again after", r.Retries}, {"error replies", r.Errors}, {"ended by themselves", r.Closes}} {
		if len(kinds.n) > 0 {
			line(kinds.name, "%s", list(kinds.n))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.printProcesses(out)
}

// printProcesses writes what each process used, and those that were asked for together.
func (r Report) printProcesses(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\nresident KiB\tand before\tpeak\tCPU µs\tµs/idle\tµs per\tµs per\topen\t\n")
	fmt.Fprint(w, "/connection\tthat\tlater\t/connect\tconn·s\tdelivery\treconnect\tfiles\t  process\n")
	var sum Process
	asked := 0
	for _, p := range r.Processes {
		if !p.Self {
			sum.add(p)
			asked++
		}
		if p.Self && asked > 1 {
			printProcess(w, sum, "together")
		}
		name := p.Name
		if !p.Self {
			name += " " + strconv.Itoa(p.Pid)
		}
		printProcess(w, p, name)
	}
	return w.Flush()
}

func printProcess(w io.Writer, p Process, name string) {
	files := "-"
	if p.Files >= 0 {
		files = grouped(int64(p.Files))
	}
	for i, v := range []*float64{p.Added, p.Whole, p.growth(), p.Connect, p.Idle, p.Delivery, p.Reconnect} {
		text := "-"
		if v != nil {
			text = short(*v)
		}
		if i == peakColumn && v != nil {
			text = "× " + text
		}
		fmt.Fprint(w, text, "\t")
	}
	fmt.Fprintf(w, "%s\t  %s\n", files, name)
}

const peakColumn = 2

// growth is how many times the memory at rest there was at most later; nil: that was not measured.
func (p *Process) growth() *float64 {
	if p.Peak == 0 || p.Resident == 0 {
		return nil
	}
	times := per(float64(p.Peak), float64(p.Resident))
	return &times
}

// add adds what another process used.
func (p *Process) add(other Process) {
	for _, f := range []struct{ to, from **float64 }{
		{&p.Added, &other.Added}, {&p.Whole, &other.Whole}, {&p.Connect, &other.Connect},
		{&p.Idle, &other.Idle}, {&p.Delivery, &other.Delivery}, {&p.Reconnect, &other.Reconnect},
	} {
		if *f.from == nil {
			continue
		}
		total := **f.from
		if *f.to != nil {
			total += **f.to
		}
		*f.to = &total
	}
	p.Files += max(other.Files, 0)
	p.Resident += other.Resident
	p.Peak += other.Peak
}

func (t Times) String() string {
	return fmt.Sprintf("p50 %s ms, p90 %s ms, p99 %s ms, max %s ms", short(t.P50), short(t.P90), short(t.P99), short(t.Max))
}

// short writes three digits that count, and no exponent.
func short(v float64) string {
	switch {
	case v >= 1000 || v <= -1000:
		return grouped(int64(math.Round(v)))
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count writes a number and its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(int64(n)) + " " + noun
}

// list writes the kinds in order.
func list(kinds map[string]int64) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, fmt.Sprintf("%s × %s", grouped(kinds[kind]), kind))
	}
	return strings.Join(words, ", ")
}
