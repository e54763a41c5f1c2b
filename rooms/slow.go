package rooms

import (
	"fmt"
	"maps"
	"time"
)

// TooSoon says that a user has to wait before they say something again.
type TooSoon struct{ Wait time.Duration }

func (t *TooSoon) Error() string {
	return fmt.Sprintf("chat is slow in this room: your next line may come in %s", t.Wait.Round(time.Second/10))
}

// lastWords is when users spoke last in a room whose chat is slow. Its owner
// guards it.
type lastWords struct {
	at      map[string]time.Time
	until   time.Time // when all of them may speak again
	sweepAt int       // how many there may be before those who may are forgotten
}

// minWords is how many are kept before any is looked at.
const minWords = 256

// say notes that the publication is made, or returns *TooSoon.
func (w *lastWords) say(p Publication, now time.Time) error {
	if p.Slow <= 0 || p.From == nil {
		return nil
	}
	if last, ok := w.at[p.From.ID]; ok && now.Sub(last) < p.Slow {
		return &TooSoon{p.Slow - now.Sub(last)}
	}
	if w.over(now) {
		w.at = nil
	}
	if len(w.at) >= max(w.sweepAt, minWords) {
		maps.DeleteFunc(w.at, func(_ string, last time.Time) bool { return now.Sub(last) >= p.Slow })
		w.sweepAt = 2 * len(w.at)
	}
	if w.at == nil {
		w.at = make(map[string]time.Time)
	}
	w.at[p.From.ID] = now
	if end := now.Add(p.Slow); end.After(w.until) {
		w.until = end
	}
	return nil
}

// over reports whether nobody has to wait any more.
func (w *lastWords) over(now time.Time) bool { return !now.Before(w.until) }
