package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/signalling"
	"github.com/tallylight/tallylight/web"
)

// atATime calls do for 0 to n-1, many at once but not all.
func atATime(n int, do func(i int)) {
	var all sync.WaitGroup
	places := make(chan struct{}, 20)
	for i := range n {
		places <- struct{}{}
		all.Go(func() { defer func() { <-places }(); do(i) })
	}
	all.Wait()
}

// streamer is a user in the room called after them, live or only online.
type streamer struct {
	*client
	user      string
	broadcast *presence.Broadcast // nil while only online
}

// view is what everybody should know of them.
func (s *streamer) view() presence.View {
	if s.broadcast == nil {
		return presence.View{State: presence.StateOnline}
	}
	return presence.View{State: presence.StateLive, Broadcast: s.broadcast}
}

// described is a view as a text, to be compared and printed.
func described(v presence.View) string {
	if v.Broadcast == nil {
		return string(v.State)
	}
	return fmt.Sprintf("%s with %s, version %d", v.State, v.Broadcast.ID, v.Broadcast.Version)
}

// perform has n streamers go live, on the node that is named for each.
func perform(t *testing.T, n int, on func(i int) *process) []*streamer {
	t.Helper()
	all := make([]*streamer, n)
	atATime(n, func(i int) {
		s := &streamer{user: fmt.Sprintf("star%03d", i)}
		all[i] = s
		_, err := s.join(on(i))
		if err == nil {
			s.broadcast, err = s.Start(within(t, time.Minute), signalling.LiveStart{Room: s.user})
		}
		if err != nil {
			t.Errorf("%s goes live: %v", s.user, err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// join connects the streamer to a node, which is not asked to forget an earlier connection.
func (s *streamer) join(p *process) (signalling.Joined, error) {
	c, err := p.tryDial(s.user)
	if err != nil {
		return signalling.Joined{}, err
	}
	s.client = c
	return c.Join(within(c.t, time.Minute), signalling.Join{Room: s.user, Role: auth.RoleStreamer})
}

// comeBack has streamers join again, over any of the nodes, and finds them live with the broadcast that they had.
func comeBack(t *testing.T, streamers []*streamer, nodes []*process, version int64) {
	t.Helper()
	atATime(len(streamers), func(i int) {
		s := streamers[i]
		j, err := s.join(nodes[i%len(nodes)])
		if err != nil {
			t.Errorf("%s comes back: %v", s.user, err)
			return
		}
		want := *s.broadcast
		want.Version = version
		if got, want := described(j.Streamer), described(presence.View{State: presence.StateLive, Broadcast: &want}); got != want {
			t.Errorf("%s comes back and is %s, want %s", s.user, got, want)
		}
	})
}

func roomsOf(streamers []*streamer) []string {
	names := make([]string, len(streamers))
	for i, s := range streamers {
		names[i] = s.user
	}
	return names
}

// heard is what a viewer was told of a room without asking: an event or a snapshot.
type heard struct {
	at       time.Time
	event    *told              // or
	snapshot *signalling.Joined // which replaces all that was known
}

// stay is the time in a room over one connection: what the viewer came to, and what was said since.
type stay struct {
	joined signalling.Joined
	heard  []heard
}

// onlooker is a viewer of many rooms at once, who notes all that is said there, over one connection after another.
type onlooker struct {
	t    *testing.T
	name string

	mu    sync.Mutex
	stays map[string][]*stay // by room
}

func newOnlooker(t *testing.T, name string) *onlooker {
	return &onlooker{t: t, name: name, stays: make(map[string][]*stay)}
}

// lookOn has a user watch rooms over one connection, which is returned too.
func lookOn(p *process, name string, rooms []string) (*onlooker, *client) {
	p.t.Helper()
	o := newOnlooker(p.t, name)
	c, err := o.enter(p, rooms, nil)
	if err != nil {
		p.t.Fatalf("%s comes to watch: %v", name, err)
	}
	return o, c
}

// enter joins the rooms over a new connection, from where the onlooker knows them. It hands requests to come back
// elsewhere over to asked, which may be nil.
func (o *onlooker) enter(p *process, names []string, asked chan<- signalling.Reconnect) (*client, error) {
	here := make(map[string]*stay)
	c, err := p.tryDial(o.name, func(cfg *signalling.ClientConfig) {
		cfg.OnMessage = func(m signalling.Message) { o.note(here, m); passOn(o.t, m, asked) }
	})
	if err != nil {
		return nil, err
	}
	for _, room := range names {
		o.mu.Lock()
		s, since := &stay{}, o.knownLocked(room)
		here[room] = s
		o.mu.Unlock()
		joined, err := c.Join(within(o.t, 20*time.Second), signalling.Join{Room: room, Since: since})
		if err != nil {
			c.Abort()
			return nil, err
		}
		o.mu.Lock()
		s.joined = joined
		o.stays[room] = append(o.stays[room], s)
		o.mu.Unlock()
	}
	return c, nil
}

// passOn hands a request to come back elsewhere over, without waiting.
func passOn(t *testing.T, m signalling.Message, asked chan<- signalling.Reconnect) {
	if m.Type != "reconnect" || asked == nil {
		return
	}
	var ask signalling.Reconnect
	if err := m.Decode(&ask); err != nil {
		t.Errorf("a reconnect can't be read: %v: %s", err, m.Raw)
	}
	select {
	case asked <- ask:
	default: // it is being acted upon already
	}
}

// knownLocked is the last position of a room, or nil if it was never joined.
func (o *onlooker) knownLocked(room string) *rooms.Position {
	all := o.stays[room]
	if len(all) == 0 {
		return nil
	}
	s := all[len(all)-1]
	at := s.joined.Position
	if n := len(s.heard); n > 0 {
		if h := s.heard[n-1]; h.event != nil {
			at = h.event.Position
		} else {
			at = h.snapshot.Position
		}
	}
	return &at
}

func (o *onlooker) note(here map[string]*stay, m signalling.Message) {
	h, room := heard{at: time.Now()}, ""
	switch m.Type {
	case "event":
		e := o.read(m.Raw)
		h.event, room = &e, e.Room
	case "joined":
		h.snapshot = new(signalling.Joined)
		if err := m.Decode(h.snapshot); err != nil {
			o.t.Errorf("a snapshot can't be read: %v: %s", err, m.Raw)
		}
		room = h.snapshot.Room
	default:
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := here[room]; s != nil {
		s.heard = append(s.heard, h)
	} else {
		o.t.Errorf("%s was told of a room that they have not joined: %s", o.name, m.Raw)
	}
}

func (o *onlooker) read(raw json.RawMessage) told {
	e := told{at: time.Now()}
	err := json.Unmarshal(raw, &e.EventMessage)
	if err == nil && strings.HasPrefix(e.Event, "live.") {
		err = json.Unmarshal(e.Data, &e.BroadcastData)
	}
	if err != nil {
		o.t.Errorf("an event can't be read: %v: %s", err, raw)
	}
	return e
}

// of returns copies of the times in a room.
func (o *onlooker) of(room string) []stay {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []stay
	for _, s := range o.stays[room] {
		all = append(all, stay{s.joined, slices.Clone(s.heard)})
	}
	return all
}

// first returns the first event of a name in a room, or nil.
func (o *onlooker) first(room, event string) *told {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.stays[room] {
		for _, h := range s.heard {
			if h.event != nil && h.event.Event == event {
				return h.event
			}
		}
	}
	return nil
}

// story is what was told in a room, for onlookers to be compared by.
func (o *onlooker) story(room string) string {
	var lines []string
	for _, s := range o.of(room) {
		for _, h := range s.heard {
			lines = append(lines, h.String())
		}
	}
	return strings.Join(lines, "\n")
}

func (h heard) String() string {
	if h.snapshot != nil {
		return fmt.Sprintf("%s/%d a snapshot: %s", h.snapshot.Epoch, h.snapshot.Offset, described(h.snapshot.Streamer))
	}
	e := h.event
	line := fmt.Sprintf("%s/%d %s at %d", e.Epoch, e.Offset, e.Event, e.At)
	if e.Broadcast != nil {
		line += fmt.Sprintf(": %s, version %d %s", e.Broadcast.ID, e.Broadcast.Version, e.Reason)
	}
	return line
}

// wantStory checks that exactly these events were told in a room, in order: offsets and versions grow by one from those
// that the onlooker came to, and no snapshot had to help.
func (o *onlooker) wantStory(room string, events ...string) {
	o.t.Helper()
	all := o.of(room)
	if len(all) != 1 {
		o.t.Errorf("%s came to %s %d times, want once", o.name, room, len(all))
		return
	}
	at, b := all[0].joined.Position, all[0].joined.Streamer.Broadcast
	var got []string
	for _, h := range all[0].heard {
		e := h.event
		if e == nil {
			o.t.Errorf("%s got a snapshot of %s: %s", o.name, room, h)
			continue
		}
		if got = append(got, e.Event); e.Epoch != at.Epoch || e.Offset != at.Offset+1 {
			o.t.Errorf("%s, %s: %s comes after %+v", o.name, room, h, at)
		}
		at = e.Position
		if e.Broadcast == nil {
			continue
		}
		if b == nil || e.Broadcast.ID != b.ID || e.Broadcast.Version != b.Version+1 {
			o.t.Errorf("%s, %s: %s comes after %+v", o.name, room, h, b)
		}
		b = e.Broadcast
	}
	if !slices.Equal(got, events) {
		o.t.Errorf("%s was told %q in %s, want %q", o.name, got, room, events)
	}
}

// lastWord says something in all rooms and waits until the onlookers have heard it: all that was said before, they have
// heard too, and their silence is not deafness.
func lastWord(p *process, names []string, onlookers ...*onlooker) {
	p.t.Helper()
	const event = "x.last"
	for _, room := range names {
		p.publish(room, event)
	}
	for _, o := range onlookers {
		p.eventually(o.name+" has heard the last word in all rooms", 30*time.Second, func() bool {
			return !slices.ContainsFunc(names, func(room string) bool { return o.first(room, event) == nil })
		})
	}
}

// onAir returns the broadcasts of those who have one, by user.
func onAir(streamers []*streamer) map[string]string {
	ids := make(map[string]string)
	for _, s := range streamers {
		if s.broadcast != nil {
			ids[s.user] = s.broadcast.ID
		}
	}
	return ids
}

// missing returns what a node's list lacks: each of these broadcasts must be there as live.
func (p *process) missing(client *liveClient, broadcasts map[string]string) error {
	page, err := client.all(p.t.Context(), "started")
	if err != nil {
		return err
	}
	states := make(map[string]presence.State)
	for _, row := range page.Data {
		states[row.Broadcast] = row.State
	}
	var wrong []string
	for user, id := range broadcasts {
		if state := states[id]; state != presence.StateLive {
			wrong = append(wrong, fmt.Sprintf("%s is %q", user, state))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d are listed; %d who should be are not: %s", page.Total, len(wrong), strings.Join(wrong[:min(5, len(wrong))], ", "))
	}
	return nil
}

// wantListed waits until a node lists all as live, and nobody else.
func (p *process) wantListed(streamers []*streamer, within time.Duration) {
	p.t.Helper()
	client, want := newLiveClient("http://"+p.addr, ""), onAir(streamers)
	defer client.http.CloseIdleConnections()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := p.missing(client, want)
		if err == nil {
			page, _ := client.all(p.t.Context(), "started")
			if page.Total == len(want) {
				return
			}
			err = fmt.Errorf("%d are listed, want %d", page.Total, len(want))
		}
		if time.Since(began) > within {
			p.t.Errorf("%s after it was to, a node does not list just those who are live: %v", within, err)
			return
		}
	}
}

// census asks nodes who is live, again and again, and notes which lists were not complete.
type census struct {
	t     *testing.T
	nodes func() []*process // that are ready
	live  map[string]string // all the time: broadcasts by user
	stop  func()            // returns when nobody is asked any more

	// These are the goroutine's of take, and free once that has ended.
	asked int
	short []string
}

func takeCensus(t *testing.T, nodes func() []*process, streamers []*streamer) *census {
	c := &census{t: t, nodes: nodes, live: onAir(streamers)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.take(ctx) })
	c.stop = func() { cancel(); running.Wait() }
	t.Cleanup(c.stop)
	return c
}

func (c *census) take(ctx context.Context) {
	clients := make(map[*process]*liveClient)
	defer func() {
		for _, client := range clients {
			client.http.CloseIdleConnections()
		}
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range c.nodes() {
			if clients[p] == nil {
				clients[p] = newLiveClient("http://"+p.addr, "")
			}
			err := p.missing(clients[p], c.live)
			if err != nil && (ctx.Err() != nil || !slices.Contains(c.nodes(), p)) {
				continue // it went while it was asked
			}
			if c.asked++; err != nil {
				c.short = append(c.short, fmt.Sprintf("%s, %s: %v", time.Now().Format("15:04:05.000"), p.addr, err))
			}
		}
	}
}

// wantComplete ends the census and checks that no ready node ever listed fewer than all, as live.
func (c *census) wantComplete() {
	c.t.Helper()
	c.stop()
	if len(c.short) > 0 {
		c.t.Errorf("of %d lists %d were not complete:\n%s", c.asked, len(c.short), strings.Join(c.short[:min(20, len(c.short))], "\n"))
	}
	if c.asked == 0 {
		c.t.Error("nobody was asked who is live")
	}
}

// The promise for a node that is killed, see design §5: its streamers who are not back by then are announced as gone in
// this time, each once, and have a longer window because their clients may not have noticed yet.
const (
	toldOfDeath = 10 * time.Second
	allTold     = toldOfDeath + time.Second
)

// TestNodeKilled kills a node that holds a hundred live streamers. Those who are back before it is declared dead were
// never gone, to anybody's knowledge; of the others everybody is told once, and of their return once.
func TestNodeKilled(t *testing.T) {
	t.Parallel()
	s := startService(t, 3)
	doomed, left := s.nodes[0], s.nodes[1:]
	streamers := perform(t, 100, func(int) *process { return doomed })
	early, late, lost := streamers[:30], streamers[30:70], streamers[70:]
	names := roomsOf(streamers)
	bob, _ := lookOn(left[0], "bob", names)
	carol, _ := lookOn(left[1], "carol", names)
	doomed.signal(syscall.SIGKILL)
	killed := time.Now()

	comeBack(t, early, left, 1)
	took := time.Since(killed)
	t.Logf("%d streamers were back after %s", len(early), took.Round(time.Millisecond))
	if took > 5*time.Second { // a lease of 7 s, refreshed every second
		t.Fatal("this machine is too slow: those who came back at once were not back before the node can be declared dead")
	}
	for _, v := range []*onlooker{bob, carol} {
		wantNodeLost(v, append(slices.Clone(late), lost...), killed)
	}
	comeBack(t, late, left, 3)
	for _, v := range []*onlooker{bob, carol} {
		left[0].eventually(v.name+" is told of all who are back", 10*time.Second, func() bool {
			return !slices.ContainsFunc(late, func(s *streamer) bool { return v.first(s.user, "live.resumed") == nil })
		})
	}
	end := []string{"live.reconnecting", "x.last"}
	if soak() {
		end = []string{"live.reconnecting", "live.ended", "streamer.offline", "x.last"}
		wantEnded(bob, lost)
	}
	time.Sleep(time.Until(killed.Add(allTold + time.Second))) // by when those who were early would have been announced
	lastWord(left[0], names, bob, carol)
	for _, v := range []*onlooker{bob, carol} {
		for _, s := range early {
			v.wantStory(s.user, "x.last")
		}
		for _, s := range late {
			v.wantStory(s.user, "live.reconnecting", "live.resumed", "x.last")
		}
		for _, s := range lost {
			v.wantStory(s.user, end...)
		}
	}
	for _, room := range names {
		if b, c := bob.story(room), carol.story(room); b != c {
			t.Errorf("in %s, bob was told\n%s\nand carol\n%s", room, b, c)
		}
	}
}

// wantNodeLost waits until a viewer knows that each of the streamers is gone, and checks what was said of it and when.
func wantNodeLost(v *onlooker, streamers []*streamer, killed time.Time) {
	v.t.Helper()
	took := make(delays)
	for _, s := range streamers {
		var e *told
		for deadline := killed.Add(3 * toldOfDeath); e == nil; time.Sleep(time.Millisecond) {
			if e = v.first(s.user, "live.reconnecting"); e == nil && time.Now().After(deadline) {
				v.t.Fatalf("%s was not told within %s that %s is gone", v.name, 3*toldOfDeath, s.user)
			}
		}
		took.add("gone", e.at.Sub(killed))
		if e.Reason != presence.ReasonNodeLost || e.Broadcast.ID != s.broadcast.ID || e.Broadcast.Version != 2 {
			v.t.Errorf("%s was told that %s is gone with %s, version %d, for %s; want %s, 2, %s",
				v.name, s.user, e.Broadcast.ID, e.Broadcast.Version, e.Reason, s.broadcast.ID, presence.ReasonNodeLost)
		}
		if window := e.Until.Time().Sub(e.At.Time()); window != 45*time.Second {
			v.t.Errorf("%s: %s has %s to come back, want 45 s", v.name, s.user, window)
		}
	}
	first, last := took.quantile("gone", 0), took.quantile("gone", 1)
	v.t.Logf("%s was told of %d who are gone after %s at first, %s in the median, %s at last", v.name, len(streamers),
		first.Round(time.Millisecond), took.median("gone").Round(time.Millisecond), last.Round(time.Millisecond))
	if first > toldOfDeath || last > allTold {
		v.t.Errorf("%s was told after %s to %s, which is promised within %s, and all of it within %s", v.name, first, last, toldOfDeath, allTold)
	}
}

// wantEnded waits until the windows of those who are gone have passed.
func wantEnded(v *onlooker, streamers []*streamer) {
	v.t.Helper()
	p := &process{t: v.t}
	for _, s := range streamers {
		p.eventually("what "+s.user+" did has ended", time.Minute, func() bool { return v.first(s.user, "streamer.offline") != nil })
		gone, ended := v.first(s.user, "live.reconnecting"), v.first(s.user, "live.ended")
		if ended == nil {
			v.t.Errorf("%s is offline, and %s was not told that the broadcast ended", s.user, v.name)
			continue
		}
		if ended.Reason != presence.ReasonConnectionLost {
			v.t.Errorf("%s's broadcast ended for %s, want %s", s.user, ended.Reason, presence.ReasonConnectionLost)
		}
		if took, most := ended.at.Sub(gone.at), presence.NodeLostWindow+1500*time.Millisecond; took > most || took < presence.NodeLostWindow-time.Second {
			v.t.Errorf("%s's broadcast ended %s after the connection was lost, want at most %s", s.user, took, most)
		}
	}
}

// balancer sends newcomers to nodes. It looks at them now and then, as balancers do: for a while it sends some to a node
// that is not ready any more, who are refused and have to try again.
type balancer struct {
	mu    sync.Mutex
	ready []*process
	going []*process // which it does not know yet
}

// balancerLag is how long it takes to notice.
const balancerLag = 500 * time.Millisecond

func (b *balancer) add(p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = append(b.ready, p)
}

// notReady is called when a node does not admit newcomers any more.
func (b *balancer) notReady(p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = slices.DeleteFunc(b.ready, func(r *process) bool { return r == p })
	b.going = append(b.going, p)
	time.AfterFunc(balancerLag, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.going = slices.DeleteFunc(b.going, func(r *process) bool { return r == p })
	})
}

// all returns the nodes that are ready.
func (b *balancer) all() []*process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ready)
}

// any returns a node for a newcomer.
func (b *balancer) any() *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	nodes := slices.Concat(b.ready, b.going)
	return nodes[rand.N(len(nodes))]
}

// roamer is a client that comes back to another node when it is asked to, or when it loses its connection, as
// PROTOCOL.md prescribes.
type roamer struct {
	t    *testing.T
	name string
	via  *balancer
	// enter connects to a node and joins what the client has joined.
	enter func(*process, chan<- signalling.Reconnect) (*client, error)
	// careless clients do not understand reconnect, and come back only once their connection has ended.
	careless bool

	// These are the goroutine's of roam, and free once that has ended.
	now     *client
	asked   chan signalling.Reconnect // of now
	moves   int
	refused int // attempts
	cut     int // connections that ended before there was another
}

// begin connects for the first time.
func (r *roamer) begin(p *process) error {
	r.asked = make(chan signalling.Reconnect, 1)
	var err error
	r.now, err = r.enter(p, r.asked)
	return err
}

// roam keeps the client connected until the context ends.
func (r *roamer) roam(ctx context.Context) {
	for {
		asked, wait := r.asked, time.Duration(0)
		if r.careless {
			asked = nil
		}
		select {
		case <-ctx.Done():
			return
		case ask := <-asked:
			wait = time.Duration(ask.AfterMS) * time.Millisecond
		case <-r.now.Done():
			if code := websocket.CloseStatus(r.now.Err()); code != websocket.StatusServiceRestart {
				r.t.Errorf("%s's connection ended with %d before there was another: %v", r.name, code, r.now.Err())
			}
			r.cut++
			wait = backoff(0)
		}
		r.move(ctx, wait)
	}
}

// backoff is the random wait before the n-th attempt.
func backoff(n int) time.Duration { return rand.N(min(30*time.Second, 500*time.Millisecond<<n)) }

// move tries until the client has a new connection. The old one stays until then, if it lasts.
func (r *roamer) move(ctx context.Context, wait time.Duration) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		asked := make(chan signalling.Reconnect, 1)
		next, err := r.enter(r.via.any(), asked)
		if err == nil {
			old := r.now
			r.now, r.asked = next, asked
			r.moves++
			r.drop(old)
			return
		}
		if !worthAnother(err) {
			r.t.Errorf("%s comes back: %v", r.name, err)
		}
		r.refused++
		wait = backoff(n + 1)
	}
}

