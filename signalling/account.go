package signalling

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/tallylight/tallylight/internal/pace"
)

// accounts are the users who are connected to this node, and what each of them may do over all connections together.
type accounts struct {
	rules Rules // fixed

	mu sync.Mutex
	of pace.Kept[string, *account]
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

// enter counts a connection of a user, which leave takes back; nil if there are as many as there may be.
func (as *accounts) enter(user string) *account {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.of.Of[user]
	if a == nil {
		now := time.Now()
		a = &account{}
		as.of.Add(user, a, func(a *account) bool { return a.idle(now) })
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
		delete(as.of.Of, user)
	}
}

// allow returns the user's allowance.
func (as *accounts) allow(a *account) *allowance {
	if l := a.allowance.Load(); l != nil {
		return l
	}
	fresh := &allowance{
		messages: pace.Limiter(as.rules.UserMessages, burst), bytes: pace.Limiter(as.rules.UserBytes, burst), chat: pace.Limiter(as.rules.Chat, chatBurst),
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
	return l == nil || pace.Full(l.messages, now) && pace.Full(l.bytes, now) && pace.Full(l.chat, now)
}
