package rooms

import (
	"context"
	"slices"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// reportedAtOnce is of how many rooms the relay is told in one round trip: few
// enough for Redis not to keep others waiting.
const reportedAtOnce = 100

// report tells the relay of the viewers here of these rooms, and for each of one
// broadcast that they watch or watched. If there is more to tell, that follows a
// second later: a room costs one report a second, whatever happens in it.
func (h *Hub) report(ctx context.Context, here []Attendance) {
	for some := range slices.Chunk(here, reportedAtOnce) {
		h.reportSome(ctx, some)
	}
}

func (h *Hub) reportSome(ctx context.Context, some []Attendance) {
	for i := range some {
		if h.ledger.next(&some[i]) {
			h.recount(some[i].Room)
		}
	}
	var failed []error
	for i, err := range h.cfg.Relay.Report(ctx, some) {
		h.ledger.reported(some[i], err == nil)
		if err != nil {
			h.recount(some[i].Room)
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 && ctx.Err() == nil {
		h.cfg.Logger.Warn("rooms: reporting viewers failed; it is tried again", "rooms", len(failed), "error", failed[0])
	}
}

// Repeat implements Sink.
func (h *Hub) Repeat(name string) {
	h.countMu.Lock()
	defer h.countMu.Unlock()
	h.anew[name] = struct{}{}
	h.counted[name] = struct{}{}
}

func (h *Hub) reportAgain(name string) {
	var users []string
	if r := h.find(name); r != nil {
		users = r.watchers()
	}
	h.ledger.again(name, users)
}

// forgetEvery is how often accounts are looked for that nobody needs any more,
// and for how long nobody must have needed them.
const forgetEvery = time.Minute

// forgetAudiences drops the accounts of broadcasts that are over. Where nobody is
// left here, no event tells of that: the directory does.
func (h *Hub) forgetAudiences(now time.Time) {
	if now.Sub(h.forgotAt) < forgetEvery || h.cfg.Directory.Stale() {
		return
	}
	h.forgotAt = now
	before := now.Add(-forgetEvery)
	for name, broadcasts := range h.ledger.idle(before) {
		onAir := broadcastID(h.cfg.Directory.Room(name).View)
		for _, broadcast := range broadcasts {
			if broadcast != onAir {
				h.ledger.forget(name, broadcast, before)
				h.recount(name) // so that the relay forgets it too
			}
		}
	}
}

// Figures returns what was counted of a broadcast that has ended, for
// package record. It need not wait until all nodes have heard of the end:
// from what they reported last it is known how that went on. Only users who came
// for the first time in the last second may be missing, as they were not
// reported yet, and all of a broadcast that was shorter. It blocks on the relay.
func (h *Hub) Figures(ctx context.Context, ended presence.Transition) (presence.Figures, error) {
	var f presence.Figures
	if peak, known := h.cfg.Directory.Peak(ended.Room, ended.Broadcast.ID); known {
		f.PeakViewers = new(int64(peak))
	}
	audience, err := h.cfg.Relay.Audience(ctx, ended.Room, ended.Broadcast.ID, ended.At)
	if err != nil {
		return f, err
	}
	if audience.Known {
		f.UniqueViewers = new(audience.Unique)
		f.WatchSeconds = new((audience.Watched + 500) / 1000)
	}
	return f, nil
}
