package rooms

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// account is what this node knows of the audience of one broadcast. It goes on
// when the last viewer has left and another one comes.
type account struct {
	broadcast string
	viewers   int // how many watch here since
	since     time.Time
	watched   int64               // ms that all who watched here did so until then, together
	came      map[string]struct{} // users who came since that was last reported
	over      bool                // it is not on air any more; viewers are who watched at last
	due       bool                // that it is over is still to be reported
	moved     time.Time           // when anything of this last changed
}

// set notes that so many watch from now on.
func (a *account) set(now time.Time, viewers int) {
	if a.viewers == 0 {
		a.since = now
	}
	// What is less than a millisecond is left for the next time: there is one with everybody who comes or goes.
	ms := max(now.Sub(a.since).Milliseconds(), 0)
	a.watched += int64(a.viewers) * ms
	a.since = a.since.Add(time.Duration(ms) * time.Millisecond)
	a.viewers, a.moved = viewers, now
}

func (a *account) add(users []string) {
	if a.came == nil && len(users) > 0 {
		a.came = make(map[string]struct{}, len(users))
	}
	for _, user := range users {
		a.came[user] = struct{}{}
	}
}

// end leaves it to whoever reads the account when exactly that was: here it is
// heard of later, by a lot if this node was cut off.
func (a *account) end(now time.Time) { a.over, a.due, a.moved = true, true, now }

// idle reports whether nobody has watched for a while, and nothing is to be
// reported.
func (a *account) idle(before time.Time) bool {
	return (a.over || a.viewers == 0) && !a.due && len(a.came) == 0 && a.moved.Before(before)
}

// ledger holds the accounts of a node. Rooms write it while they are locked, so
// that an account has everybody who was there and nobody twice; the hub reports
// what is in it once a second.
type ledger struct {
	mu    sync.Mutex
	rooms map[string][]*account // of a room that had a broadcast lately; one that is not over is the last
}

func newLedger() *ledger { return &ledger{rooms: make(map[string][]*account)} }

// watch notes how many watch a room's broadcast from now on, and which users
// came since the last call. With no broadcast on air, nobody watches any. turned
// tells that it is another one than before, or none: then came must be everybody
// who is there.
func (l *ledger) watch(room, broadcast string, now time.Time, viewers int, came []string) (turned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	accounts := l.rooms[room]
	if n := len(accounts); n > 0 && !accounts[n-1].over && accounts[n-1].broadcast != broadcast {
		accounts[n-1].end(now)
		turned = true
	}
	if broadcast == "" {
		return turned
	}
	a := find(accounts, broadcast)
	if a == nil {
		a = &account{broadcast: broadcast}
		l.rooms[room] = append(accounts, a)
		turned = true
	}
	if a.over { // not after all: the store had lost it, and has it back
		a.over, a.due = false, false
		l.rooms[room] = append(slices.DeleteFunc(accounts, func(other *account) bool { return other == a }), a)
		turned = true
	}
	a.set(now, viewers)
	a.add(came)
	return turned
}

func find(accounts []*account, broadcast string) *account {
	i := slices.IndexFunc(accounts, func(a *account) bool { return a.broadcast == broadcast })
	if i < 0 {
		return nil
	}
	return accounts[i]
}

// next fills in what is to be reported of a room's audience: how a broadcast
// ended before how the next one goes. more tells that this is not all.
func (l *ledger) next(a *Attendance) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, acc := range l.rooms[a.Room] {
		if acc.over && !acc.due {
			continue
		}
		a.Broadcast, a.Over, a.Watching, a.Since, a.Watched = acc.broadcast, acc.over, acc.viewers, acc.since, acc.watched
		a.Users = slices.Collect(maps.Keys(acc.came))
		acc.came = nil
		return i+1 < len(l.rooms[a.Room])
	}
	return false
}

// reported notes what became of what next filled in: what was not taken is to
// be reported again.
func (l *ledger) reported(a Attendance, taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	acc := find(l.rooms[a.Room], a.Broadcast)
	switch {
	case acc == nil:
	case !taken:
		acc.add(a.Users)
	case a.Over:
		acc.due = false
	}
}

// again has everything reported anew that is still known of a room: its users
// are those who are there.
func (l *ledger) again(room string, users []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.rooms[room] {
		if a.over {
			a.due = true
		} else {
			a.add(users)
		}
	}
}

// idle returns the broadcasts of idle accounts, by room.
func (l *ledger) idle(before time.Time) map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := make(map[string][]string)
	for room, accounts := range l.rooms {
		for _, a := range accounts {
			if a.idle(before) {
				idle[room] = append(idle[room], a.broadcast)
			}
		}
	}
	return idle
}

// forget drops an account, unless it was moved since.
func (l *ledger) forget(room, broadcast string, before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := slices.DeleteFunc(l.rooms[room], func(a *account) bool { return a.broadcast == broadcast && a.idle(before) })
	if len(left) == 0 {
		delete(l.rooms, room)
	} else {
		l.rooms[room] = left
	}
}

// watchLocked notes in the ledger how many watch the room's broadcast now.
func (r *room) watchLocked(came ...string) {
	if r.ledger.watch(r.name, broadcastID(r.view), time.Now(), r.viewers.here, came) {
		r.recount(r.name)
	}
}

// turnedLocked is called when the room's view has changed. A replica without
// members says nothing: there may be a newer one.
func (r *room) turnedLocked(was presence.View) {
	if len(r.members) > 0 && broadcastID(was) != broadcastID(r.view) {
		r.watchLocked(r.watchersLocked()...)
	}
	if was.User != nil && r.view.State == presence.StateOffline {
		r.byeLocked(*was.User)
	}
}

// watchersLocked returns the users who view the room.
func (r *room) watchersLocked() []string {
	users := make([]string, 0, r.viewers.here)
	for _, m := range r.members {
		users = append(users, m.watcher()...)
	}
	return users
}

func (r *room) watchers() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watchersLocked()
}

func broadcastID(v presence.View) string {
	if v.Broadcast == nil {
		return ""
	}
	return v.Broadcast.ID
}
