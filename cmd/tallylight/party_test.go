package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pion/ice/v4"
	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/signalling"
)

// party is a member of a room who makes WebRTC connections: a streamer, who sends video and a data channel to whoever asks, or
// a viewer, who asks. It comes back by itself when its connection to the service is lost.
type party struct {
	t      *testing.T
	room   string
	user   string
	role   auth.Role
	node   func() *process // where it connects next
	policy webrtc.ICETransportPolicy
	net    *paths
	api    *webrtc.API
	track  *webrtc.TrackLocalStaticSample // of the streamer

	ctx   context.Context
	leave context.CancelFunc
	work  sync.WaitGroup
	doing chan func()   // what happens to its peers, one after the other
	out   chan *posting // what it says, in order

	mu     sync.Mutex
	client *signalling.Client // nil while it is away
	here   chan struct{}      // closed once there is a client
	away   time.Time          // until when it does not come back
	ice    []webrtc.ICEServer // as last told
	peers  map[string]*peer   // by session
	given  []signalling.ICEServer
}

// posting is a signal to be sent.
type posting struct {
	peer *peer
	kind rooms.SignalKind
	data any
}

// newParty connects a member, as the streamer if the room is called like the user.
func newParty(t *testing.T, room, user string, node func() *process, change ...func(*party)) *party {
	t.Helper()
	p := &party{
		t: t, room: room, user: user, role: auth.RoleViewer, node: node, net: newPaths(t),
		doing: make(chan func(), 4096), out: make(chan *posting, 4096), here: make(chan struct{}), peers: make(map[string]*peer),
	}
	if user == room {
		p.role = auth.RoleStreamer
	}
	for _, f := range change {
		f(p)
	}
	p.api = p.net.api(t)
	p.ctx, p.leave = context.WithCancel(context.Background())
	if p.role == auth.RoleStreamer {
		var err error
		if p.track, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", user); err != nil {
			t.Fatal(err)
		}
		p.work.Go(p.film)
	}
	for _, run := range []func(){p.keep, p.do, p.post} {
		p.work.Go(run)
	}
	t.Cleanup(p.close)
	p.awaitClient(within(t, 20*time.Second))
	return p
}

// close ends everything, without a word.
func (p *party) close() {
	p.leave()
	p.mu.Lock()
	client := p.client
	p.mu.Unlock()
	if client != nil {
		client.Abort()
	}
	p.work.Wait()
	for _, x := range p.all() {
		x.end()
	}
}

// film sends 30 pictures a second to everybody.
func (p *party) film() {
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	picture := make([]byte, 600)
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
			_ = p.track.WriteSample(media.Sample{Data: picture, Duration: time.Second / 30})
		}
	}
}

