package bench

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// event is what matters of an event. Its slices are parts of the message.
type event struct {
	room, epoch []byte
	offset      int64
	sent        int64 // by whom the bench published it: micros then, or 0 if it is another's
}

// eventName is what the bench publishes.
const eventName = "x.bench"

// message is what matters of the server's messages, of whatever type.
type message struct {
	Type string `json:"type"`
	Re   string `json:"re"`
	Room string `json:"room"`
	position
	Name         string          `json:"event"`
	Data         json.RawMessage `json:"data"`
	Recovered    bool            `json:"recovered"`
	Events       []position      `json:"events"`
	HeartbeatMS  int64           `json:"heartbeat_ms"`
	Code         string          `json:"code"`
	Message      string          `json:"message"`
	RetryAfterMS int64           `json:"retry_after_ms"`
	Reason       string          `json:"reason"`
}

// payload is the data of what the bench publishes.
type payload struct {
	Sent int64  `json:"t"` // microseconds, which a float64 holds exactly
	Pad  string `json:"pad"`
}

var (
	eventHead = []byte(`{"type":"event","room":"`)
	epochHead = []byte(`","epoch":"`)
	offsetKey = []byte(`","offset":`)
	nameKey   = []byte(`,"event":"`)
	oursAfter = []byte(eventName + `"`)
	// dataKey can't be a part of a string, where quotes are escaped, and no name of our encoding before it holds objects
	// with such a field.
	dataKey     = []byte(`,"data":{"t":`)
	viewersHead = []byte(`{"type":"viewers"`)
)

// scan reads an event as our servers encode it, without allocating. ok is false for anything else, which is to be
// decoded. Room and epoch must not hold escapes; they are ids, which can't.
func scan(raw []byte) (e event, ok bool) {
	rest, ok := bytes.CutPrefix(raw, eventHead)
	if !ok {
		return e, false
	}
	if e.room, rest, ok = bytes.Cut(rest, epochHead); !ok {
		return e, false
	}
	if e.epoch, rest, ok = bytes.Cut(rest, offsetKey); !ok || bytes.IndexByte(e.room, '"') >= 0 || bytes.IndexByte(e.epoch, '"') >= 0 {
		return e, false
	}
	if e.offset, rest, ok = number(rest); !ok {
		return e, false
	}
	if rest, ok = bytes.CutPrefix(rest, nameKey); !ok {
		return e, false
	}
	if !bytes.HasPrefix(rest, oursAfter) {
		return e, true
	}
	if _, rest, ok = bytes.Cut(rest, dataKey); !ok {
		return e, false
	}
	e.sent, rest, ok = number(rest)
	return e, ok && len(rest) > 0 && rest[0] == ','
}

// number reads the digits at the front.
func number(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && i < 18 && '0' <= b[i] && b[i] <= '9'; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	return n, b[i:], i > 0
}

// decode reads any message.
func decode(raw []byte) (m message, err error) {
	err = json.Unmarshal(raw, &m)
	return m, err
}

// event is what scan would have found.
func (m message) event() event {
	e := event{room: []byte(m.Room), epoch: []byte(m.Epoch), offset: m.Offset}
	var p payload
	if m.Name == eventName && json.Unmarshal(m.Data, &p) == nil {
		e.sent = p.Sent
	}
	return e
}

// Sizes of what is published: the service's limit, and the smallest data that holds a time.
const (
	MinSize = 32
	MaxSize = 8 << 10
)

// publication is a message to publish but for the time, which stands between its two parts.
type publication struct{ before, after string }

func newPublication(room string, size int) publication {
	const digits = 16
	data := len(`{"t":`) + digits + len(`,"pad":""}`)
	return publication{
		before: `{"type":"publish","id":"` + publishID + `","room":"` + room + `","event":"` + eventName + `","data":{"t":`,
		after:  `,"pad":"` + strings.Repeat("x", max(size-data, 0)) + `"}}`,
	}
}

func (p publication) at(buf []byte, micros int64) []byte {
	buf = append(buf, p.before...)
	buf = strconv.AppendInt(buf, micros, 10)
	return append(buf, p.after...)
}

// The ids of what the bench sends, one for each kind: there is at most one of the others under way, and replies come in
// order.
const (
	joinID, startID, publishID, endID = "join", "start", "publish", "end"
)

func joinMessage(room, role string, since position) []byte {
	text := `{"type":"join","id":"` + joinID + `","room":"` + room + `","role":"` + role + `"`
	if since.Epoch != "" {
		where, _ := json.Marshal(since) // a string and a number: it can't fail
		text += `,"since":` + string(where)
	}
	return []byte(text + "}")
}

// roomMessage is one with no field but the room.
func roomMessage(kind, id, room string) []byte {
	return []byte(`{"type":"` + kind + `","id":"` + id + `","room":"` + room + `"}`)
}
