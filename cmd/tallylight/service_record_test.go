package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// hookReceiver is the platform's backend: it is told by webhooks, and checks what it is sent with the library of the
// Standard Webhooks scheme. Every so often it fails.
type hookReceiver struct {
	t      *testing.T
	server *httptest.Server
	rnd    *rand.Rand // guarded by mu
	failed int

	mu      sync.Mutex
	key     *standardwebhooks.Webhook
	seen    map[string]bool           // event ids
	streams map[string][]hookedStream // by streamer, in the order in which each came first
	repeats int
}

// hookedStream is what was told of a broadcast.
type hookedStream struct {
	Type string
	At   time.Time
	record.Stream
}

func receiveHooks(t *testing.T, seed uint64) *hookReceiver {
	r := &hookReceiver{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), seen: make(map[string]bool), streams: make(map[string][]hookedStream)}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

// register has a node tell the receiver of everything.
func (r *hookReceiver) register(p *process) {
	r.t.Helper()
	response, body := p.do("POST", "/v1/webhooks", token(r.t, "backend", backendToken), fmt.Sprintf(`{"url":%q}`, r.server.URL+"/hook"))
	var made web.Webhook
	if err := json.Unmarshal([]byte(body), &made); err != nil || response.StatusCode != http.StatusCreated {
		r.t.Fatalf("registering a webhook: %s", body)
	}
	key, err := standardwebhooks.NewWebhook(made.Secret)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key = key
}

func backendToken(c *auth.Claims) { c.Scopes = []auth.Scope{auth.ScopeService} }

func (r *hookReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // its node was killed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.key.Verify(body, req.Header); err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	if r.rnd.IntN(100) == 0 {
		r.failed++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var told struct {
		Type      string
		Timestamp time.Time
		Data      json.RawMessage
	}
	if err := json.Unmarshal(body, &told); err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	id := req.Header.Get("webhook-id")
	if r.seen[id] {
		r.repeats++
		return
	}
	r.seen[id] = true
	if strings.HasPrefix(told.Type, "stream.") {
		s := hookedStream{Type: told.Type, At: told.Timestamp}
		if err := json.Unmarshal(told.Data, &s.Stream); err != nil {
			r.t.Errorf("%s: %v", body, err)
		}
		r.streams[s.Streamer.ID] = append(r.streams[s.Streamer.ID], s)
	}
}

func (r *hookReceiver) storyOf(streamer string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var story []string
	for _, s := range r.streams[streamer] {
		story = append(story, fmt.Sprintf("%s %s %d %s", s.Type, s.Broadcast.ID, s.Broadcast.Version, s.Reason))
	}
	return story
}

// witness is a viewer in all rooms who never loses their connection: what members are told is what has happened.
type witness struct {
	mu     sync.Mutex
	events map[string][]witnessed // by room
}

type witnessed struct {
	kind string
	at   presence.Millis
	data witnessedData
}

type witnessedData struct {
	Broadcast presence.Broadcast `json:"broadcast"`
	Reason    presence.Reason    `json:"reason"`
}

func (w *witness) note(m signalling.Message) {
	var e struct {
		Room  string          `json:"room"`
		Event string          `json:"event"`
		At    presence.Millis `json:"at"`
		Data  witnessedData   `json:"data"`
	}
	if m.Type != "event" || m.Decode(&e) != nil || !strings.HasPrefix(e.Event, "live.") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[e.Room] = append(w.events[e.Room], witnessed{kind: e.Event, at: e.At, data: e.Data})
}

func (w *witness) of(room string) []witnessed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events[room])
}

// ended reports whether a broadcast is over.
func (w *witness) ended(room, broadcast string) bool {
	return slices.ContainsFunc(w.of(room), func(e witnessed) bool { return e.kind == "live.ended" && e.data.Broadcast.ID == broadcast })
}

// storyOf is what webhooks should tell of a room, in the same form.
func (w *witness) storyOf(room string) []string {
	names := map[string]string{
		"live.started": "stream.online", "live.reconnecting": "stream.reconnecting", "live.resumed": "stream.resumed",
		"live.updated": "stream.updated", "live.ended": "stream.offline",
	}
	var story []string
	for _, e := range w.of(room) {
		story = append(story, fmt.Sprintf("%s %s %d %s", names[e.kind], e.data.Broadcast.ID, e.data.Broadcast.Version, e.data.Reason))
	}
	return story
}

// player goes live and ends again, in whatever way, over whichever node is there.
type player struct {
	t     *testing.T
	user  string
	rnd   *rand.Rand
	nodes *balancer
	sees  *witness
	on    *client
	began []string // broadcasts that this streamer knows to have begun
}