// keep connects, and does so again whenever the connection is lost.
func (p *party) keep() {
	for p.ctx.Err() == nil {
		p.mu.Lock()
		away := time.Until(p.away)
		p.mu.Unlock()
		time.Sleep(max(away, 0))
		if client := p.connect(); client != nil {
			<-client.Done()
			p.mu.Lock()
			p.client, p.here = nil, make(chan struct{})
			p.mu.Unlock()
		} else {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// connect joins the room, and says where it is now to those whom it has a session with. It returns nil if that fails.
func (p *party) connect() *signalling.Client {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	client, err := signalling.Dial(ctx, "ws://"+p.node().addr+"/v1/ws", signalling.ClientConfig{Token: token(p.t, p.user), OnMessage: p.note})
	if err != nil {
		return nil
	}
	joined, err := client.Join(ctx, signalling.Join{Room: p.room, Role: p.role})
	if err == nil && p.role == auth.RoleStreamer {
		_, err = client.Start(ctx, signalling.LiveStart{Room: p.room})
	}
	if err != nil {
		client.Abort()
		return nil
	}
	p.mu.Lock()
	p.client = client
	close(p.here)
	p.mu.Unlock()
	p.use(joined.ICE)
	if p.role == auth.RoleViewer {
		for _, x := range p.all() {
			x.say(rooms.SignalRequest, nil)
		}
	}
	return client
}

// awaitClient returns the connection to the service, once there is one.
func (p *party) awaitClient(ctx context.Context) *signalling.Client {
	for {
		p.mu.Lock()
		client, here := p.client, p.here
		p.mu.Unlock()
		if client != nil {
			return client
		}
		select {
		case <-here:
		case <-p.ctx.Done():
			return nil
		case <-ctx.Done():
			p.t.Errorf("%s can't connect", p.user)
			return nil
		}
	}
}

// cut drops the connection to the service, and does not come back for so long.
func (p *party) cut(away time.Duration) {
	p.mu.Lock()
	client := p.client
	p.away = time.Now().Add(away)
	p.mu.Unlock()
	client.Abort()
}

// note takes what the service says.
func (p *party) note(m signalling.Message) {
	switch m.Type {
	case "signal":
		var s rooms.SignalMessage
		if err := m.Decode(&s); err != nil {
			p.t.Errorf("a signal can't be read: %v", err)
			return
		}
		p.doing <- func() { p.hear(s) }
	case "ice_servers":
		var renewed signalling.ICEServers
		if err := m.Decode(&renewed); err != nil {
			p.t.Errorf("servers can't be read: %v", err)
			return
		}
		p.use(renewed.Servers)
	}
}

// use has these servers used from now on.
func (p *party) use(servers []signalling.ICEServer) {
	var ice []webrtc.ICEServer
	for _, s := range servers {
		ice = append(ice, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	p.mu.Lock()
	p.ice, p.given = ice, append(p.given, servers...)
	p.mu.Unlock()
	p.doing <- func() {
		for _, x := range p.all() {
			x.configure()
		}
	}
}

// configuration is that of a connection that is made or changed now.
func (p *party) configuration() webrtc.Configuration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return webrtc.Configuration{ICEServers: p.ice, ICETransportPolicy: p.policy}
}

func (p *party) do() {
	for {
		select {
		case <-p.ctx.Done():
			return
		case event := <-p.doing:
			event()
		}
	}
}

// post sends what is said, in order, and as often as it takes while the other is away for a moment.
func (p *party) post() {
	for {
		select {
		case <-p.ctx.Done():
			return
		case o := <-p.out:
			for deadline := time.Now().Add(20 * time.Second); !p.deliver(o) && time.Now().Before(deadline); {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
}

// deliver reports whether a signal need not be sent again.
func (p *party) deliver(o *posting) bool {
	client := p.awaitClient(p.ctx)
	if client == nil || o.peer.over.Load() && o.kind != rooms.SignalBye {
		return true
	}
	data, _ := json.Marshal(o.data)
	err := client.Signal(p.ctx, signalling.Signal{Room: p.room, To: *o.peer.to.Load(), Session: o.peer.session, Kind: o.kind, Data: data})
	if code := codeOf(err); err == nil || code != "" && code != signalling.CodePeerGone && code != signalling.CodeUnavailable {
		o.peer.refused(err)
		return true
	}
	return o.kind == rooms.SignalBye
}

func (p *party) all() []*peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*peer, 0, len(p.peers))
	for _, x := range p.peers {
		all = append(all, x)
	}
	return all
}

func (p *party) peer(session string) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers[session]
}

// ask begins a session with the streamer.
func (p *party) ask() *peer {
	x := p.newPeer(uuid.NewString(), rooms.ToStreamer)
	x.say(rooms.SignalRequest, nil)
	return x
}

// hear takes a signal of somebody else.
func (p *party) hear(s rooms.SignalMessage) {
	x := p.peer(s.Session)
	if x == nil {
		if s.Kind == rooms.SignalRequest {
			p.newPeer(s.Session, s.From).offer(false)
		}
		return
	}
	x.to.Store(&s.From)
	var err error
	switch s.Kind {
	case rooms.SignalRequest:
		if x.down() {
			x.offer(true)
		}
	case rooms.SignalOffer:
		err = x.answer(s.Data)
	case rooms.SignalAnswer:
		err = x.answered(s.Data)
	case rooms.SignalCandidate:
		err = x.candidate(s.Data)
	case rooms.SignalBye:
		x.end()
	}
	if err != nil && !x.over.Load() {
		p.t.Errorf("%s: %s: %v", p.user, s.Kind, err)
	}
}

// peer is a WebRTC connection with one other member. But for what is atomic, its party's do alone uses it.
type peer struct {
	party   *party
	session string
	pc      *webrtc.PeerConnection
	to      atomic.Pointer[string]
	over    atomic.Bool

	early []webrtc.ICECandidateInit // candidates that came before their description

	describing sync.Mutex // held until a description is said whose candidates are coming already

	connected chan struct{} // closed at the first time
	once      sync.Once
	ended     chan struct{} // closed by end
	ending    sync.Once
	packets   atomic.Int64 // of video that have come
	echoes    atomic.Int64 // of what was said over the data channel
	why       atomic.Pointer[error]
}

func (p *party) newPeer(session, to string) *peer {
	pc, err := p.api.NewPeerConnection(p.configuration())
	if err != nil {
		p.t.Errorf("%s: %v", p.user, err)
	}
	x := &peer{party: p, session: session, pc: pc, connected: make(chan struct{}), ended: make(chan struct{})}
	x.to.Store(&to)
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			p.doing <- x.configure
			return
		}
		x.found(c.ToJSON())
	})
	pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		switch s {
		case webrtc.ICEConnectionStateConnected:
			x.once.Do(func() { close(x.connected) })
		case webrtc.ICEConnectionStateFailed:
			if p.role == auth.RoleStreamer {
				p.doing <- func() { x.offer(true) }
			} else {
				x.say(rooms.SignalRequest, nil)
			}
		}
	})
	if p.role == auth.RoleStreamer {
		x.serve()
	} else {
		x.watch()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers[session] = x
	return x
}

