// Package moderation knows who may not take part in a room, which tokens are no
// longer good, and what was done by whom.
//
// SQL is the truth: Store writes each act there, to the audit and to what is in
// force, in one transaction. Every node keeps what is in force in memory as
// well, in a Book, so that nobody who joins or speaks waits for a database. A
// book follows the audit by its numbers, whose order is that of the
// transactions: it misses nothing and takes nothing twice.
//
// Nothing here knows rooms, sockets or streamers: what an act means for those
// is the business of package rooms, which hears of each from its book.
package moderation

import (
	"fmt"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// Everywhere is the room of what concerns the whole service.
const Everywhere = "*"

// Action is what was done. The same string is in the audit and in the protocol.
type Action string

const (
	Ban    Action = "ban"
	Unban  Action = "unban"
	Mute   Action = "mute"
	Unmute Action = "unmute"
	Kick   Action = "kick"
	Slow   Action = "slow"
	Delete Action = "delete" // a line of chat
	End    Action = "end"    // a streamer's broadcasts
	Drain  Action = "drain"  // a node

	Revoke  Action = "token.revoke"  // tokens are no longer good
	Restore Action = "token.restore" // they are again

	CreateWebhook Action = "webhook.create"
	DeleteWebhook Action = "webhook.delete"
	ResumeWebhook Action = "webhook.resume"
	ReplayWebhook Action = "webhook.replay" // deliveries are made again
)

// Act is one thing that somebody did.
type Act struct {
	Seq    int64 // in the audit: 1, 2, 3, … in the order of transactions
	At     presence.Millis
	Actor  string // user id
	Action Action
	Room   string // Everywhere, or empty: it is about no room
	Target string // see TargetOf, and TargetOfToken; or the id of something else
	Reason string
	Until  presence.Millis // 0: it does not end by itself
	Details
}

// Details are what some actions need beside the rest.
type Details struct {
	// Epoch and Offset are the position of a line that is deleted.
	Epoch  string `json:"epoch,omitempty"`
	Offset int64  `json:"offset,omitempty"`
	// IssuedBefore is which of a user's tokens are revoked: those of before; 0: all.
	IssuedBefore presence.Millis `json:"issued_before,omitempty"`
	// Seconds is the time between two lines of one user.
	Seconds int `json:"seconds,omitempty"`
	// Holds are the leases that the target held when it was kicked. What they claim
	// afterwards is none of the act's business.
	Holds []presence.Hold `json:"holds,omitempty"`
}

// Excludes reports whether the act keeps its target out, for a while or for
// good: a kick does so if it has an end.
func (a *Act) Excludes() bool { return a.Action == Ban || a.Action == Kick && a.Until != 0 }

// Entry is one ban or mute.
type Entry struct {
	Room    string
	Target  string
	Actor   string
	Reason  string
	Created presence.Millis
	Until   presence.Millis // 0: until it is lifted
}

// Term is for how long something is in force, and why.
type Term struct {
	Until  presence.Millis // 0: until it is lifted
	Reason string
}

// Over reports whether it has ended by itself.
func (t Term) Over(now time.Time) bool { return t.Until != 0 && t.Until <= presence.MillisOf(now) }

// outlasts reports whether t is in force for longer than other.
func (t Term) outlasts(other Term) bool {
	return t.Until == 0 && other.Until != 0 || other.Until != 0 && t.Until > other.Until
}

// Says puts it in words: "banned until 2026-01-31T12:00:00Z: spam", of which
// the end and the reason are there if they are known. Programs may take it
// apart.
func (t Term) Says(what string) string {
	if t.Until != 0 {
		what += " until " + t.Until.Time().Format(time.RFC3339)
	}
	if t.Reason != "" {
		what = fmt.Sprintf("%s: %s", what, t.Reason)
	}
	return what
}
