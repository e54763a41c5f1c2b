package bench

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/usage"
)

// publishRate is how many messages a second one connection publishes at most: a node takes 50 a second, heartbeats
// included.
const publishRate = 40

// Config says what to measure. Fields left zero leave the measurement that they are for out.
type Config struct {
	URLs    []string // nodes, ws:// or wss://; at least one
	Sources []string // addresses of this machine to connect from; none: the system chooses

	// What tokens are made with.
	Secret   string
	Issuer   string
	Audience []string

	// Who comes: streamers and viewers are spread evenly over the rooms. A room has one streamer; those beyond the number
	// of rooms, and who else is needed to publish, come as moderators.
	Streamers, Viewers, Rooms int

	ConnectRate float64       // connections a second; 0: as fast as it goes
	Settle      time.Duration // between connecting and whatever is measured then
	Idle        time.Duration // in which nobody says anything
	Rate        float64       // messages a second to publish in each room
	For         time.Duration // how long to publish
	Size        int           // bytes of data that are published, MinSize to MaxSize
	Stall       int           // viewers who stop reading when publishing begins
	Churn       float64       // viewers a second who are cut off while something is published, and come back
	Away        time.Duration // how long they are away at most
	Reconnect   bool          // drop all viewers at once, and see them back

	Pids []int // processes to measure

	// patience is how long what was published may be under way before it is lost; 0: defaultPatience.
	patience time.Duration

	// Progress may be nil. It is called one call at a time, several times a second.
	Progress func(Progress)
}

// Progress says how far a phase is. The last one of a phase is Over.
type Progress struct {
	Phase       string
	Done, Total int64 // connections, or milliseconds
	Timed       bool  // milliseconds
	Elapsed     time.Duration
	Over        bool
}

// publishes tells whether anything is to be published.
func (c Config) publishes() bool { return c.Rate > 0 && c.For > 0 }

// publishers is how many connections a room needs that publish.
func (c Config) publishers() int {
	if !c.publishes() && !c.Reconnect {
		return 0
	}
	return max(int(math.Ceil(c.Rate/publishRate)), 1)
}

// Connections is how many connections will be open: streamers, moderators and viewers.
func (c Config) Connections() int {
	return c.moderators() + min(c.Streamers, c.Rooms) + c.Viewers
}

// moderators is how many come beyond one streamer for each room.
func (c Config) moderators() int {
	n := 0
	for i := range c.Rooms {
		n += max(c.stage(i), c.publishers()) - min(c.stage(i), 1)
	}
	return n
}

// stage is how many of the streamers belong to a room.
func (c Config) stage(room int) int {
	n := c.Streamers / c.Rooms
	if room < c.Streamers%c.Rooms {
		n++
	}
	return n
}

// Check finds what can't work, before anything is done. Its errors name the flag of the command line and what to do.
func (c Config) Check() error {
	switch {
	case len(c.URLs) == 0:
		return errors.New("--url is missing: the address of a node, such as ws://localhost:8080")
	case c.Rooms < 1:
		return fmt.Errorf("--rooms must be at least 1, not %d", c.Rooms)
	case c.Streamers < 0:
		return fmt.Errorf("--streamers must not be below 0, not %d", c.Streamers)
	case c.Viewers < 0:
		return fmt.Errorf("--viewers must not be below 0, not %d", c.Viewers)
	case c.Streamers == 0 && c.Viewers == 0:
		return errors.New("--viewers: there is nobody to connect; give --viewers or --streamers")
	case c.Reconnect && c.Viewers == 0:
		return errors.New("--reconnect needs --viewers, whom it drops")
	case c.Stall < 0 || c.Stall > c.Viewers:
		return fmt.Errorf("--stall must be 0 to --viewers, which is %d, not %d", c.Viewers, c.Stall)
	case c.Churn < 0 || math.IsNaN(c.Churn) || math.IsInf(c.Churn, 0):
		return fmt.Errorf("--churn must not be below 0, not %g", c.Churn)
	case (c.Stall > 0 || c.Churn > 0) && !c.publishes():
		return errors.New("--stall and --churn need --rate and --for: they are about what is published meanwhile")
	case c.Churn > 0 && c.Stall == c.Viewers:
		return errors.New("--churn needs viewers who do not --stall, whom it cuts off")
	case c.Churn > 0 && c.Away <= 0:
		return fmt.Errorf("--away must be above 0, not %s", c.Away)
	case c.ConnectRate < 0 || math.IsNaN(c.ConnectRate):
		return fmt.Errorf("--connect-rate must not be below 0, not %g; 0 is as fast as it goes", c.ConnectRate)
	case c.Rate < 0 || math.IsNaN(c.Rate):
		return fmt.Errorf("--rate must not be below 0, not %g; 0 publishes nothing", c.Rate)
	case c.Settle < 0, c.Idle < 0, c.For < 0:
		return errors.New("--settle, --idle and --for must not be below 0")
	case c.publishes() && (c.Size < MinSize || c.Size > MaxSize):
		return fmt.Errorf("--size must be %d to %d bytes, not %d", MinSize, MaxSize, c.Size)
	}
	if _, err := c.dialer(); err != nil {
		return err
	}
	if _, err := auth.Mint(c.Secret, auth.Claims{User: "bench", Expires: time.Now().Add(time.Hour)}); err != nil {
		return fmt.Errorf("--jwt-secret: %w", err)
	}
	for _, pid := range c.Pids {
		if _, err := usage.Of(pid); err != nil {
			return fmt.Errorf("--pid %d: %w", pid, err)
		}
	}
	return checkFiles(c.Connections(), usage.OpenFiles())
}