// worthAnother reports whether it is to be tried again: the node is gone, or says that it is not for newcomers.
func worthAnother(err error) bool {
	var handshake *signalling.HandshakeError
	if errors.As(err, &handshake) {
		return handshake.Status == http.StatusServiceUnavailable
	}
	code := codeOf(err)
	return code == "" || code == signalling.CodeUnavailable
}

// drop closes a connection that was replaced. The server may have been faster: because there is a newer one of the same
// streamer, or because its node is going.
func (r *roamer) drop(old *client) {
	_ = old.Close()
	switch code := websocket.CloseStatus(old.Err()); code {
	case -1, websocket.StatusNormalClosure, websocket.StatusServiceRestart, 4409:
	default:
		r.t.Errorf("%s: the connection that was left behind was closed with %d: %v", r.name, code, old.Err())
	}
}

// troupe is a service whose nodes are restarted one after another under an audience and all who perform.
type troupe struct {
	*service
	via       *balancer
	streamers []*streamer
	onlookers []*onlooker
	roamers   []*roamer
	lists     *census
	stop      func() // all who roam, and the census
}

// newTroupe has streamers live on all nodes and two viewers in all rooms, all of whom roam. One streamer in ten is
// careless, for they are promised the same: a broadcast goes on for a while whatever happens to the connection.
func newTroupe(t *testing.T, streamers int) *troupe {
	t.Helper()
	s := &troupe{service: startService(t, 3, "--drain", "3s"), via: &balancer{}}
	for _, p := range s.nodes {
		s.via.add(p)
	}
	for i := range streamers {
		star := &streamer{user: fmt.Sprintf("star%03d", i)}
		s.streamers = append(s.streamers, star)
		s.roamers = append(s.roamers, &roamer{t: t, name: star.user, via: s.via, enter: s.streamerEnters(star), careless: i%10 == 9})
	}
	atATime(streamers, func(i int) {
		star := s.streamers[i]
		err := s.roamers[i].begin(s.nodes[i%len(s.nodes)])
		if err == nil {
			star.broadcast, err = s.roamers[i].now.Start(within(t, time.Minute), signalling.LiveStart{Room: star.user})
		}
		if err != nil {
			t.Errorf("%s goes live: %v", star.user, err)
		}
	})
	s.admit("bob", s.nodes[0])
	s.admit("carol", s.nodes[1])
	if t.Failed() {
		t.FailNow()
	}
	s.begin()
	return s
}

