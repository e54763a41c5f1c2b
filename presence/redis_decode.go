package presence

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
)

// decoder reads fields as the scripts wrote them, and keeps the first error.
type decoder struct {
	fields map[string]string
	err    error
}

func (d *decoder) int(name string) int64 {
	text := d.fields[name]
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	d.note(name, err)
	return n
}

func (d *decoder) json(name string, into any) {
	if text := d.fields[name]; text != "" {
		d.note(name, json.Unmarshal([]byte(text), into))
	}
}

func (d *decoder) note(name string, err error) {
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("presence: field %s in redis is %q: %w", name, d.fields[name], err)
	}
}

// text reads a string that the scripts keep as JSON. Most have nothing in them that would have to be decoded.
func (d *decoder) text(name string) (s string) {
	raw := d.fields[name]
	if inner := strings.Trim(raw, `"`); len(inner)+2 == len(raw) && !strings.Contains(inner, `\`) {
		return inner
	}
	d.json(name, &s)
	return s
}

// leaseFields are those that leaseOf reads.
var leaseFields = []any{
	"room", "state", "user", "connection", "node", "life", "fence", "handed", "seen", "broadcast", "title", "category", "language",
	"tags", "started", "version", "window", "ends", "reason",
}

// leaseOf reads a lease as lease.lua keeps it.
func leaseOf(fields map[string]string) (Lease, error) {
	d := decoder{fields: fields}
	l := Lease{
		Room: fields["room"], State: State(fields["state"]),
		Holder: d.holder(), Handed: fields["handed"] != "", Window: d.window(),
		Until: Millis(d.int("ends")), Reason: Reason(fields["reason"]), LastSeen: Millis(d.int("seen")),
	}
	d.json("user", &l.User)
	if id := fields["broadcast"]; id != "" {
		b := &Broadcast{ID: id, StartedAt: Millis(d.int("started")), Version: d.int("version")}
		b.Title, b.Category, b.Language = d.text("title"), d.text("category"), d.text("language")
		d.json("tags", &b.Tags)
		l.Broadcast = b
	}
	return l, d.err
}

// leaseAmong reads a lease of which a script returned the values of leaseFields. A room that nobody holds has none, and is
// offline.
func leaseAmong(values redisconn.Reply) (Lease, error) {
	fields := make(map[string]string, len(leaseFields))
	for k, value := range values.Texts() {
		fields[leaseFields[k].(string)] = value
	}
	if fields["state"] == "" {
		return Lease{State: StateOffline}, nil
	}
	return leaseOf(fields)
}

func (d *decoder) holder() Holder {
	return Holder{Connection: d.fields["connection"], Node: d.fields["node"], Life: d.fields["life"], Fence: Fence(d.int("fence"))}
}

func (d *decoder) window() *time.Duration {
	if d.fields["window"] == "" {
		return nil
	}
	window := time.Duration(d.int("window")) * time.Millisecond
	return &window
}

// transitionOf reads an entry of the log.
func transitionOf(entry redis.XMessage) (Transition, error) {
	fields := make(map[string]string, len(entry.Values))
	for name, value := range entry.Values {
		fields[name], _ = value.(string)
	}
	id, _, _ := strings.Cut(entry.ID, "-")
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return Transition{}, fmt.Errorf("presence: a transition has the id %q: %w", entry.ID, err)
	}
	d := decoder{fields: fields}
	t := Transition{
		Seq: seq, Room: fields["room"], Kind: Kind(fields["kind"]), At: Millis(d.int("at")),
		Reason: Reason(fields["reason"]), Until: Millis(d.int("until")), Holder: d.holder(), Window: d.window(),
	}
	d.json("user", &t.User)
	d.json("broadcast", &t.Broadcast)
	d.json("after", &t.After)
	return t, d.err
}
