package signalling

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// accounts are the users who are connected to this node, and what each of them may do over all connections together.
type accounts struct {
	rules Rules // fixed

	mu      sync.Mutex
	of      map[string]*account
	sweepAt int // how many there may be before those of nobody are looked for
}

// account is one user. Who has one connection, and never chats, costs no limiter: the connection's own are enough.
type account struct {
	connections int // guarded by accounts.mu
	allowance   atomic.Pointer[allowance]
}

// allowance is what a user may do over all connections, and in those that follow them: or whoever is told to slow down would
// just connect anew. It is safe for concurrent use.
type allowance struct{ messages, bytes, chat *rate.Limiter }

// sent is how much a connection has sent of what it may at once.
type sent struct{ messages, bytes int }

// take takes from an allowance, as far as there is as much.
func (l *allowance) take(s sent) {
	now := time.Now()
	l.messages.AllowN(now, min(s.messages, l.messages.Burst()))
	l.bytes.AllowN(now, min(s.bytes, l.bytes.Burst()))
}

// minAccounts is how many accounts are kept before those of nobody are looked for.
const minAccounts = 1024

func newAccounts(rules Rules) *accounts {
	return &accounts{rules: rules, of: make(map[string]*account), sweepAt: minAccounts}
}

// enter counts a connection of a user, which leave takes back; nil if there are as many as there may be.
func (as *accounts) enter(user string) *account {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.of[user]
	if a == nil {
		as.sweepLocked(time.Now())
		a = &account{}
		as.of[user] = a
	}
	if a.connections >= as.rules.UserConnections {
		return nil
	}
	if a.connections++; a.connections > 1 {
		as.allow(a)
	}
	return a
}

// leave takes back what enter counted. Sent is what the connection has sent of late: its user goes on with as much less.
func (as *accounts) leave(user string, a *account, sent sent) {
	as.mu.Lock()
	defer as.mu.Unlock()
	a.connections--
	if sent.messages+sent.bytes > 0 && a.allowance.Load() == nil { // which otherwise knows of it
		as.allow(a).take(sent)
	}
	if a.idle(time.Now()) {
		delete(as.of, user)
	}
}

// allow returns the user's allowance.
func (as *accounts) allow(a *account) *allowance {
	if l := a.allowance.Load(); l != nil {
		return l
	}
	fresh := &allowance{
		messages: newLimiter(as.rules.UserMessages, burst), bytes: newLimiter(as.rules.UserBytes, burst), chat: newLimiter(as.rules.Chat, chatBurst),
	}
	if a.allowance.CompareAndSwap(nil, fresh) {
		return fresh
	}
	return a.allowance.Load()
}

// idle reports whether a new account would be the same. accounts.mu must be held.
func (a *account) idle(now time.Time) bool {
	if a.connections > 0 {
		return false
	}
	l := a.allowance.Load()
	return l == nil || isFull(l.messages, now) && isFull(l.bytes, now) && isFull(l.chat, now)
}

func isFull(l *rate.Limiter, now time.Time) bool {
	return l.Limit() == rate.Inf || l.TokensAt(now) >= float64(l.Burst())
}

// sweepLocked forgets who is gone and has all of their allowance again. It waits until there are twice as many as it left, so
// that it costs little.
func (as *accounts) sweepLocked(now time.Time) {
	if len(as.of) < as.sweepAt {
		return
	}
	for user, a := range as.of {
		if a.idle(now) {
			delete(as.of, user)
		}
	}
	as.sweepAt = max(2*len(as.of), minAccounts)
}