// streamerEnters returns how a streamer connects. Whoever has a broadcast finds it as it was.
func (s *troupe) streamerEnters(star *streamer) func(*process, chan<- signalling.Reconnect) (*client, error) {
	return func(p *process, asked chan<- signalling.Reconnect) (*client, error) {
		c, err := p.tryDial(star.user, func(cfg *signalling.ClientConfig) {
			cfg.OnMessage = func(m signalling.Message) { passOn(s.t, m, asked) }
		})
		if err != nil {
			return nil, err
		}
		j, err := c.Join(within(s.t, 20*time.Second), signalling.Join{Room: star.user, Role: auth.RoleStreamer})
		if err != nil {
			c.Abort()
			return nil, err
		}
		if got, want := described(j.Streamer), described(star.view()); got != want {
			s.t.Errorf("%s joins and is %s, want %s", star.user, got, want)
		}
		return c, nil
	}
}

// admit has a user watch all rooms, over as many connections as that takes.
func (s *troupe) admit(name string, p *process) {
	o := newOnlooker(s.t, name)
	s.onlookers = append(s.onlookers, o)
	for names := range slices.Chunk(roomsOf(s.streamers), signalling.DefaultRooms) {
		r := &roamer{t: s.t, name: name, via: s.via, enter: func(p *process, asked chan<- signalling.Reconnect) (*client, error) {
			return o.enter(p, names, asked)
		}}
		s.roamers = append(s.roamers, r)
		if err := r.begin(p); err != nil {
			s.t.Errorf("%s comes to watch: %v", name, err)
		}
	}
}

