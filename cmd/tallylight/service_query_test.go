package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/signalling"
)

// TestQueryStreamers asks one node about streamers of the other, and about one who has gone.
func TestQueryStreamers(t *testing.T) {
	t.Parallel()
	s := startService(t, 2)
	ctx := within(t, time.Minute)
	s.nodes[0].golive("alice")
	bob := s.nodes[1].golive("bob")
	carol := s.nodes[0].dial("carol")
	if _, err := carol.Join(ctx, signalling.Join{Room: "carol", Role: auth.RoleStreamer}); err != nil {
		t.Fatal(err)
	}
	if err := bob.Leave(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	p := s.nodes[1]
	states := func() (told string) {
		r, body := p.do(http.MethodPost, "/v1/streamers/query", "", `{"ids":["bob","nobody","alice","carol","bob"]}`)
		var list struct {
			Data []struct {
				ID, State, Room string
				Seen            time.Time `json:"last_seen"`
			}
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
		for _, one := range list.Data {
			seen := "never"
			if age := time.Since(one.Seen); age < time.Minute && age > -time.Minute {
				seen = "lately"
			}
			told += strings.Join([]string{one.ID, one.State, one.Room, seen}, " ") + "; "
		}
		return told
	}
	const want = "bob offline  lately; nobody offline  never; alice live alice lately; carol online carol lately; "
	var got string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if got = states(); got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}
