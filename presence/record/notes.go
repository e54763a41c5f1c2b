package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/webhook"
)

// notesAtOnce is how many notes go into one transaction.
const notesAtOnce = 500

// takeAllNotes takes in the notes of this node's partitions. What fails stays for
// the next time.
func (r *Recorder) takeAllNotes(ctx context.Context) {
	for p := range presence.Partitions {
		if !r.cfg.Mine(p) {
			continue
		}
		if err := r.takeNotes(ctx, p); err != nil {
			if ctx.Err() == nil {
				r.complain("record: taking notes failed; it is tried again", err)
			}
			return // the others would only wait for the same
		}
	}
	r.quiet = time.Time{}
}

// complainEvery is how often it is said that the same goes on failing.
const complainEvery = time.Minute

func (r *Recorder) complain(what string, err error) {
	if now := time.Now(); now.Sub(r.quiet) > complainEvery {
		r.quiet = now
		r.cfg.Logger.Warn(what, "error", err)
	}
}

func (r *Recorder) takeNotes(ctx context.Context, p int) error {
	for {
		notes, err := r.cfg.Notes.Notes(ctx, p, notesAtOnce)
		if err != nil || len(notes) == 0 {
			return err
		}
		err = r.inTx(ctx, func(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox) error {
			return r.takeNew(ctx, tx, outbox, p, notes)
		})
		if err != nil {
			return err
		}
		if err := r.cfg.Notes.DropNotes(ctx, p, notes[len(notes)-1].ID); err != nil {
			return err
		}
		if len(notes) < notesAtOnce {
			return nil
		}
	}
}

// takeNew takes in those that were not taken before: whoever did may have died
// before they were dropped.
func (r *Recorder) takeNew(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox, p int, notes []presence.Note) error {
	taken, err := cursor(ctx, tx, p)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if presence.CompareNotes(n.ID, taken) <= 0 {
			continue
		}
		switch err := takeNote(ctx, tx, outbox, p, n); {
		case errors.Is(err, errNote): // which must not keep the others waiting for ever
			r.cfg.Logger.Error("record: a note is passed over", "partition", p, "kind", n.Kind, "error", err)
		case err != nil:
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE note_cursors SET note = $2 WHERE partition_no = $1`, p, notes[len(notes)-1].ID)
	return explain("noting how far notes were taken", err)
}

// cursor returns how far a partition's notes were taken, and has others wait who
// take them. One that is ahead of time is void: the clock of the store was wrong
// when its notes were made.
func cursor(ctx context.Context, tx *sql.Tx, p int) (taken string, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO note_cursors (partition_no, note) VALUES ($1, '')
		ON CONFLICT (partition_no) DO UPDATE SET note = note_cursors.note RETURNING note`, p).Scan(&taken)
	if presence.CompareNotes(taken, fmt.Sprintf("%d-0", time.Now().Add(time.Minute).UnixMilli())) > 0 {
		taken = ""
	}
	return taken, explain("looking how far notes were taken", err)
}

// errNote is what is wrong with a note that can't be taken in, now or ever.
var errNote = errors.New("a note can't be read")

func takeNote(ctx context.Context, tx *sql.Tx, outbox *webhook.Outbox, p int, n presence.Note) error {
	switch n.Kind {
	case presence.NoteViewers:
		var s samples
		if err := json.Unmarshal(n.Data, &s); err != nil {
			return fmt.Errorf("%w: %w", errNote, err)
		}
		return s.write(ctx, tx)
	case presence.NotePeaks:
		var peaks map[string]int64
		if err := json.Unmarshal(n.Data, &peaks); err != nil {
			return fmt.Errorf("%w: %w", errNote, err)
		}
		return writePeaks(ctx, tx, peaks)
	case presence.NoteOccupied, presence.NoteVacated:
		return turn(ctx, tx, outbox, p, n)
	case presence.NoteChat:
		return outbox.Add(ctx, chatEvent(p, n))
	}
	return nil // of a newer program
}

// noteEvent makes the event of a note. Its id says which note it is of.
func noteEvent(p int, n presence.Note, t webhook.Type, at presence.Millis, data any) webhook.Event {
	return webhook.Event{ID: fmt.Sprintf("evt_note_%d_%s", p, n.ID), Type: t, Subject: "#" + n.Room, At: at, Data: data}
}

// madeAt returns when a note was kept.
func madeAt(n presence.Note) presence.Millis {
	var ms, number int64
	_, _ = fmt.Sscanf(n.ID, "%d-%d", &ms, &number) // the store made it
	return presence.Millis(ms)
}

// Chat is the data of chat.message.
type Chat struct {
	Room   string          `json:"room"`
	Epoch  string          `json:"epoch"`
	Offset int64           `json:"offset"`
	From   json.RawMessage `json:"from,omitempty"` // id, name and role; left out if the service itself says it
	At     presence.Time   `json:"at"`
	Text   string          `json:"text"`
}

// chatEvent makes the event of a line of chat, which the note has as members of
// the room get it.
func chatEvent(p int, n presence.Note) webhook.Event {
	var line struct {
		Epoch  string          `json:"epoch"`
		Offset int64           `json:"offset"`
		From   json.RawMessage `json:"from"`
		At     presence.Millis `json:"at"`
		Data   struct {
			Text string `json:"text"`
		} `json:"data"`
	}
	_ = json.Unmarshal(n.Data, &line) // what members get is JSON, or they would have complained
	return noteEvent(p, n, webhook.ChatMessage, line.At,
		Chat{Room: n.Room, Epoch: line.Epoch, Offset: line.Offset, From: line.From, At: presence.Time(line.At), Text: line.Data.Text})
}