// begin lets everybody roam, and asks all ready nodes who is live, again and again.
func (s *troupe) begin() {
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	for _, r := range s.roamers {
		running.Go(func() { r.roam(ctx) })
	}
	s.lists = takeCensus(s.t, s.via.all, s.streamers)
	s.stop = func() { cancel(); running.Wait(); s.lists.stop() }
	s.t.Cleanup(s.stop)
}

// wantNotReady waits until a node says that it admits nobody any more.
func (s *troupe) wantNotReady(p *process) {
	s.t.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	p.eventually("a node that drains is not ready", 10*time.Second, func() bool {
		response, err := client.Get("http://" + p.addr + "/readyz")
		if err != nil {
			return true // or is gone already
		}
		_ = response.Body.Close()
		return response.StatusCode != http.StatusOK
	})
	s.via.notReady(p)
}

// restart has one node stop, and starts another in its place.
func (s *troupe) restart(i int) {
	s.t.Helper()
	old, began := s.nodes[i], time.Now()
	old.signal(syscall.SIGTERM)
	s.wantNotReady(old)
	old.wantExit(0, 30*time.Second)
	gone := time.Since(began)
	s.nodes[i] = start(s.t, append(slices.Clone(s.flags), "--node", fmt.Sprint("n", i+1))...)
	s.nodes[i].eventually("the new node is ready", 30*time.Second, func() bool { r, _ := s.nodes[i].get("/readyz", ""); return r.StatusCode == 200 })
	s.via.add(s.nodes[i])
	s.t.Logf("node %d had stopped after %s, and another was ready after %s", i+1, gone.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// end checks that nobody was told anything, and that everybody is where they were.
func (s *troupe) end() {
	s.t.Helper()
	// A streamer who did not come back from the last node is announced 10 s after their delay, of at most one.
	rest := 12 * time.Second
	if soak() {
		rest = 30 * time.Second
	}
	time.Sleep(rest)
	lastWord(s.via.all()[0], roomsOf(s.streamers), s.onlookers...)
	for _, p := range s.via.all() {
		p.wantListed(s.streamers, 0)
	}
	s.stop()
	for i, star := range s.streamers {
		if err := s.roamers[i].now.Err(); err != nil {
			s.t.Errorf("at the end, %s is not connected: %v", star.user, err)
		}
	}
	for _, o := range s.onlookers {
		for _, star := range s.streamers {
			o.wantUntold(star)
		}
	}
	s.lists.wantComplete()
	moves, refused, cut := 0, 0, 0
	for _, r := range s.roamers {
		moves, refused, cut = moves+r.moves, refused+r.refused, cut+r.cut
	}
	s.t.Logf("%d clients moved %d times, %d attempts were refused, %d connections ended before another was there; %d lists were asked for",
		len(s.roamers), moves, refused, cut, s.lists.asked)
}

// wantUntold checks that a viewer never heard anything of a streamer but that they are live as they were when they began.
func (o *onlooker) wantUntold(star *streamer) {
	o.t.Helper()
	untold := func(h heard) {
		switch {
		case h.event != nil && presenceEvent(h.event.Event),
			h.snapshot != nil && described(h.snapshot.Streamer) != described(star.view()):
			o.t.Errorf("%s was told in %s: %s; want nothing: %s", o.name, star.user, h, described(star.view()))
		}
	}
	for _, s := range o.of(star.user) {
		untold(heard{snapshot: &s.joined})
		for _, raw := range s.joined.Events {
			e := o.read(raw)
			untold(heard{event: &e})
		}
		for _, h := range s.heard {
			untold(h)
		}
	}
}

// presenceEvent reports whether it tells of a streamer.
func presenceEvent(event string) bool {
	return strings.HasPrefix(event, "live.") || strings.HasPrefix(event, "streamer.")
}

// TestRollingRestart restarts all nodes under streamers and viewers whose clients behave, by signals and by an
// operator's request: nobody is told anything, and everybody is live all the time, on every node.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	streamers := 60
	if soak() {
		streamers = 200
	}
	t.Run("by signals", func(t *testing.T) {
		t.Parallel()
		s := newTroupe(t, streamers)
		for i := range s.nodes {
			s.restart(i)
		}
		s.end()
	})
	t.Run("one by request", func(t *testing.T) {
		t.Parallel()
		s := newTroupe(t, streamers)
		leaving := s.nodes[0]
		s.requestDrain("n1", s.nodes[1])
		s.wantNotReady(leaving)
		s.wantEmpty(leaving)
		s.end()
		select {
		case <-leaving.exited:
			t.Errorf("a node that was drained by request ended by itself:\n%s", leaving.err.String())
		default:
		}
		began := time.Now()
		leaving.signal(syscall.SIGTERM)
		leaving.wantExit(0, 30*time.Second)
		took := time.Since(began)
		t.Logf("once drained, the node stopped within %s", took.Round(time.Millisecond))
		if took > 2*time.Second {
			t.Errorf("nobody was left, and yet it took the node %s to stop", took)
		}
	})
}

// requestDrain finds a node by its name, and has it drained, both by asking another one.
func (s *troupe) requestDrain(name string, at *process) {
	s.t.Helper()
	operator := token(s.t, "admin", admin)
	var list web.NodeList
	at.eventually("all nodes are known", 10*time.Second, func() bool {
		_, body := at.get("/v1/nodes", operator)
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			s.t.Fatalf("the nodes: %v: %s", err, body)
		}
		return len(list.Data) == len(s.nodes)
	})
	i := slices.IndexFunc(list.Data, func(n web.Node) bool { return strings.HasPrefix(n.ID, name+"-") })
	if i < 0 || list.Data[i].Self {
		s.t.Fatalf("the nodes are %+v, want %s among them, which is not the one that says so", list.Data, name)
	}
	if status := at.post("/v1/nodes/"+list.Data[i].ID+"/drain", operator, ""); status != http.StatusAccepted {
		s.t.Fatalf("asking for the drain of %s: %d, want 202", list.Data[i].ID, status)
	}
}

