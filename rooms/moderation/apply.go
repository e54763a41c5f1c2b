package moderation

import (
	"strings"
	"time"
	"unique"

	"github.com/tallylight/tallylight/presence"
)

func stayOf(t Term) stay { return stay{until: int64(t.Until), reason: unique.Make(t.Reason)} }

func (s stay) term() Term {
	if s == (stay{}) {
		return Term{}
	}
	return Term{Until: presence.Millis(s.until), Reason: s.reason.Value()}
}

// apply writes an act into the book.
func (b *Book) apply(a Act) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, term := place{unique.Make(a.Room), strings.Clone(a.Target)}, Term{Until: a.Until, Reason: a.Reason}
	switch {
	case a.Action == Kick && a.Excludes():
		if known, ok := b.bans[at]; !ok || term.outlasts(known.term()) {
			b.banLocked(at, term)
		}
	case a.Action == Ban:
		b.banLocked(at, term)
	case a.Action == Unban:
		b.unbanLocked(at)
	case a.Action == Mute:
		b.mutes[at] = stayOf(term)
	case a.Action == Unmute:
		delete(b.mutes, at)
	case a.Action == Revoke:
		b.revoked[at.target] = revoked{before: int64(a.IssuedBefore), until: int64(a.Until)}
	case a.Action == Restore:
		delete(b.revoked, at.target)
	case a.Action == Slow && a.Seconds > 0:
		b.slow[a.Room] = time.Duration(a.Seconds) * time.Second
	case a.Action == Slow:
		delete(b.slow, a.Room)
	}
}

func (b *Book) banLocked(at place, t Term) {
	if _, again := b.bans[at]; !again && isAddress(at.target) {
		b.addresses++
	}
	b.bans[at] = stayOf(t)
}

func (b *Book) unbanLocked(at place) {
	if _, ok := b.bans[at]; ok && isAddress(at.target) {
		b.addresses--
	}
	delete(b.bans, at)
}

func isAddress(target string) bool { _, ok := AddressOf(target); return ok }

// drop removes what has ended by itself. Those who ask meanwhile wait for no
// more than the removal.
func (b *Book) drop(now time.Time) {
	bans, mutes := b.ended(b.bans, now), b.ended(b.mutes, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range bans {
		if b.bans[at].term().Over(now) { // it may be another one by now
			b.unbanLocked(at)
		}
	}
	for target, r := range b.revoked { // few: what is not kept for ever ends with its tokens
		if (Term{Until: presence.Millis(r.until)}).Over(now) {
			delete(b.revoked, target)
		}
	}
	for _, at := range mutes {
		if b.mutes[at].term().Over(now) {
			delete(b.mutes, at)
		}
	}
}

func (b *Book) ended(of map[place]stay, now time.Time) (ended []place) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for at, s := range of {
		if (Term{Until: presence.Millis(s.until)}).Over(now) {
			ended = append(ended, at)
		}
	}
	return ended
}
