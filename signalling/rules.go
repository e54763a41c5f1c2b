package signalling

import "github.com/tallylight/tallylight/internal/pace"

// Rules bound what clients may do. Of all fields 0 is the default, and a negative number is any.
type Rules struct {
	// Rooms is how many a connection may have joined at a time.
	Rooms int
	// UserConnections is how many one user may have open on this node.
	UserConnections int

	// Messages and Bytes are those of a connection in a second, of which four times as many may come at once;
	// UserMessages and UserBytes those of all connections of a user on this node together. Bytes are those of messages of
	// 1 KiB and more: the others are few by their number.
	Messages, Bytes         int
	UserMessages, UserBytes int
	// Chat is how many lines a user may say on this node in a second, five times as many at once.
	Chat int
	// SignalBytes are those of a connection's signals in a second, four times as many at once; a streamer, who has as many
	// peers, may send eight times that.
	SignalBytes int
}

// Defaults of Rules.
const (
	DefaultRooms           = 100
	DefaultUserConnections = 100
	DefaultMessages        = 50
	DefaultBytes           = 1 << 20
	DefaultUserMessages    = 200
	DefaultUserBytes       = 4 << 20
	DefaultChat            = 1
	DefaultSignalBytes     = 64 << 10
)

// How many times what comes in a second may come at once.
const (
	burst     = 4
	chatBurst = 5
	// streamersShare is how many times the signals of a viewer a streamer may send.
	streamersShare = 8
	// lightMessage is up to which size messages are counted by their number alone.
	lightMessage = 1 << 10
)

func (r Rules) withDefaults() Rules {
	for _, field := range []struct {
		value *int
		usual int
	}{
		{&r.Rooms, DefaultRooms}, {&r.UserConnections, DefaultUserConnections}, {&r.Messages, DefaultMessages}, {&r.Bytes, DefaultBytes},
		{&r.UserMessages, DefaultUserMessages}, {&r.UserBytes, DefaultUserBytes}, {&r.Chat, DefaultChat}, {&r.SignalBytes, DefaultSignalBytes},
	} {
		switch {
		case *field.value == 0:
			*field.value = field.usual
		case *field.value < 0:
			*field.value = pace.Any
		}
	}
	return r
}

// told is how a client is told of a bound: 0 is any number.
func told(bound int) int {
	if bound == pace.Any {
		return 0
	}
	return bound
}

// times is so many times a bound.
func times(n, bound int) int {
	if bound == pace.Any {
		return bound
	}
	return n * bound
}