// play makes so many broadcasts.
func (p *player) play(ctx context.Context, broadcasts int) {
	for len(p.began) < broadcasts && ctx.Err() == nil {
		id := p.start(ctx)
		if id == "" {
			continue
		}
		if !slices.Contains(p.began, id) { // else its end was lost with the connection
			p.began = append(p.began, id)
		}
		p.pause(ctx, 3*time.Second)
		if p.rnd.IntN(3) == 0 {
			_, _ = p.on.Update(ctx, signalling.LiveUpdate{Room: p.user, Title: new(fmt.Sprint("title ", len(p.began)))}) // if it was lost, the witness says so
		}
		if p.rnd.IntN(4) == 0 { // comes back, inside the window or not
			p.on.Abort()
			p.pause(ctx, 2*time.Second)
			p.enter(ctx)
			p.pause(ctx, time.Second)
		}
		p.finish(ctx, id)
	}
	if p.on != nil {
		_ = p.on.Close()
	}
}

func (p *player) pause(ctx context.Context, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(p.rnd.Int64N(int64(most)))):
	}
}

// enter joins over any node, for as long as it takes.
func (p *player) enter(ctx context.Context) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		c, err := p.nodes.any().tryDial(p.user)
		if err == nil {
			_, err = c.Join(attempt, signalling.Join{Room: p.user, Role: auth.RoleStreamer})
		}
		cancel()
		if err == nil {
			p.on = c
			return
		}
		if c != nil {
			c.Abort()
		}
		p.pause(ctx, time.Second)
	}
}

// start begins a broadcast and returns its id; "" if that did not come about.
func (p *player) start(ctx context.Context) string {
	if p.on == nil || p.on.Err() != nil {
		p.enter(ctx)
	}
	start := signalling.LiveStart{Room: p.user}
	start.Title = fmt.Sprint("show ", len(p.began))
	start.WindowMS = new([]int64{0, 500, 3000}[p.rnd.IntN(3)])
	attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	b, err := p.on.Start(attempt, start)
	if err != nil {
		p.on.Abort()
		p.on = nil
		p.pause(ctx, time.Second)
		return ""
	}
	return b.ID
}

// finish ends the broadcast, in one way or another, and returns once it is over.
func (p *player) finish(ctx context.Context, id string) {
	for how := p.rnd.IntN(4); ctx.Err() == nil; how = 0 { // what did not come about is done again, for sure
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		var err error
		switch {
		case p.on.Err() != nil:
			err = p.on.Err()
		case how == 0:
			err = p.on.End(attempt, p.user)
		case how == 1:
			err = p.on.Leave(attempt, p.user)
			p.on.Abort()
		case how == 2:
			err = p.on.Close()
		default:
			p.on.Abort()
		}
		cancel()
		for end := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(end) && ctx.Err() == nil; p.pause(ctx, 100*time.Millisecond) {
			if p.sees.ended(p.user, id) {
				return
			}
		}
		if p.sees.ended(p.user, id) {
			return
		}
		p.enter(ctx)
	}
}

