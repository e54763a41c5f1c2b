package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/signalling"
)

// Who is in a room is who is in it on any node; a node that is gone is not waited for once it is known to be.
func TestMembersOfAllNodes(t *testing.T) {
	s := startService(t, 2)
	var want []string
	join := func(p *process, user string, role auth.Role) *client {
		c := p.dial(user)
		if _, err := c.Join(within(t, 10*time.Second), signalling.Join{Room: "alice", Role: role}); err != nil {
			t.Fatal(err)
		}
		want = append(want, user)
		return c
	}
	join(s.nodes[0], "alice", auth.RoleStreamer)
	for i := range 6 {
		join(s.nodes[i%2], fmt.Sprint("viewer-", i), auth.RoleViewer)
	}
	asks := join(s.nodes[0], "bob", auth.RoleViewer)
	slices.Sort(want)
	var got []string
	for after := ""; ; {
		members, next, err := asks.Members(within(t, 10*time.Second), signalling.Members{Room: "alice", First: 3, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			got = append(got, m.User.ID)
		}
		if after = next; next == "" {
			break
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var limited error
	for range 40 {
		if _, _, limited = asks.Members(within(t, 10*time.Second), signalling.Members{Room: "alice", First: 1}); limited != nil {
			break
		}
	}
	if codeOf(limited) != signalling.CodeRateLimited {
		t.Errorf("asking very often gets %v", limited)
	}
}
