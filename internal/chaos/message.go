package chaos

import "encoding/json"

// message is anything that a node says, with the fields that matter here. It is read by the checker's own eyes, from
// PROTOCOL.md, and not by the code that has written it.
type message struct {
	Type    string `json:"type"`
	Re      string `json:"re"`
	Room    string `json:"room"`
	Code    string `json:"code"`
	Node    string `json:"node"`
	AfterMS int64  `json:"after_ms"`

	Epoch  string          `json:"epoch"`
	Offset int64           `json:"offset"`
	Event  string          `json:"event"`
	At     int64           `json:"at"`
	Data   json.RawMessage `json:"data"`

	Role      string     `json:"role"`
	Recovered bool       `json:"recovered"`
	Stale     bool       `json:"stale"`
	Events    []message  `json:"events"`
	Streamer  view       `json:"streamer"`
	Broadcast *broadcast `json:"broadcast"` // of ok
}

type broadcast struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

type view struct {
	State     string     `json:"state"`
	Broadcast *broadcast `json:"broadcast"`
	Until     int64      `json:"until"`
	Reason    string     `json:"reason"`
}

// item turns an event into what is noted of it.
func (r *recorder) eventItem(m message, at Instant) Item {
	i := Item{At: at, Room: m.Room, Kind: m.Event, Position: Position{m.Epoch, m.Offset}, Made: r.of(m.At)}
	var data struct {
		Broadcast *broadcast `json:"broadcast"`
		Reason    string     `json:"reason"`
		Until     int64      `json:"until"`
	}
	if len(m.Event) > 5 && m.Event[:5] == "live." {
		if err := json.Unmarshal(m.Data, &data); err != nil || data.Broadcast == nil {
			i.Kind, i.Reason = itemOdd, m.Event+" without a broadcast"
			return i
		}
		i.Broadcast, i.Version, i.Reason, i.Until = data.Broadcast.ID, data.Broadcast.Version, data.Reason, r.of(data.Until)
	}
	return i
}

// joinedItem turns a snapshot into what is noted of it.
func (r *recorder) joinedItem(m message, at Instant) Item {
	i := Item{
		At: at, Room: m.Room, Kind: itemJoined, Position: Position{m.Epoch, m.Offset}, State: m.Streamer.State, Streamer: m.Role == "streamer",
		Asked: m.Re != "", Sent: at, Recovered: m.Recovered, Stale: m.Stale, Reason: m.Streamer.Reason, Until: r.of(m.Streamer.Until),
	}
	if b := m.Streamer.Broadcast; b != nil {
		i.Broadcast, i.Version = b.ID, b.Version
	}
	for _, e := range m.Events {
		i.Events = append(i.Events, r.eventItem(e, at))
	}
	return i
}
