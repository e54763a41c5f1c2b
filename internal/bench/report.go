package bench

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// Report is what was measured. The names of its JSON fields are stable; what was not measured is left out.
type Report struct {
	URLs       []string `json:"urls"`
	Rooms      int      `json:"rooms"`
	Streamers  int      `json:"streamers"`
	Moderators int      `json:"moderators"`
	Viewers    int      `json:"viewers"`
	// Interrupted: it ended before all was measured.
	Interrupted bool `json:"interrupted"`

	Connect   *Arrival  `json:"connect,omitempty"`
	Idle      *Idle     `json:"idle,omitempty"`
	Publish   *Delivery `json:"publish,omitempty"`
	Churned   *Churned  `json:"churn,omitempty"`
	Stalled   *Stalled  `json:"stall,omitempty"`
	Reconnect *Return   `json:"reconnect,omitempty"`

	// Lost and Repeated are deliveries of any event, found by its position; Strayed are events of an epoch that no
	// snapshot had announced.
	Lost     int64 `json:"lost"`
	Repeated int64 `json:"repeated"`
	Strayed  int64 `json:"strayed"`
	// Snapshots are those that came unasked, as the protocol allows when a gap could not be filled.
	Snapshots int64 `json:"unasked_snapshots"`
	// SentAway are requests to reconnect, which a drain brings.
	SentAway int64 `json:"told_to_reconnect"`
	// Retries are attempts to connect that failed, by status or kind; Errors are error replies by code; Closes are
	// connections that ended by themselves, by close code or kind.
	Retries map[string]int64 `json:"connect_retries"`
	Errors  map[string]int64 `json:"errors"`
	Closes  map[string]int64 `json:"closes"`

	// Processes are those that were asked for, and the bench itself as the last.
	Processes []Process `json:"processes"`
}

// Arrival is how everybody came.
type Arrival struct {
	Joined    int64   `json:"joined"`
	Failed    int64   `json:"failed"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"joined_per_second"`
	Took      Times   `json:"took"` // from dialling to joined
}

// Idle is a time in which nobody said anything.
type Idle struct {
	Seconds     float64 `json:"seconds"`
	Connections int64   `json:"connections"`
}

// Delivery is how what was published arrived.
type Delivery struct {
	Seconds    float64 `json:"seconds"` // until everybody had everything
	Published  int64   `json:"published"`
	Accepted   int64   `json:"accepted"` // got a position
	Deliveries int64   `json:"deliveries"`
	PerSecond  float64 `json:"deliveries_per_second"`
	Latency    Times   `json:"latency"` // from publishing to delivery
}

// Return is how the viewers came back after all were dropped.
type Return struct {
	Dropped   int     `json:"dropped"`
	Back      int64   `json:"back"`
	Recovered int64   `json:"recovered"` // with exactly what they had missed; the others got a snapshot
	Seconds   float64 `json:"seconds"`   // until the last one was back
	Away      Times   `json:"away"`
}

// Churned is how viewers who were cut off while something was published came back.
type Churned struct {
	Cut       int64 `json:"cut"`
	Back      int64 `json:"back"`
	Recovered int64 `json:"recovered"` // with exactly what they had missed; the others got a snapshot
}

// Stalled is what became of viewers who stopped reading while something was published.
type Stalled struct {
	Viewers int              `json:"viewers"`
	Open    int              `json:"open"`  // whose connection is still there
	Ended   map[string]int64 `json:"ended"` // the others', by close code or kind
}

// Process is what a process used. Costs are shares: each process's own, divided by all connections or deliveries.
type Process struct {
	Pid  int    `json:"pid"`
	Name string `json:"name"`
	Self bool   `json:"self,omitempty"` // the bench

	ResidentBefore int64 `json:"resident_before_bytes"` // before the first connection
	Resident       int64 `json:"resident_bytes"`        // with all of them, idle
	Peak           int64 `json:"peak_bytes"`            // the most of any moment after that
	FilesBefore    int   `json:"files_before"`          // -1: not ours to see
	Files          int   `json:"files"`

	Added     *float64 `json:"resident_kib_per_connection,omitempty"` // without what was there before
	Whole     *float64 `json:"total_kib_per_connection,omitempty"`    // with it
	Connect   *float64 `json:"cpu_us_per_connect,omitempty"`          // to connect, authenticate and join
	Idle      *float64 `json:"cpu_us_per_idle_connection_second,omitempty"`
	Delivery  *float64 `json:"cpu_us_per_delivery,omitempty"`
	Reconnect *float64 `json:"cpu_us_per_reconnect,omitempty"`
}

func (r *run) newReport() Report {
	report := Report{
		URLs: r.cfg.URLs, Rooms: len(r.rooms), Streamers: min(r.cfg.Streamers, r.cfg.Rooms), Moderators: r.cfg.moderators(), Viewers: len(r.viewers),
	}
	for _, pid := range r.cfg.Pids {
		report.Processes = append(report.Processes, Process{Pid: pid})
	}
	report.Processes = append(report.Processes, Process{Pid: os.Getpid(), Name: "this bench", Self: true})
	return report
}

