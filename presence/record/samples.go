package record

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// Sample is how many watched a broadcast at one moment.
type Sample struct {
	At      presence.Millis
	Viewers int
}

// sampleEvery is how often that is looked at.
const sampleEvery = time.Minute

// samples are those of one moment, as they are noted.
type samples struct {
	At      presence.Millis `json:"at"`
	Viewers map[string]int  `json:"viewers"` // by broadcast
}

// samplesAtOnce is how many go into one note, and into one statement: a database
// takes some tens of thousands of parameters, and there are three for each.
const samplesAtOnce = 500

// sampler knows what was noted lately.
type sampler struct {
	minute [presence.Partitions]presence.Millis // the beginning of the last one whose samples this node noted
	peaks  map[string]time.Time                 // broadcasts that have ended, whose peak it noted
}

// look notes what there is to be seen of this node's partitions: once a minute
// how many watch, soon after an end how many did at most, and which rooms are
// watched at all.
func (r *Recorder) look(ctx context.Context, now time.Time) {
	if r.cfg.Directory.Stale() {
		return // it would be taken for the truth
	}
	for _, err := range []error{r.sample(ctx, now), r.notePeaks(ctx, now), r.occupy(ctx, now)} {
		if err != nil && ctx.Err() == nil {
			r.complain("record: keeping notes failed; it is tried again", err)
		}
	}
}

// sample notes how many watch each broadcast, for partitions of which that was not
// noted in this minute. Two nodes may do so, when one takes over from the other:
// whichever is written first counts. A broadcast that began since the minute did has
// its first sample in the next.
func (r *Recorder) sample(ctx context.Context, now time.Time) error {
	minute := presence.MillisOf(now.Truncate(sampleEvery))
	due := make(map[int]map[string]int)
	for p := range presence.Partitions {
		if r.cfg.Mine(p) && r.minutes.minute[p] != minute {
			due[p] = make(map[string]int)
		}
	}
	if len(due) == 0 {
		return nil
	}
	onAir, _ := r.cfg.Directory.Snapshot()
	for _, e := range onAir {
		if viewers := due[presence.PartitionOf(e.Room)]; viewers != nil && e.View.Broadcast.StartedAt <= minute {
			viewers[e.View.Broadcast.ID] = e.Viewers
		}
	}
	for p, viewers := range due {
		if err := r.cfg.Notes.Note(ctx, p, samplesOf(minute, viewers)...); err != nil {
			return err
		}
		r.minutes.minute[p] = minute
	}
	return nil
}

func samplesOf(at presence.Millis, viewers map[string]int) []presence.Note {
	var notes []presence.Note
	some := samples{At: at, Viewers: make(map[string]int)}
	flush := func() {
		if len(some.Viewers) > 0 {
			notes = append(notes, presence.Note{Kind: presence.NoteViewers, Data: wire.JSON(some)})
		}
		clear(some.Viewers)
	}
	for broadcast, n := range viewers {
		if some.Viewers[broadcast] = n; len(some.Viewers) == samplesAtOnce {
			flush()
		}
	}
	flush()
	return notes
}

// write stores samples; those that are there already stay.
func (s samples) write(ctx context.Context, tx *sql.Tx) error {
	var values []string
	args := []any{int64(s.At)}
	for broadcast, viewers := range s.Viewers {
		values = append(values, fmt.Sprintf("($%d, $1, $%d)", len(args)+1, len(args)+2))
		args = append(args, broadcast, viewers)
	}
	if len(values) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO viewer_samples (broadcast, at, viewers) VALUES `+strings.Join(values, ", ")+` ON CONFLICT DO NOTHING`, args...)
	return explain("writing viewer samples", err)
}

// peaksNoted is for how long it is remembered whose peak was noted: longer than
// the directory tells of it.
const peaksNoted = 5 * time.Minute

// notePeaks notes how many watched broadcasts at most that have ended: by the time
// they are recorded nobody may know any more.
func (r *Recorder) notePeaks(ctx context.Context, now time.Time) error {
	m := &r.minutes
	if m.peaks == nil {
		m.peaks = make(map[string]time.Time)
	}
	due := make(map[int]map[string]int)
	for _, e := range r.cfg.Directory.EndedPeaks() {
		p := presence.PartitionOf(e.Room)
		if _, noted := m.peaks[e.Broadcast]; noted || !r.cfg.Mine(p) {
			continue
		}
		if due[p] == nil {
			due[p] = make(map[string]int)
		}
		due[p][e.Broadcast] = e.Peak
	}
	for p, peaks := range due {
		if err := r.cfg.Notes.Note(ctx, p, presence.Note{Kind: presence.NotePeaks, Data: wire.JSON(peaks)}); err != nil {
			return err
		}
		for broadcast := range peaks {
			m.peaks[broadcast] = now
		}
	}
	for broadcast, at := range m.peaks {
		if now.Sub(at) > peaksNoted {
			delete(m.peaks, broadcast)
		}
	}
	return nil
}

// writePeaks raises the peaks of broadcasts. One whose end is not recorded yet is
// left for then: it has its samples at least.
func writePeaks(ctx context.Context, tx *sql.Tx, peaks map[string]int64) error {
	for broadcast, peak := range peaks {
		_, err := tx.ExecContext(ctx, `UPDATE broadcasts SET peak_viewers = $2 WHERE id = $1 AND (peak_viewers IS NULL OR peak_viewers < $2)`, broadcast, peak)
		if err != nil {
			return explain("writing the peak of broadcast "+broadcast, err)
		}
	}
	return nil
}

// peakOfSamples is the peak of a broadcast of which nobody knows it any more.
func (s *state) peakOfSamples(ctx context.Context, tx *sql.Tx) error {
	var peak sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT max(viewers) FROM viewer_samples WHERE broadcast = $1`, s.ID).Scan(&peak)
	if peak.Valid {
		s.PeakViewers = &peak.Int64
	}
	return explain("looking at viewer samples", err)
}

const samplesOfOne = `SELECT at, viewers FROM viewer_samples WHERE broadcast = $1 ORDER BY at`

// Samples returns how many watched a broadcast, minute by minute, oldest first.
func (s *Store) Samples(ctx context.Context, broadcast string) ([]Sample, error) {
	rows, err := s.DB.QueryContext(ctx, samplesOfOne, broadcast)
	if err != nil {
		return nil, explain("reading viewer samples", err)
	}
	defer rows.Close()
	all := []Sample{}
	for rows.Next() {
		var one Sample
		if err := rows.Scan(&one.At, &one.Viewers); err != nil {
			return nil, explain("reading viewer samples", err)
		}
		all = append(all, one)
	}
	return all, explain("reading viewer samples", rows.Err())
}
