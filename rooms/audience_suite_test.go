package rooms

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// watching is what a node reports of some who have watched for a while and stay.
func watching(broadcast string, viewers int, ago time.Duration, watched time.Duration, users ...string) Attendance {
	return Attendance{
		Room: studio, Viewers: viewers, Broadcast: broadcast,
		Watching: viewers, Since: time.Now().Add(-ago), Watched: watched.Milliseconds(), Users: users,
	}
}

func report(t *testing.T, relay Relay, all ...Attendance) {
	t.Helper()
	errs := relay.Report(t.Context(), all)
	if err := errors.Join(errs...); err != nil || len(errs) != len(all) {
		t.Fatalf("reporting %+v: %d outcomes, %v", all, len(errs), err)
	}
}

func audienceOf(t *testing.T, relay Relay, broadcast string, until time.Time) Audience {
	t.Helper()
	a, err := relay.Audience(t.Context(), studio, broadcast, presence.MillisOf(until))
	if err != nil {
		t.Fatalf("the audience of %s: %v", broadcast, err)
	}
	return a
}

// wantAudience takes what may be lost on the way to Redis, by so many viewers, for right.
func wantAudience(t *testing.T, relay Relay, broadcast string, until time.Time, unique int64, watched time.Duration, viewers int) {
	t.Helper()
	const late = 500 * time.Millisecond // on a busy machine
	a := audienceOf(t, relay, broadcast, until)
	got := time.Duration(a.Watched) * time.Millisecond
	if off := time.Duration(viewers)*late + time.Millisecond; !a.Known || a.Unique != unique || got > watched+off || got < watched-off {
		t.Errorf("the audience of %s is %+v, that is %s; want %d users and about %s", broadcast, a, got, unique, watched)
	}
}

func testAudience(t *testing.T, relay Relay, _ presence.Store) {
	if a := audienceOf(t, relay, "b1", time.Now()); a != (Audience{}) {
		t.Errorf("nobody has said anything, and the audience is %+v", a)
	}
	report(t, relay, watching("b1", 0, 0, 0)) // it has begun
	wantAudience(t, relay, "b1", time.Now(), 0, 0, 0)
	report(t, relay, watching("b1", 3, 10*time.Second, time.Minute, "bob", "carol", "bob"))
	now := time.Now()
	wantAudience(t, relay, "b1", now, 2, 90*time.Second, 3)
	wantAudience(t, relay, "b1", now.Add(time.Hour), 2, 90*time.Second+3*time.Hour, 3) // nobody reported since
	wantAudience(t, relay, "b1", now.Add(-time.Hour), 2, time.Minute, 3)               // not less than is known
}

func testAudienceAgain(t *testing.T, relay Relay, _ presence.Store) {
	for range 3 { // an answer was lost, twice
		report(t, relay, watching("b1", 3, 10*time.Second, time.Minute, "bob", "carol"))
	}
	wantAudience(t, relay, "b1", time.Now(), 2, 90*time.Second, 3)
	report(t, relay, watching("b1", 2, 0, 90*time.Second, "carol"))
	wantAudience(t, relay, "b1", time.Now().Add(time.Minute), 2, 210*time.Second, 2)
}

// A broadcast is over, and everybody stays for the next one. When exactly it ended is said by whoever asks.
func testAudiencesApart(t *testing.T, relay Relay, _ presence.Store) {
	report(t, relay, watching("b1", 2, 0, 0, "bob", "carol"))
	over := watching("b1", 2, 20*time.Second, time.Minute)
	over.Over = true
	report(t, relay, over)
	report(t, relay, watching("b2", 2, 10*time.Second, 0, "bob"))
	wantAudience(t, relay, "b1", time.Now().Add(-10*time.Second), 2, 80*time.Second, 2)
	wantAudience(t, relay, "b2", time.Now(), 1, 20*time.Second, 2)
}

// Very many come at once; who they are is kept in little space, and so not exactly.
func testAudienceOfMany(t *testing.T, relay Relay, _ presence.Store) {
	const many = 10*usersAtOnce + 1
	users := make([]string, many)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	for range 2 {
		report(t, relay, watching("b1", many, 0, 0, users...))
	}
	// The error of 2^14 registers is 0.8 %: three times that is one case in 400, and the users are always the same.
	if a := audienceOf(t, relay, "b1", time.Now()); a.Unique < many*97/100 || a.Unique > many*103/100 {
		t.Errorf("of %d users, %d were counted", many, a.Unique)
	}
}