// wantEmpty waits until a node that still answers holds no connection.
func (s *troupe) wantEmpty(p *process) {
	s.t.Helper()
	p.eventually("everybody has left the node", 20*time.Second, func() bool {
		_, body := p.get("/metrics", "")
		return strings.Contains(body, "\ntallylight_connections 0\n")
	})
}

// outage is a story about a Redis of its own that goes, or forgets. Nobody moves: what streamers are asked to do when a
// node is cut off does not help here, and so they keep what they have.
type outage struct {
	*service
	redis     *testserver.RedisServer
	streamers []*streamer // zed, the last, is only online
	newcomer  *streamer   // who comes later, if at all
	onlookers []*onlooker
	clients   map[string]*client // of whom none may be closed by the server
	lists     *census            // of the two nodes, all the time
}

// newOutage has nineteen live and one online, over two nodes, and a viewer on each in all rooms.
func newOutage(t *testing.T, redis ...string) *outage {
	t.Helper()
	o := &outage{redis: testserver.OwnRedis(t, redis...), newcomer: &streamer{user: "young"}}
	o.service = startServiceOn(t, o.redis.URL, 2)
	node := func(i int) *process { return o.nodes[i%2] }
	o.streamers = perform(t, 19, node)
	zed := &streamer{user: "zed"}
	if _, err := zed.join(node(1)); err != nil {
		t.Fatal(err)
	}
	o.streamers = append(o.streamers, zed)
	o.clients = make(map[string]*client)
	for _, s := range o.streamers {
		o.clients[s.user] = s.client
	}
	names := append(roomsOf(o.streamers), o.newcomer.user)
	for i, name := range []string{"bob", "carol"} {
		v, c := lookOn(o.nodes[i], name, names)
		o.onlookers, o.clients[name] = append(o.onlookers, v), c
		o.nodes[i].wantListed(o.streamers, 10*time.Second)
	}
	o.lists = takeCensus(t, func() []*process { return o.nodes }, o.streamers)
	return o
}