// What is on record, and what webhooks were told, is what has happened: whichever node that records is killed, and
// while the database is away.
func TestRecordUnderFire(t *testing.T) {
	players, each, kills, stops := 10, 8, 3, 1
	if soak() {
		players, each, kills, stops = 40, 25, 24, 6
	}
	const seed = 701
	rnd := rand.New(rand.NewPCG(seed, 0))
	database := testserver.NewPostgres(t)
	s := startService(t, 4, "--database", database.URL(), "--webhook-allow-private")
	hooks := receiveHooks(t, seed)
	hooks.register(s.nodes[0])

	// The first node is where the witness looks on; the others are killed in turn, with all their streamers.
	sees := &witness{events: make(map[string][]witnessed)}
	looking := s.nodes[0].dial("witness", func(c *signalling.ClientConfig) { c.OnMessage = sees.note })
	nodes := &balancer{}
	for _, p := range s.nodes {
		nodes.add(p)
	}
	cast := make([]*player, players)
	for i := range cast {
		cast[i] = &player{t: t, user: fmt.Sprintf("star%02d", i), rnd: rand.New(rand.NewPCG(seed, uint64(i))), nodes: nodes, sees: sees}
		if _, err := looking.Join(within(t, 20*time.Second), signalling.Join{Room: cast[i].user}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var playing sync.WaitGroup
	for _, p := range cast {
		playing.Go(func() { p.play(ctx, each) })
	}
	played := make(chan struct{})
	go func() { playing.Wait(); close(played) }()
	killed, stopped := 0, 0
	for over := false; !over || killed < kills || stopped < stops; {
		select {
		case <-played:
			over = true
		default:
		}
		if ctx.Err() != nil {
			t.Fatalf("after %d kills and %d stops it is not over", killed, stopped)
		}
		if killed%4 == 1 && stopped < stops && stopped <= killed/4 {
			database.Stop()
			time.Sleep(time.Second + time.Duration(rnd.Int64N(int64(8*time.Second))))
			database.Start()
			stopped++
		}
		i := 1 + rnd.IntN(len(s.nodes)-1)
		nodes.notReady(s.nodes[i])
		if rnd.IntN(4) == 0 { // frozen, in whatever it is doing, until it is long taken for dead
			s.nodes[i].signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(rnd.Int64N(int64(12 * time.Second))))
			if rnd.IntN(2) == 0 {
				s.nodes[i].signal(syscall.SIGCONT)
				time.Sleep(time.Duration(rnd.Int64N(int64(3 * time.Second))))
			}
		}
		s.nodes[i].signal(syscall.SIGKILL)
		<-s.nodes[i].exited
		killed++
		time.Sleep(time.Duration(rnd.Int64N(int64(6 * time.Second))))
		s.nodes[i] = start(t, append(slices.Clone(s.flags), "--node", fmt.Sprintf("n%dx%d", i+1, killed))...)
		nodes.add(s.nodes[i])
		time.Sleep(time.Duration(rnd.Int64N(int64(3 * time.Second))))
	}
	if t.Failed() {
		t.FailNow()
	}

	total := 0
	for _, p := range cast {
		want := sees.storyOf(p.user)
		got := []string{}
		s.nodes[0].eventually("webhooks told what happened to "+p.user, 3*time.Minute, func() bool {
			got = hooks.storyOf(p.user)
			return len(got) >= len(want)
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: webhooks told\n%s\nwhat happened is\n%s", p.user, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		total += wantRecords(t, s.nodes[0], p, sees.of(p.user))
	}
	hooks.mu.Lock()
	defer hooks.mu.Unlock()
	t.Logf("seed %d: %d broadcasts of %d streamers, %d kills, %d stops of the database; %d events, %d of them came again, %d were refused at first",
		seed, total, players, killed, stopped, len(hooks.seen), hooks.repeats, hooks.failed)
	if total < players*each {
		t.Errorf("%d broadcasts, want %d at least", total, players*each)
	}
}

// wantRecords compares what is on record of a streamer with what happened, and returns how many broadcasts there were.
func wantRecords(t *testing.T, node *process, p *player, events []witnessed) int {
	t.Helper()
	want := make(map[string]string)
	for _, e := range events {
		b := e.data.Broadcast
		ended := "null"
		if e.kind == "live.ended" {
			ended = e.at.Time().Format(presence.TimeLayout)
		}
		want[b.ID] = fmt.Sprintf("%s %s %q %s %s %s", b.ID, p.user, b.Title, b.StartedAt.Time().Format(presence.TimeLayout), ended, e.data.Reason)
	}
	for _, id := range p.began {
		if want[id] == "" {
			t.Errorf("%s began %s, of which nobody was told", p.user, id)
		}
	}
	var got map[string]string
	node.eventually("everything of "+p.user+" is on record", 3*time.Minute, func() bool {
		got = make(map[string]string)
		for after := ""; ; {
			response, body := node.get("/v1/broadcasts?first=100&streamer="+p.user+"&after="+after, token(t, "backend", backendToken))
			var page web.RecordPage
			if err := json.Unmarshal([]byte(body), &page); err != nil || response.StatusCode != http.StatusOK {
				return false
			}
			for _, r := range page.Data {
				ended := "null"
				if r.EndedAt != nil {
					ended = presence.Millis(*r.EndedAt).Time().Format(presence.TimeLayout)
				}
				if _, twice := got[r.ID]; twice {
					t.Errorf("%s is on record twice", r.ID)
				}
				got[r.ID] = fmt.Sprintf("%s %s %q %s %s %s", r.ID, r.Streamer.ID, r.Title, presence.Millis(r.StartedAt).Time().Format(presence.TimeLayout), ended, r.Reason)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		return len(got) >= len(want) && !slices.ContainsFunc(slices.Collect(maps.Values(got)), func(s string) bool { return strings.Contains(s, " null ") })
	})
	for id, line := range want {
		if got[id] != line {
			t.Errorf("on record is\n%s\nwhat happened is\n%s", got[id], line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d broadcasts are on record, %d happened", p.user, len(got), len(want))
	}
	return len(want)
}