// serve sends the streamer's video, and says something over a data channel until it is echoed.
func (x *peer) serve() {
	if _, err := x.pc.AddTrack(x.party.track); err != nil {
		x.party.t.Errorf("adding the track: %v", err)
	}
	channel, err := x.pc.CreateDataChannel("echo", nil)
	if err != nil {
		x.party.t.Errorf("a data channel: %v", err)
		return
	}
	channel.OnOpen(func() { _ = channel.SendText("hello") })
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		x.echoes.Add(1)
		time.AfterFunc(20*time.Millisecond, func() { _ = channel.Send(m.Data) })
	})
}

// watch counts what comes, and echoes what is said.
func (x *peer) watch() {
	x.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			x.packets.Add(1)
		}
	})
	x.pc.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnMessage(func(m webrtc.DataChannelMessage) {
			x.echoes.Add(1)
			_ = channel.Send(m.Data)
		})
	})
}

// configure has the servers used that the service named last: when the candidates that are being gathered have been,
// as the ICE agent of pion/ice 4.4 reads its servers while it gathers, without a lock.
func (x *peer) configure() {
	if x.pc.ICEGatheringState() != webrtc.ICEGatheringStateGathering {
		_ = x.pc.SetConfiguration(x.party.configuration())
	}
}

// found says a candidate, after the description that it belongs to.
func (x *peer) found(c webrtc.ICECandidateInit) {
	x.describing.Lock()
	defer x.describing.Unlock()
	x.say(rooms.SignalCandidate, c)
}

// say has a signal sent after those before it. It does not wait.
func (x *peer) say(kind rooms.SignalKind, data any) {
	select {
	case x.party.out <- &posting{x, kind, data}:
	case <-x.party.ctx.Done():
	}
}

// refused notes why the service did not hand on what was said.
func (x *peer) refused(err error) {
	if err != nil {
		x.why.Store(&err)
		x.end()
	}
}

// down reports whether nothing flows.
func (x *peer) down() bool {
	switch x.pc.ICEConnectionState() {
	case webrtc.ICEConnectionStateConnected, webrtc.ICEConnectionStateCompleted:
		return false
	}
	return true
}

func (x *peer) offer(restart bool) {
	if x.over.Load() || restart && x.pc.SignalingState() != webrtc.SignalingStateStable {
		return // one is under way
	}
	x.describing.Lock()
	defer x.describing.Unlock()
	offer, err := x.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err == nil {
		err = x.pc.SetLocalDescription(offer)
	}
	if err != nil {
		x.party.t.Errorf("an offer: %v", err)
		return
	}
	x.say(rooms.SignalOffer, offer)
}

func (x *peer) answer(data json.RawMessage) error {
	if err := x.described(data); err != nil {
		return err
	}
	x.describing.Lock()
	defer x.describing.Unlock()
	answer, err := x.pc.CreateAnswer(nil)
	if err == nil {
		err = x.pc.SetLocalDescription(answer)
	}
	if err == nil {
		x.say(rooms.SignalAnswer, answer)
	}
	return err
}

