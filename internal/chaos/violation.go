package chaos

import (
	"cmp"
	"fmt"
	"slices"
)

// Violation is a promise that was not kept.
type Violation struct {
	Kind      string
	At        Instant
	Room      string
	Broadcast string `json:",omitempty"`
	Actor     string `json:",omitempty"`
	Text      string
}

// The kinds of violations.
const (
	badOrder      = "order"              // a gap, a repeat, a foreign epoch
	badVersion    = "version"            // a broadcast's versions do not follow each other
	badMachine    = "state machine"      // an event that can't follow in the room's state
	badAfterEnd   = "after the end"      // an event of a broadcast that had ended
	badBackwards  = "backwards"          // an event with a version that this viewer had been told of before
	badGhost      = "ghost"              // a broadcast that had ended is shown as on air
	badFork       = "fork"               // two events with the same position, or broadcast and version, differ
	badMissed     = "missed"             // somebody connected was not told what others were
	badEnded      = "ended wrongly"      // the broadcast of somebody who was there, or back in time, was ended
	badLost       = "broadcast lost"     // a streamer came back in time and found no broadcast
	badFalse      = "false reconnecting" // though the socket was open and nothing was wrong with the node
	badUntold     = "never told"         // a streamer was gone for long, and nobody there was told anything
	badDrain      = "drain told"         // a rolling restart was not silent
	badListed     = "listed too long"
	badUnlisted   = "not listed"
	badFinal      = "final state"
	badClosed     = "socket closed"  // by the server, and nothing explains it
	badReplaced   = "replaced"       // a newer connection of a streamer was told to the room, or the old one not closed
	badSpeechless = "app frozen"     // a streamer's app said nothing for longer than it may, and the socket stayed open
	badRefused    = "refused"        // a request failed with what is not "try again"
	badUnsettled  = "never answered" // a request had no answer long after all was repaired
	badOdd        = "odd message"
)

// checks are all of them, in the order of the report.
var checks = []func(*Notes) []Violation{
	checkOrder, checkForks, checkComplete, checkEnded, checkLost, checkFalseReconnecting, checkTold, checkDrain,
	checkGhostSnapshots, checkListed, checkUnlisted, checkClosed, checkSpeechless, checkReplaced, checkActs, checkFinal,
}

// Check returns all violations in the notes, by time.
func Check(n *Notes) []Violation {
	var all []Violation
	for _, check := range checks {
		all = append(all, check(n)...)
	}
	slices.SortStableFunc(all, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return all
}

func (v Violation) String() string {
	s := fmt.Sprintf("%-8s %s: room %s", clock(v.At), v.Kind, v.Room)
	if v.Broadcast != "" {
		s += ", broadcast " + v.Broadcast
	}
	if v.Actor != "" {
		s += ", told to " + v.Actor
	}
	return s + ": " + v.Text
}