// zed is the one who is only online.
func (o *outage) zed() *streamer { return o.streamers[len(o.streamers)-1] }

// wantCutOff looks at what a node does that can't reach Redis: it says what it last knew, and that it may be old, and
// refuses whatever it could not tell the others.
func (o *outage) wantCutOff() {
	o.t.Helper()
	ctx := within(o.t, time.Minute)
	if _, err := o.zed().Start(ctx, signalling.LiveStart{Room: "zed"}); codeOf(err) != signalling.CodeUnavailable {
		o.t.Errorf("live.start while Redis is away: %v, want unavailable", err)
	}
	dave := o.nodes[0].dial("dave")
	o.clients["dave"] = dave
	if _, err := dave.Join(ctx, signalling.Join{Room: "dave", Role: auth.RoleStreamer}); codeOf(err) != signalling.CodeUnavailable {
		o.t.Errorf("a streamer's join while Redis is away: %v, want unavailable", err)
	}
	if _, err := dave.Join(ctx, signalling.Join{Room: "nobody"}); codeOf(err) != signalling.CodeUnavailable {
		o.t.Errorf("joining a room that the node does not serve, while Redis is away: %v, want unavailable", err)
	}
	alice := o.streamers[0]
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		j, err := dave.Join(ctx, signalling.Join{Room: alice.user})
		if got, want := described(j.Streamer), described(alice.view()); err != nil || got != want {
			o.t.Fatalf("joining a room that the node serves, while Redis is away: %s, %v; want %s", got, err, want)
		}
		if j.Stale {
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatal("Redis is away, and yet who joins a room is not told that it may be out of date")
		}
	}
}

