package signalling

import (
	"context"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

func (s *session) handleModerate(id string, m Moderate) error {
	if _, ok := s.joined.of(m.Room); !ok {
		return rooms.ErrNotJoined
	}
	a, err := m.act(time.Now())
	if err != nil {
		return err
	}
	if err := limit(lazily(&s.acts, actsPerSecond, actsBurst), "moderate is limited to %d a second in bursts of %d", actsPerSecond, actsBurst); err != nil {
		return err
	}
	if _, err := s.srv.cfg.Hub.Moderate(context.Background(), s.identity.Load(), a); err != nil {
		return err
	}
	return s.ok(id, OK{})
}

// act returns what is to be done; the hub looks at who may. A user is a user
// here, whatever they are called: addresses are banned over the HTTP API.
func (m *Moderate) act(now time.Time) (moderation.Act, error) {
	a := moderation.Act{Action: m.Action, Room: m.Room, Target: m.User, Reason: m.Reason}
	a.Offset = m.Offset
	seconds := int64(0)
	if m.Seconds != nil {
		seconds = *m.Seconds
	}
	if most := int64(rooms.MaxTerm / time.Second); seconds < 0 || seconds > most {
		return a, refuse(CodeBadRequest, "seconds must be between 0 and %d", most)
	}
	if _, address := moderation.AddressOf(a.Target); address {
		return a, refuse(CodeBadRequest, "user is not a user id")
	}
	switch m.Action {
	case moderation.Slow:
		if m.Seconds == nil {
			return a, refuse(CodeBadRequest, "slow needs seconds; 0 ends it")
		}
		a.Seconds = int(seconds)
	case moderation.Ban, moderation.Mute, moderation.Kick:
		if seconds > 0 {
			a.Until = presence.MillisOf(now.Add(time.Duration(seconds) * time.Second))
		}
	}
	return a, nil
}
