// Package auth decides who somebody is and what they may do.
//
// A platform signs a JWT for each of its users; [Verifier] turns one into an [Identity] or says, in a form that may be
// shown to the token's developer, why it does not. The identity then answers questions ("may alice join this room as
// streamer?") from its grants and scopes alone: nothing here blocks, looks anything up or knows of sockets and rooms.
package auth

import (
	"slices"
	"strings"
	"time"
)

// Role is what a connection is in a room.
type Role string

const (
	RoleViewer    Role = "viewer"
	RoleStreamer  Role = "streamer"
	RoleModerator Role = "moderator"
)

// Valid tells whether r is one of the three roles.
func (r Role) Valid() bool {
	return r == RoleViewer || r == RoleStreamer || r == RoleModerator
}

// admits tells whether a grant of role r lets its owner be in a room as want. Whoever may stream or moderate may also
// watch; a streamer moderates their own room without joining it as moderator.
func (r Role) admits(want Role) bool {
	return r == want || want == RoleViewer && (r == RoleStreamer || r == RoleModerator)
}

// Scope is a right that is not tied to a room.
type Scope string

const (
	ScopeAdmin     Scope = "admin"     // everything, everywhere
	ScopeService   Scope = "service"   // the HTTP API, for the platform's own backend
	ScopeDirectory Scope = "directory" // reading who is live
)

// Action is something a member does in a room: one of the constants, or the name of an application's own event, which
// starts with "x.".
type Action string

const (
	ActionChat   Action = "chat"
	ActionReact  Action = "react"
	ActionSignal Action = "signal"
)

// Grant lets its owner be in the rooms that Room names as Role.
type Grant struct {
	// Room is a room's id, a prefix of ids with "*" at its end, or "*".
	Room string `json:"room"`
	Role Role   `json:"role"`
	// Can narrows what the role may do: a list of actions, each possibly with "*" at its end. Nil is everything that
	// the role may do, an empty list is nothing; omitzero keeps the two apart where omitempty would widen the grant.
	Can []string `json:"can,omitzero"`
}

func (g Grant) covers(room string) bool { return match(g.Room, room) }

func (g Grant) allows(a Action) bool {
	return g.Can == nil || slices.ContainsFunc(g.Can, func(pattern string) bool { return match(pattern, string(a)) })
}

// match tells whether s is pattern, or starts with it when pattern ends in "*".
func match(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, prefix)
	}
	return pattern == s
}

// Identity is what a verified token says about its bearer. It is never changed after Verify returned it, so that it may
// be shared between goroutines; the time at which it ends is the caller's affair.
type Identity struct {
	User    string // the token's sub, a valid user id
	Name    string // what others see: the token's name, or User when it has none
	TokenID string // the token's jti, may be empty

	IssuedAt time.Time // zero when the token does not say
	Expires  time.Time // the token's exp, without Leeway

	Grants []Grant
	Scopes []Scope
}

// HasScope tells whether the identity has at least one of the scopes. Admin has every one.
func (id *Identity) HasScope(any ...Scope) bool {
	return slices.ContainsFunc(id.Scopes, func(s Scope) bool { return s == ScopeAdmin || slices.Contains(any, s) })
}

// MayJoin tells whether the identity may be in room as role. It does not ask whether room is a valid id.
func (id *Identity) MayJoin(room string, role Role) bool {
	if id.HasScope(ScopeAdmin) {
		return role.Valid()
	}
	return slices.ContainsFunc(id.Grants, func(g Grant) bool { return g.covers(room) && g.Role.admits(role) })
}

// MayModerate tells whether the identity may mute, kick, ban and delete in room. A streamer moderates their own room.
func (id *Identity) MayModerate(room string) bool {
	return id.HasScope(ScopeService) || slices.ContainsFunc(id.Grants, func(g Grant) bool {
		return g.covers(room) && (g.Role == RoleModerator || g.Role == RoleStreamer)
	})
}

// MayRead tells whether the identity may ask the HTTP API about room.
func (id *Identity) MayRead(room string) bool {
	return id.HasScope(ScopeService) || slices.ContainsFunc(id.Grants, func(g Grant) bool { return g.covers(room) })
}

// May tells whether the identity, being in room as role, may do a there. Every role may do everything that members do
// unless all grants that admit it to the room as that role are narrowed; then what any of them allows is allowed.
func (id *Identity) May(room string, role Role, a Action) bool {
	if id.HasScope(ScopeAdmin) {
		return role.Valid()
	}
	return slices.ContainsFunc(id.Grants, func(g Grant) bool {
		return g.covers(room) && g.Role.admits(role) && g.allows(a)
	})
}
