package signalling

import (
	"slices"

	"github.com/tallylight/tallylight/auth"
)

// membership is a room that a session has joined.
type membership struct {
	room string
	role auth.Role
}

// memberships are all of a session's, which mostly are one.
type memberships []membership

// of returns the role in which a room was joined.
func (ms memberships) of(room string) (auth.Role, bool) {
	for _, m := range ms {
		if m.room == room {
			return m.role, true
		}
	}
	return "", false
}

// add notes that a room was joined.
func (ms *memberships) add(room string, role auth.Role) {
	if _, again := ms.of(room); !again {
		*ms = append(*ms, membership{room, role})
	}
}

// remove notes that it was left.
func (ms *memberships) remove(room string) {
	*ms = slices.DeleteFunc(*ms, func(m membership) bool { return m.room == room })
}