func (x *peer) answered(data json.RawMessage) error {
	if x.pc.SignalingState() != webrtc.SignalingStateHaveLocalOffer {
		return nil // to an offer that was sent twice
	}
	return x.described(data)
}

func (x *peer) described(data json.RawMessage) error {
	var description webrtc.SessionDescription
	if err := json.Unmarshal(data, &description); err != nil {
		return err
	}
	err := x.pc.SetRemoteDescription(description)
	for _, c := range x.early {
		err = errors.Join(err, x.pc.AddICECandidate(c))
	}
	x.early = nil
	return err
}

func (x *peer) candidate(data json.RawMessage) error {
	var c webrtc.ICECandidateInit
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	if x.pc.RemoteDescription() == nil {
		x.early = append(x.early, c)
		return nil
	}
	return x.pc.AddICECandidate(c)
}

// bye ends the session on both sides.
func (x *peer) bye() {
	x.end()
	x.say(rooms.SignalBye, nil)
}

func (x *peer) end() {
	x.ending.Do(func() {
		x.over.Store(true)
		close(x.ended)
		_ = x.pc.Close()
		x.party.mu.Lock()
		delete(x.party.peers, x.session)
		x.party.mu.Unlock()
	})
}

// wantLost waits until nothing flows.
func (x *peer) wantLost(within time.Duration) {
	x.party.t.Helper()
	for began := time.Now(); !x.down(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > within {
			x.party.t.Fatalf("%s's path is not lost within %s", x.party.user, within)
		}
	}
}

// wantFlow waits until video and data come, both new.
func (x *peer) wantFlow(within time.Duration) (took time.Duration) {
	x.party.t.Helper()
	began, packets, echoes := time.Now(), x.packets.Load(), x.echoes.Load()
	for {
		if x.packets.Load() > packets+3 && x.echoes.Load() > echoes+1 {
			return time.Since(began)
		}
		if time.Since(began) > within {
			x.party.t.Fatalf("within %s %s has %d packets of video and %d echoes; ICE is %s", within, x.party.user,
				x.packets.Load()-packets, x.echoes.Load()-echoes, x.pc.ICEConnectionState())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// paths is a network of one machine, the connections of which can be made to lead nowhere, as when a phone changes from one
// network to another.
type paths struct {
	transport.Net
	mu   sync.Mutex
	open []*path
}

type path struct {
	transport.UDPConn
	dead atomic.Bool
}

func newPaths(t *testing.T) *paths {
	t.Helper()
	n, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	return &paths{Net: n}
}

func (n *paths) api(t *testing.T) *webrtc.API {
	t.Helper()
	var settings webrtc.SettingEngine
	settings.SetNet(n)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" || name == "lo0" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetICETimeouts(time.Second, 2*time.Second, 200*time.Millisecond)
	settings.SetSCTPRTOMax(500 * time.Millisecond) // or data waits for minutes after a path was lost for seconds
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings))
}

// ListenUDP implements transport.Net.
func (n *paths) ListenUDP(network string, at *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := n.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	return n.path(conn), nil
}

// ListenPacket implements transport.Net: it is what leads to a TURN server.
func (n *paths) ListenPacket(network, at string) (net.PacketConn, error) {
	conn, err := n.Net.ListenPacket(network, at)
	if err != nil {
		return nil, err
	}
	return n.path(conn.(transport.UDPConn)), nil
}

func (n *paths) path(conn transport.UDPConn) *path {
	p := &path{UDPConn: conn}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = append(n.open, p)
	return p
}

// change makes what is open lead nowhere; what is opened from now on works.
func (n *paths) change() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.open {
		p.dead.Store(true)
	}
	n.open = nil
}

// ReadFrom implements net.PacketConn.
func (p *path) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	for {
		if n, from, err = p.UDPConn.ReadFrom(b); err != nil || !p.dead.Load() {
			return n, from, err
		}
	}
}

// WriteTo implements net.PacketConn.
func (p *path) WriteTo(b []byte, to net.Addr) (int, error) {
	if p.dead.Load() {
		return len(b), nil
	}
	return p.UDPConn.WriteTo(b, to)
}
