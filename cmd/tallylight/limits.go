package main

import (
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// limitFlags bound what clients may do. All of them are of one node, and of all 0 is any number.
type limitFlags struct {
	MaxUnauthenticatedPerIP int `name:"max-unauthenticated-per-ip" default:"1000" placeholder:"N" help:"Sockets from one address that may be open without having said who they are, and as many other connections; 0 any number."`
	MaxConnectionsPerUser   int `name:"max-connections-per-user" default:"100" placeholder:"N" help:"Sockets that one user may have open; 0 any number."`
	MaxRooms                int `name:"max-rooms" default:"100" placeholder:"N" help:"Rooms that a socket may have joined; 0 any number."`
	MaxMessages             int `name:"max-messages" default:"50" placeholder:"N" help:"Messages a second over one socket, four times as many at once; 0 any number."`
	MaxBytes                int `name:"max-bytes" default:"1048576" placeholder:"BYTES" help:"Bytes a second of messages of 1 KiB and more over one socket, four times as many at once; 0 any number."`
	MaxUserMessages         int `name:"max-user-messages" default:"200" placeholder:"N" help:"Messages a second over all sockets of a user, four times as many at once; 0 any number."`
	MaxUserBytes            int `name:"max-user-bytes" default:"4194304" placeholder:"BYTES" help:"Bytes a second over all sockets of a user, likewise."`
	MaxChat                 int `name:"max-chat" default:"1" placeholder:"N" help:"Lines of chat a second of one user, five times as many at once; 0 any number."`
	MaxSignalBytes          int `name:"max-signal-bytes" default:"65536" placeholder:"BYTES" help:"Bytes a second of a viewer's signals, four times as many at once, and of a streamer's eight times that; 0 any number."`
}

// check finds what is below 0.
func (f *limitFlags) check() error {
	for _, flag := range []struct {
		name  string
		value int
	}{
		{"max-unauthenticated-per-ip", f.MaxUnauthenticatedPerIP}, {"max-connections-per-user", f.MaxConnectionsPerUser}, {"max-rooms", f.MaxRooms},
		{"max-messages", f.MaxMessages}, {"max-bytes", f.MaxBytes}, {"max-user-messages", f.MaxUserMessages}, {"max-user-bytes", f.MaxUserBytes},
		{"max-chat", f.MaxChat}, {"max-signal-bytes", f.MaxSignalBytes},
	} {
		if flag.value < 0 {
			return usagef("--%s must not be below 0, not %d; 0 is any number", flag.name, flag.value)
		}
	}
	return nil
}

// anyOr turns a flag, where 0 is any number, into a field, where that is below 0.
func anyOr(bound int) int {
	if bound == 0 {
		return -1
	}
	return bound
}

func (f *limitFlags) rules() signalling.Rules {
	return signalling.Rules{
		Rooms: anyOr(f.MaxRooms), UserConnections: anyOr(f.MaxConnectionsPerUser), Messages: anyOr(f.MaxMessages), Bytes: anyOr(f.MaxBytes),
		UserMessages: anyOr(f.MaxUserMessages), UserBytes: anyOr(f.MaxUserBytes), Chat: anyOr(f.MaxChat), SignalBytes: anyOr(f.MaxSignalBytes),
	}
}

func (f *limitFlags) rates() web.Rates {
	return web.Rates{Chat: anyOr(f.MaxChat), Events: anyOr(f.MaxMessages)}
}