// connected notes how everybody came.
func (r *Report) connected(t *tally, took time.Duration, before, after sample) {
	n := t.joined.Load()
	r.Connect = &Arrival{Joined: n, Failed: t.absent.Load(), Seconds: seconds(took), PerSecond: per(float64(n), took.Seconds()), Took: t.connect.times()}
	r.spent(before, after, float64(n), func(p *Process) **float64 { return &p.Connect })
}

// hold notes what the connections hold.
func (r *Report) hold(before, with sample, connections int64) {
	for i := range r.Processes {
		p := &r.Processes[i]
		then, ok1 := before[p.Pid]
		now, ok2 := with[p.Pid]
		if !ok1 || !ok2 {
			continue
		}
		if !p.Self {
			p.Name = now.Name
		}
		p.ResidentBefore, p.Resident, p.FilesBefore, p.Files = then.Resident, now.Resident, then.Files, now.Files
		if connections > 0 {
			added, whole := per(float64(now.Resident-then.Resident)/1024, float64(connections)), per(float64(now.Resident)/1024, float64(connections))
			p.Added, p.Whole = &added, &whole
		}
	}
}

// peaked notes the most memory that was had since.
func (r *Report) peaked(p *peaks) {
	for i := range r.Processes {
		r.Processes[i].Peak = (*p)[r.Processes[i].Pid]
	}
}

func (r *Report) idle(before, after sample, took time.Duration, connections int64) {
	r.Idle = &Idle{Seconds: seconds(took), Connections: connections}
	r.spent(before, after, float64(connections)*took.Seconds(), func(p *Process) **float64 { return &p.Idle })
}

func (r *Report) published(t *tally, deliveries int64, took time.Duration, before, after sample) {
	r.Publish = &Delivery{
		Seconds: seconds(took), Published: t.published.Load(), Accepted: t.accepted.Load(), Deliveries: deliveries,
		PerSecond: per(float64(deliveries), took.Seconds()), Latency: t.latency().times(),
	}
	r.spent(before, after, float64(deliveries), func(p *Process) **float64 { return &p.Delivery })
}

func (r *Report) returned(t *tally, dropped int, took time.Duration, before, after sample) {
	r.Reconnect = &Return{Dropped: dropped, Back: t.returned.Load(), Recovered: t.resumed.Load(), Seconds: seconds(took), Away: t.back.times()}
	r.spent(before, after, float64(r.Reconnect.Back), func(p *Process) **float64 { return &p.Reconnect })
}

// spent notes the time that each process used between two samples, divided by a number of things done, in microseconds.
func (r *Report) spent(before, after sample, things float64, field func(*Process) **float64) {
	for i := range r.Processes {
		p := &r.Processes[i]
		if used, ok := after.cpuSince(before, p.Pid); ok && things > 0 {
			micros := per(float64(used.Microseconds()), things)
			*field(p) = &micros
		}
	}
}

// finish notes what was counted over the whole run.
func (r *run) finish(report *Report) {
	t := &r.tally
	for i := range t.shards {
		s := &t.shards[i]
		report.Lost += s.lost.Load()
		report.Repeated += s.repeated.Load()
		report.Strayed += s.strayed.Load()
	}
	report.Lost += r.missing()
	report.Snapshots, report.SentAway = t.renewed.Load(), t.sentAway.Load()
	report.Retries, report.Errors, report.Closes = t.retries.all(), t.errors.all(), t.closes.all()
}

// Broken says which of the service's promises did not hold, nil if all did.
func (r Report) Broken() error {
	var broken []string
	add := func(n int64, text string) {
		if n > 0 {
			broken = append(broken, fmt.Sprintf("%s %s", grouped(n), text))
		}
	}
	add(r.Lost, "deliveries were lost")
	add(r.Repeated, "deliveries came twice")
	add(r.Strayed, "events came from an epoch that no snapshot announced")
	if r.Connect != nil {
		add(r.Connect.Failed, "connections could not be had")
	}
	if r.Publish != nil {
		add(r.Publish.Published-r.Publish.Accepted, "publications were not accepted")
	}
	if r.Churned != nil && !r.Interrupted {
		add(r.Churned.Cut-r.Churned.Back, "viewers who had been cut off did not come back")
	}
	if r.Reconnect != nil && !r.Interrupted {
		add(int64(r.Reconnect.Dropped)-r.Reconnect.Back, "viewers did not come back")
	}
	closes := int64(0)
	for _, n := range r.Closes {
		closes += n
	}
	add(closes, "connections ended by themselves")
	if broken == nil {
		return nil
	}
	return errors.New(strings.Join(broken, ", "))
}

// round keeps what a measurement is worth: three digits after the point.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

func seconds(d time.Duration) float64 { return round(d.Seconds()) }

// per divides; by nothing is nothing.
func per(amount, by float64) float64 {
	if by == 0 {
		return 0
	}
	return round(amount / by)
}
