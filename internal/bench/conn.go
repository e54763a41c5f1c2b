package bench

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/tallylight/tallylight/auth"
)

// conn is one connection of a client, and the only goroutine that reads it: first whoever connects, then read.
type conn struct {
	*socket
	c    *client
	ours atomic.Bool // set before we end it ourselves

	// Owned by the reader.
	welcomed, in, started bool
	failed                error // an error reply to what enter sent
}

// enter joins, and goes live as a streamer.
func (k *conn) enter(since position) error {
	if err := k.until(&k.welcomed); err != nil {
		return err
	}
	if err := k.text(joinMessage(k.c.room.name, string(k.c.role), since)); err != nil {
		return err
	}
	if err := k.until(&k.in); err != nil || k.c.role != auth.RoleStreamer {
		return err
	}
	if err := k.text(roomMessage("live.start", startID, k.c.room.name)); err != nil {
		return err
	}
	return k.until(&k.started)
}

// until takes what comes until it has set done.
func (k *conn) until(done *bool) error {
	for !*done {
		frame, err := k.next()
		if err != nil {
			return err
		}
		if k.take(frame); k.failed != nil {
			return k.failed
		}
	}
	return nil
}

// read takes what comes until the connection ends.
func (k *conn) read() {
	err := k.each(k.take)
	k.drop()
	k.c.ended(k, err)
}

var newline = []byte{'\n'}

// take handles the messages of one frame. Their time is that of the read that brought the last of it.
func (k *conn) take(frame []byte) {
	if k.c.stalls {
		k.c.run.stall.wait()
	}
	for len(frame) > 0 {
		line, rest, _ := bytes.Cut(frame, newline)
		if frame = rest; len(line) == 0 || bytes.HasPrefix(line, viewersHead) {
			continue
		}
		if e, ok := scan(line); ok {
			k.event(e)
		} else if m, err := decode(line); err != nil {
			k.c.run.tally.errors.add("not JSON")
		} else {
			k.message(m)
		}
	}
}

// event checks a delivery and counts it.
func (k *conn) event(e event) {
	c := k.c
	if string(e.room) != c.room.name {
		c.run.tally.errors.add("event of another room")
		return
	}
	w, current := c.follow(k, func(t *track) wrong { return t.event(e.epoch, e.offset) })
	if !current {
		return
	}
	c.shard.wrong(w)
	if e.sent > 0 && w.repeated == 0 {
		c.shard.deliveries.Add(1)
		c.shard.latency.add(time.Duration(k.readAt-e.sent) * time.Microsecond)
	}
}

// message handles what is rare.
func (k *conn) message(m message) {
	switch m.Type {
	case "event":
		k.event(m.event())
	case "welcome":
		k.c.run.pulse.every(time.Duration(m.HeartbeatMS) * time.Millisecond)
		k.welcomed = true
	case "joined":
		k.joined(m)
	case "heartbeat":
		k.c.beatSent.Store(0)
	case "ok":
		k.ok(m)
	case "error":
		k.error(m)
	case "reconnect":
		k.c.run.tally.sentAway.Add(1)
	}
}

func (k *conn) joined(m message) {
	w, current := k.c.follow(k, func(t *track) (w wrong) {
		if m.Recovered {
			return t.recovered(m.Events, m.position)
		}
		t.snapshot(m.position)
		return w
	})
	if !current {
		return
	}
	k.c.shard.wrong(w)
	switch {
	case m.Re == "":
		k.c.run.tally.renewed.Add(1)
		return // even while connecting: the reply is still to come
	case m.Recovered:
		k.c.run.tally.resumed.Add(1)
	}
	k.in = true
}

func (k *conn) ok(m message) {
	switch m.Re {
	case startID:
		k.started = true
	case publishID:
		k.c.room.reached(m.position)
		k.c.run.tally.accepted.Add(1)
		k.c.pending.Add(-1)
	case endID:
		k.leave()
	}
}

func (k *conn) error(m message) {
	k.c.run.tally.errors.add(m.Code)
	switch m.Re {
	case joinID, startID:
		k.failed = &failure{m.Code, m.Message, time.Duration(m.RetryAfterMS) * time.Millisecond}
	case publishID:
		k.c.pending.Add(-1)
	}
}

// failure is an error reply.
type failure struct {
	code, message string
	retryAfter    time.Duration
}

func (f *failure) Error() string { return f.code + ": " + f.message }
