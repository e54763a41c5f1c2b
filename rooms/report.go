package rooms

import (
	"context"
	"strconv"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/presence"
)

// saying is a node's own part of counts: what it has told the others. counts.mu guards it.
type saying struct {
	reported map[string]reported // by room; what is not in it was never reported, or is as good as that
	unsure   map[string]bool     // rooms of which Redis may have something else
	reports  int64               // how many were made
}

// reported is what a node last said of a room: all of it that can't be told from the time that passes.
type reported struct {
	viewers   int
	broadcast string // on air, as far as the node knew
	watching  int    // it: as many, but for who came this moment
}

func reportedBy(a Attendance) reported {
	if a.Over || a.Broadcast == "" {
		return reported{viewers: a.Viewers}
	}
	return reported{a.Viewers, a.Broadcast, a.Watching}
}

// nobody reports whether it says nothing but that nobody is there.
func (s reported) nobody() bool { return s.viewers == 0 && s.watching == 0 }

// value is what stands in the viewers hash; "": nothing does.
func (s reported) value() string {
	switch {
	case s.viewers == 0:
		return ""
	case s.broadcast == "":
		return strconv.Itoa(s.viewers)
	}
	return strconv.Itoa(s.viewers) + " " + s.broadcast
}

// newsLocked reports whether an attendance says anything that Redis does not have.
func (s *saying) newsLocked(a Attendance, now reported) bool {
	if s.unsure[a.Room] || a.Over || len(a.Users) > 0 {
		return true
	}
	was := s.reported[a.Room]
	if was.nobody() && now == (reported{}) { // the hub has forgotten the broadcast
		s.keepLocked(a.Room, now)
		return false
	}
	return was != now
}

func (s *saying) keepLocked(room string, now reported) {
	if now == (reported{}) {
		delete(s.reported, room)
	} else {
		s.reported[room] = now
	}
}

// usersAtOnce is how many users go into one script.
const usersAtOnce = 1000

// report writes and publishes what this node has to say, if it is news. Calls must not overlap: numbers would be written
// in another order than they were counted in.
func (c *counts) report(ctx context.Context, all []Attendance) []error {
	calls, of := c.prepare(all)
	errs := make([]error, len(all))
	for k, outcome := range c.relay.cfg.Conn.RunEach(ctx, viewersScript, calls) {
		if outcome.Err != nil {
			errs[of[k]] = unavailable(outcome.Err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range of {
		if room := all[i].Room; errs[i] != nil {
			c.unsure[room] = true // it may have been written all the same
		} else {
			c.keepLocked(room, reportedBy(all[i]))
			delete(c.unsure, room)
		}
	}
	return errs
}

// prepare returns how what is news is written, and which attendance each call is of.
func (c *counts) prepare(all []Attendance) (calls []redisconn.Call, of []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range all {
		if !c.newsLocked(a, reportedBy(a)) {
			continue
		}
		users := a.Users
		for first := true; first || len(users) > 0; first = false {
			n := min(len(users), usersAtOnce)
			calls, of = append(calls, c.callLocked(a, users[:n])), append(of, i)
			users = users[n:]
		}
	}
	return calls, of
}

func (c *counts) callLocked(a Attendance, users []string) redisconn.Call {
	over := ""
	if a.Over {
		over = "over"
	}
	c.reports++
	base := c.relay.parts[presence.PartitionOf(a.Room)].base
	args := []any{
		base, c.relay.cfg.Node, a.Room, a.Viewers, a.Broadcast, over,
		a.Watched, a.Watching, time.Since(a.Since).Milliseconds(), // clocks differ, but not in how long ago that was
		c.reports, audienceKept.Milliseconds(),
	}
	for _, user := range users {
		args = append(args, user)
	}
	return redisconn.Call{Keys: []string{base + "viewers"}, Args: args}
}

// repeatLocked sees to it that what this node reported is reported again where Redis does not have it.
func (c *counts) repeatLocked(p int, fields map[string]string) {
	for room, said := range c.reported {
		if presence.PartitionOf(room) == p && fields[c.relay.cfg.Node+" "+room] != said.value() {
			c.doubtLocked(room)
		}
	}
}

// lost sees to it that all of a partition is reported again: of who watched there, and no longer does, the viewers hash says
// nothing.
func (c *counts) lost(p int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for room := range c.reported {
		if presence.PartitionOf(room) == p {
			c.doubtLocked(room)
		}
	}
}

// doubtLocked has a room reported again. The hub does so within a second.
func (c *counts) doubtLocked(room string) {
	c.unsure[room] = true
	c.relay.sink.Repeat(room)
}

// leaveTimeout bounds the last word of a node that is going.
const leaveTimeout = time.Second

// leave takes back what this node has reported: nobody would clear it away, as a node that goes in order does not lapse.
func (c *counts) leave() {
	c.mu.Lock()
	anything := len(c.reported)+len(c.unsure) > 0
	c.mu.Unlock()
	if anything {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		c.clear(ctx, c.relay.cfg.Node)
	}
}

// clear forgets what a node that is gone had reported. If it fails, the number of viewers is only untidy: who is not living
// does not count, and a node's id never comes back. But who watched there is taken to do so until the broadcast's end.
func (c *counts) clear(ctx context.Context, node string) {
	var calls []redisconn.Call
	for p := range c.relay.parts {
		base := c.relay.parts[p].base
		calls = append(calls, redisconn.Call{Keys: []string{base + "viewers"}, Args: []any{base, node}})
	}
	if _, err := c.relay.cfg.Conn.RunAll(ctx, clearScript, calls); err != nil {
		c.relay.cfg.Logger.Warn("rooms: clearing the viewers of a node that is gone failed", "node", node, "error", err)
	}
}