// wantListStale sees that the nodes go on listing everybody, and once they were cut off for 10 s say that it is old.
func (o *outage) wantListStale(since time.Time) {
	o.t.Helper()
	for _, p := range o.nodes {
		client := newLiveClient("http://"+p.addr, "")
		defer client.http.CloseIdleConnections()
		page, err := client.all(o.t.Context(), "started")
		if err != nil || page.Total != len(onAir(o.streamers)) || soak() && !page.Stale {
			o.t.Errorf("%s after Redis has gone, %d are listed, stale %t, %v", time.Since(since).Round(time.Second), page.Total, page.Stale, err)
		}
	}
}

// backWithin is the promise for after Redis has returned, or has forgotten all.
const backWithin = 10 * time.Second

// thirdNode starts another node, which must learn who is live from what Redis has, or from what the others put there.
func (o *outage) thirdNode(live []*streamer) {
	o.t.Helper()
	began := time.Now()
	p := start(o.t, append(slices.Clone(o.flags), "--node", "n3")...)
	p.eventually("the new node is ready", backWithin, func() bool { r, _ := p.get("/readyz", ""); return r.StatusCode == 200 })
	ready := time.Since(began)
	if client := newLiveClient("http://"+p.addr, ""); p.missing(client, onAir(live)) != nil {
		o.t.Errorf("another node was ready, and yet: %v", p.missing(client, onAir(live)))
	}
	p.wantListed(live, backWithin-time.Since(began))
	o.t.Logf("another node was ready after %s, and listed all after %s", ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// wantWorking has everybody do what was refused before: one who is only online goes live, the others change their titles.
// It returns what every viewer must be told of each of them: how the streamer is, after which event.
func (o *outage) wantWorking(returned time.Time) map[string][]chapter {
	o.t.Helper()
	story := make(map[string][]chapter)
	for i, s := range o.streamers {
		story[s.user] = []chapter{{view: described(s.view())}}
		if s != o.zed() {
			story[s.user] = append(story[s.user], o.update(s, fmt.Sprint("Title ", i), returned)...)
			continue
		}
		o.keepTrying("zed goes live", returned, func(ctx context.Context) (err error) {
			s.broadcast, err = s.Start(ctx, signalling.LiveStart{Room: s.user})
			return err
		})
		story[s.user] = append(story[s.user], chapter{"live.started", described(s.view())})
	}
	o.t.Logf("all was as before %s after the return", time.Since(returned).Round(time.Millisecond))
	return story
}

// update changes a title. Every time that it is tried it may be carried out.
func (o *outage) update(s *streamer, title string, returned time.Time) (story []chapter) {
	o.t.Helper()
	before := *s.broadcast
	tries := o.keepTrying(s.user+" changes the title", returned, func(ctx context.Context) error {
		b, err := s.Update(ctx, signalling.LiveUpdate{Room: s.user, Title: &title})
		if err == nil && b == nil {
			err = errors.New("no broadcast is running")
		}
		if err == nil {
			s.broadcast = b
		}
		return err
	})
	after := s.broadcast
	if after.ID != before.ID || after.Version <= before.Version || after.Version > before.Version+int64(tries) || after.Title != title {
		o.t.Errorf("%s changed the title, in %d attempts, of %+v and it became %+v", s.user, tries, before, *after)
	}
	for before.Version++; before.Version <= after.Version; before.Version++ {
		story = append(story, chapter{"live.updated", described(presence.View{State: presence.StateLive, Broadcast: &before})})
	}
	return story
}

// keepTrying does something until it is done, for as long as it is answered unavailable and the promise allows.
func (o *outage) keepTrying(what string, since time.Time, do func(context.Context) error) (tries int) {
	o.t.Helper()
	for {
		err := do(within(o.t, 20*time.Second))
		tries++
		took := time.Since(since)
		switch {
		case err == nil && took <= backWithin:
			return tries
		case err == nil || took > backWithin || codeOf(err) != signalling.CodeUnavailable:
			o.t.Errorf("%s, %s later, in %d attempts: %v; want it done within %s", what, took.Round(time.Millisecond), tries, err, backWithin)
			return tries
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// chapter is how a streamer is after an event.
type chapter struct{ event, view string }

// wantChapters checks that a viewer was told of a streamer just this, in order. A snapshot may stand for events, as long
// as what it shows is not older than what was told before; after each one the events go on without a gap.
func (o *onlooker) wantChapters(room string, want []chapter) {
	o.t.Helper()
	s := o.of(room)[0]
	at, n := s.joined.Position, 0
	if got := described(s.joined.Streamer); got != want[0].view {
		o.t.Errorf("%s came to %s when it was %s, want %s", o.name, room, got, want[0].view)
	}
	for _, h := range s.heard {
		if h.snapshot != nil {
			shown := described(h.snapshot.Streamer)
			next := slices.IndexFunc(want[n:], func(c chapter) bool { return c.view == shown })
			if at = h.snapshot.Position; next < 0 {
				o.t.Errorf("%s, %s: %s; want it to be %s, or what came after", o.name, room, h, want[n].view)
				continue
			}
			n += next
			continue
		}
		e := h.event
		if e.Epoch != at.Epoch || e.Offset != at.Offset+1 {
			o.t.Errorf("%s, %s: %s comes after %+v", o.name, room, h, at)
		}
		if at = e.Position; !presenceEvent(e.Event) {
			continue
		}
		if n+1 >= len(want) || e.Event != want[n+1].event || e.Broadcast != nil && !sameBroadcast(want[n+1].view, e.Broadcast) {
			o.t.Errorf("%s was told in %s: %s; that is more than %+v", o.name, room, h, want)
			continue
		}
		n++
	}
	if n != len(want)-1 {
		o.t.Errorf("%s was not told in %s that it is %s, but only\n%s", o.name, room, want[len(want)-1].view, o.story(room))
	}
}

// sameBroadcast reports whether a live streamer's view was of this broadcast, in this version.
func sameBroadcast(view string, b *presence.Broadcast) bool {
	return view == described(presence.View{State: presence.StateLive, Broadcast: b})
}

// end checks what everybody was told, and that nobody lost their connection.
func (o *outage) end(returned time.Time, stories map[string][]chapter) {
	o.t.Helper()
	rest := 15 * time.Second // a node's lease and a sweep, and then some
	if soak() {
		rest = time.Minute // and the longest window
	}
	time.Sleep(time.Until(returned.Add(rest)))
	names := append(roomsOf(o.streamers), o.newcomer.user)
	lastWord(o.nodes[1], names, o.onlookers...)
	for _, v := range o.onlookers {
		snapshots := 0
		for _, room := range names {
			v.wantChapters(room, stories[room])
			for _, h := range v.of(room)[0].heard {
				if h.snapshot != nil {
					snapshots++
				}
			}
		}
		o.t.Logf("%s got %d snapshots", v.name, snapshots)
	}
	o.lists.wantComplete()
	for name, c := range o.clients {
		if err := c.Err(); err != nil {
			o.t.Errorf("%s's socket ended: %v", name, err)
		}
	}
	if o.t.Failed() {
		for i, p := range o.nodes {
			o.t.Logf("node %d:\n%s", i+1, p.err.String())
		}
	}
}

// offline is what there is to tell of somebody who never came.
var offline = []chapter{{view: described(presence.Offline)}}

// TestRedisGone takes Redis away, with its data and without, and has it forget everything while it runs. To those who
// watch nothing happens, no socket ends, and 10 s after its return all works as before.
func TestRedisGone(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T, redis ...string) {
		t.Parallel()
		o := newOutage(t, redis...)
		outage := 5 * time.Second
		if soak() {
			outage = 30 * time.Second
		}
		o.redis.Stop()
		away := time.Now()
		o.wantCutOff()
		time.Sleep(time.Until(away.Add(outage)))
		o.wantListStale(away)
		o.redis.Start()
		returned := time.Now()
		o.thirdNode(o.streamers)
		stories := o.wantWorking(returned)
		stories[o.newcomer.user] = offline
		o.end(returned, stories)
	}
	t.Run("with its data", func(t *testing.T) { gone(t, "--appendonly", "yes", "--appendfsync", "always") })
	t.Run("without its data", func(t *testing.T) { gone(t) })
	t.Run("flushed", func(t *testing.T) {
		t.Parallel()
		o := newOutage(t)
		if err := redisClient(t, o.redis.URL).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		flushed, s := time.Now(), o.newcomer
		s.client = o.nodes[1].dial(s.user)
		o.clients[s.user] = s.client
		o.keepTrying("a new streamer joins", flushed, func(ctx context.Context) error {
			_, err := s.Join(ctx, signalling.Join{Room: s.user, Role: auth.RoleStreamer})
			return err
		})
		o.keepTrying("a new streamer goes live", flushed, func(ctx context.Context) (err error) {
			s.broadcast, err = s.Start(ctx, signalling.LiveStart{Room: s.user})
			return err
		})
		t.Logf("a new streamer was live %s after everything was forgotten", time.Since(flushed).Round(time.Millisecond))
		o.thirdNode(append(slices.Clone(o.streamers), s))
		stories := o.wantWorking(flushed)
		stories[s.user] = []chapter{offline[0], {"streamer.online", string(presence.StateOnline)}, {"live.started", described(s.view())}}
		o.end(flushed, stories)
	})
}
