package bench

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
)

const testSecret = "a secret for tests, 32 bytes or more"

func config(change func(*Config)) Config {
	c := Config{URLs: []string{"ws://127.0.0.1:1"}, Secret: testSecret, Streamers: 1, Viewers: 10, Rooms: 1, Rate: 5, For: time.Second, Size: 100}
	if change != nil {
		change(&c)
	}
	return c
}

func TestCheck(t *testing.T) {
	if err := config(nil).Check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for flag, change := range map[string]func(*Config){
		"--url":          func(c *Config) { c.URLs = nil },
		"--url:":         func(c *Config) { c.URLs = []string{"localhost"} },
		"--rooms":        func(c *Config) { c.Rooms = 0 },
		"--streamers":    func(c *Config) { c.Streamers = -1 },
		"--viewers":      func(c *Config) { c.Viewers = -1 },
		"--viewers:":     func(c *Config) { c.Viewers, c.Streamers, c.Rate = 0, 0, 0 },
		"--reconnect":    func(c *Config) { c.Viewers, c.Reconnect = 0, true },
		"--connect-rate": func(c *Config) { c.ConnectRate = -1 },
		"--rate":         func(c *Config) { c.Rate = math.NaN() },
		"--stall":        func(c *Config) { c.Stall = 11 },
		"and --churn":    func(c *Config) { c.Churn, c.Rate = 1, 0 },
		"--stall and":    func(c *Config) { c.Stall, c.For = 1, 0 },
		"--churn":        func(c *Config) { c.Churn = math.Inf(1) },
		"--churn needs":  func(c *Config) { c.Churn, c.Stall, c.Away = 1, 10, time.Second },
		"--away":         func(c *Config) { c.Churn, c.Away = 1, 0 },
		"--settle":       func(c *Config) { c.Settle = -1 },
		"--size":         func(c *Config) { c.Size = MinSize - 1 },
		"--source \"x\"": func(c *Config) { c.Sources = []string{"x"} },
		"--source 192.0": func(c *Config) { c.Sources = []string{"192.0.2.1"} }, // TEST-NET-1: nobody's
		"--jwt-secret":   func(c *Config) { c.Secret = "short" },
		"--pid":          func(c *Config) { c.Pids = []int{math.MaxInt32} },
		"ulimit":         func(c *Config) { c.Viewers = math.MaxInt32 },
	} {
		if err := config(change).Check(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("got %v, want what names %s", err, flag)
		}
	}
}

func TestWhoComes(t *testing.T) {
	for _, tt := range []struct {
		name                             string
		cfg                              Config
		streamers, moderators, perRoom   int // the last: who publishes in the first room
		viewersInFirst, viewersInLastOne int
	}{
		{"one room", config(nil), 1, 0, 1, 10, 10},
		{"two streamers in one room", config(func(c *Config) { c.Streamers = 2 }), 1, 1, 2, 10, 10},
		{"a room without streamer", config(func(c *Config) { c.Rooms = 2 }), 1, 1, 1, 5, 5},
		{"40 a second", config(func(c *Config) { c.Rate = 40 }), 1, 0, 1, 10, 10},
		{"150 a second", config(func(c *Config) { c.Rate = 150 }), 1, 3, 4, 10, 10},
		{"nothing to say", config(func(c *Config) { c.Rate, c.Streamers, c.Rooms = 0, 1, 3 }), 1, 0, 1, 4, 3},
		{"only to reconnect", config(func(c *Config) { c.Rate, c.Reconnect, c.Streamers = 0, true, 0 }), 0, 1, 1, 10, 10},
		{"three in two rooms", config(func(c *Config) { c.Streamers, c.Rooms = 3, 2 }), 2, 1, 2, 5, 5},
	} {
		r := &run{cfg: tt.cfg}
		r.cast()
		roles := map[auth.Role]int{auth.RoleStreamer: 0, auth.RoleModerator: 0}
		users := map[string]bool{}
		in := map[*room]int{}
		for i, c := range r.everybody() {
			roles[c.role]++
			users[c.user] = true
			if c.role == auth.RoleViewer {
				in[c.room]++
			}
			if c.n != i {
				t.Errorf("%s: number %d is called %d", tt.name, i, c.n)
			}
		}
		want := map[auth.Role]int{auth.RoleStreamer: tt.streamers, auth.RoleModerator: tt.moderators, auth.RoleViewer: tt.cfg.Viewers}
		if !maps.Equal(roles, want) {
			t.Errorf("%s: got %v, want %v", tt.name, roles, want)
		}
		first, last := r.rooms[0], r.rooms[len(r.rooms)-1]
		if len(first.publishers) != tt.perRoom {
			t.Errorf("%s: %d publish in the first room, want %d", tt.name, len(first.publishers), tt.perRoom)
		}
		if in[first] != tt.viewersInFirst || in[last] != tt.viewersInLastOne {
			t.Errorf("%s: %d and %d viewers in the first and the last room", tt.name, in[first], in[last])
		}
		if total := len(r.everybody()); len(users) != total || tt.cfg.Connections() != total {
			t.Errorf("%s: %d clients are %d users, and %d were announced", tt.name, total, len(users), tt.cfg.Connections())
		}
	}
}

func TestTokensAdmitToTheRoomAlone(t *testing.T) {
	r := &run{cfg: config(nil)}
	r.cast()
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.everybody() {
		token, err := r.token(c)
		if err != nil {
			t.Fatal(err)
		}
		id, err := verifier.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if id.User != c.user || !id.MayJoin(c.room.name, c.role) || id.MayJoin("other", auth.RoleViewer) {
			t.Errorf("%s got a token for %+v", c.user, id)
		}
	}
}