// dialer returns what connects, after a look at the addresses.
func (c Config) dialer() (*dialer, error) {
	d := &dialer{}
	for _, url := range c.URLs {
		t, err := parseTarget(url)
		if err != nil {
			return nil, fmt.Errorf("--url: %w", err)
		}
		d.targets = append(d.targets, t)
	}
	for _, source := range c.Sources {
		ip := net.ParseIP(source)
		if ip == nil {
			return nil, fmt.Errorf("--source %q is not an address such as 127.0.0.2", source)
		}
		addr := &net.TCPAddr{IP: ip}
		l, err := net.ListenTCP("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("--source %s is not an address of this machine: %w", source, err)
		}
		_ = l.Close()
		d.sources = append(d.sources, addr)
	}
	return d, nil
}

// room is where clients meet.
type room struct {
	name       string
	words      publication
	publishers []*client

	mu sync.Mutex
	at position // the furthest that a publication was told to have reached
}

// reached notes the position of a publication.
func (r *room) reached(p position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Epoch != r.at.Epoch || p.Offset > r.at.Offset {
		r.at = p
	}
}

func (r *room) head() position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// cast makes everybody up: those on the stage of each room first, then the viewers.
func (r *run) cast() {
	mark := newMark()
	for i := range r.cfg.Rooms {
		at := &room{name: fmt.Sprintf("%s-%d", mark, i), words: newPublication(fmt.Sprintf("%s-%d", mark, i), r.cfg.Size)}
		r.rooms = append(r.rooms, at)
		for j := range max(r.cfg.stage(i), r.cfg.publishers()) {
			role := auth.RoleModerator
			if j == 0 && r.cfg.stage(i) > 0 {
				role = auth.RoleStreamer
			}
			c := r.newClient(fmt.Sprintf("%s-%d.%d", mark, i, j), role, at)
			at.publishers = append(at.publishers, c)
			r.stage = append(r.stage, c)
		}
	}
	for i := range r.cfg.Viewers {
		r.viewers = append(r.viewers, r.newClient(fmt.Sprintf("%s.%d", mark, i), auth.RoleViewer, r.rooms[i%len(r.rooms)]))
	}
}

// newMark sets the rooms and users of one run apart from those of others, whose broadcasts may still be running.
func newMark() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return "bench-" + hex.EncodeToString(b[:])
}

func (r *run) newClient(user string, role auth.Role, at *room) *client {
	n := len(r.stage) + len(r.viewers)
	c := &client{run: r, n: n, user: user, role: role, room: at, shard: r.tally.shard(n)}
	c.stalls = role == auth.RoleViewer && len(r.viewers) < r.cfg.Stall
	r.pulse.add(c)
	return c
}

// tokenLasts is longer than any run should.
const tokenLasts = 24 * time.Hour

// token mints a token of the client's own.
func (r *run) token(c *client) (string, error) {
	return auth.Mint(r.cfg.Secret, auth.Claims{
		User: c.user, Expires: time.Now().Add(tokenLasts), Issuer: r.cfg.Issuer, Audience: r.cfg.Audience,
		Grants: []auth.Grant{{Room: c.room.name, Role: c.role}},
	})
}
