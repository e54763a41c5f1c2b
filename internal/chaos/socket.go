package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// The protocol's times.
const (
	beatEvery  = 50 * time.Second
	beatAnswer = 10 * time.Second
)

// dialer is shared by all: small buffers, as there are many.
var dialer = &http.Client{Transport: &http.Transport{
	DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	ReadBufferSize:  1 << 10,
	WriteBufferSize: 1 << 10,
	MaxIdleConns:    1, // what is kept may have gone by the next time
	IdleConnTimeout: time.Second,
}}

// errUnanswered: the outcome of a request is unknown.
var errUnanswered = errors.New("no answer")

// refusal is an error reply.
type refusal string

func (r refusal) Error() string { return "refused with " + string(r) }

// socket is a client's connection. What it is told is noted before anything is done with it.
type socket struct {
	rec      *recorder
	note     *Conn
	ws       *websocket.Conn
	streamer bool
	done     chan struct{}      // closed by read, when it has ended and that is noted
	moving   chan time.Duration // cap 1: the node asks to be left, after a delay
	heardAt  atomic.Int64
	ours     atomic.Pointer[End] // set by us before we end it
	onItem   func(*socket, Item) // in the reader's goroutine; it must not block
	halted   atomic.Int64        // an Instant until which nothing is read
	frozen   *atomic.Int64       // the keeper's

	mu      sync.Mutex
	next    int
	waiting map[string]chan message // by id; cap 1
	joins   map[string]join         // under way, by id
	at      map[string]Position     // by room

	beatAt Instant // owned by the pulse: when the next heartbeat is due
	sentAt Instant // and when the last was sent, 0: it was answered
}

type join struct {
	sent  Instant
	since Position
}

// dial opens an authenticated connection.
func (k *keeper) dial(ctx context.Context) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	url, via := k.where()
	s := &socket{
		rec: k.rec, streamer: k.actor.Streamer, done: make(chan struct{}), moving: make(chan time.Duration, 1), onItem: k.onItem, frozen: &k.frozen,
		waiting: make(map[string]chan message), joins: make(map[string]join), at: make(map[string]Position),
	}
	ws, response, err := websocket.Dial(ctx, "ws://"+url+"/v1/ws", &websocket.DialOptions{
		HTTPClient: dialer, Subprotocols: []string{"tallylight.v1"},
		HTTPHeader:     http.Header{"Authorization": {"Bearer " + k.token}, "X-Forwarded-For": {k.ip}},
		OnPingReceived: func(context.Context, []byte) bool { s.heard(); return true },
	})
	if err != nil {
		if response != nil && response.Body != nil {
			_ = response.Body.Close()
		}
		return nil, err
	}
	ws.SetReadLimit(-1)
	s.ws = ws
	_, frame, err := ws.Read(ctx)
	if err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	first, rest, _ := bytes.Cut(frame, []byte{'\n'})
	var welcome message
	if err := json.Unmarshal(first, &welcome); err != nil || welcome.Type != "welcome" {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("the first message is no welcome: %s", first)
	}
	name := welcome.Node
	if cut := strings.LastIndexByte(name, '-'); cut > 0 {
		name = name[:cut]
	}
	s.note = k.rec.open(k.actor, via, name)
	s.heardAt.Store(int64(k.rec.now()))
	s.beatAt = k.rec.now() + time.Duration(k.rnd.Int64N(int64(beatEvery)))
	go s.read(rest)
	k.pulse.add(s)
	return s, nil
}

// heard notes that the node is there.
func (s *socket) heard() {
	now := s.rec.now()
	s.heardAt.Store(int64(now))
	s.rec.heard(s.note, now)
}

// read takes all that comes, until the connection ends.
func (s *socket) read(rest []byte) {
	s.take(rest)
	for {
		for wait := Instant(s.halted.Load()) - s.rec.now(); wait > 0; wait = Instant(s.halted.Load()) - s.rec.now() {
			time.Sleep(wait)
		}
		_, frame, err := s.ws.Read(context.Background())
		if err != nil {
			s.ended(err)
			return
		}
		s.heard()
		s.take(frame)
	}
}

func (s *socket) ended(err error) {
	end, code := EndLost, int(websocket.CloseStatus(err))
	if ours := s.ours.Load(); ours != nil {
		end, code = *ours, 0
	} else if code > 0 {
		end = EndServer
	} else {
		code = 0
	}
	s.rec.closed(s.note, end, code)
	close(s.done)
	_ = s.ws.CloseNow()
}

var uninteresting = [][]byte{[]byte(`{"type":"viewers"`), []byte(`{"type":"reactions"`)}

// take splits a frame into messages.
func (s *socket) take(frame []byte) {
	for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
		if len(line) == 0 || bytes.HasPrefix(line, uninteresting[0]) || bytes.HasPrefix(line, uninteresting[1]) {
			continue
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			s.rec.item(s.note, Item{At: s.rec.now(), Kind: itemOdd, Reason: fmt.Sprintf("%v in %.200s", err, line)})
			continue
		}
		s.message(m)
	}
}

func (s *socket) message(m message) {
	now := s.rec.now()
	switch m.Type {
	case "event":
		s.tell(s.rec.eventItem(m, now))
	case "joined":
		i := s.rec.joinedItem(m, now)
		s.mu.Lock()
		if j, ok := s.joins[m.Re]; ok {
			i.Sent, i.Since = j.sent, j.since
			delete(s.joins, m.Re)
		}
		s.mu.Unlock()
		s.tell(i)
	case "reconnect":
		select {
		case s.moving <- time.Duration(m.AfterMS) * time.Millisecond:
		default: // it was asked before
		}
	}
	if m.Re == "" {
		return
	}
	s.mu.Lock()
	reply := s.waiting[m.Re]
	delete(s.waiting, m.Re)
	s.mu.Unlock()
	if reply != nil {
		reply <- m
	}
}

// tell notes an item and then looks at it.
func (s *socket) tell(i Item) {
	s.rec.item(s.note, i)
	s.mu.Lock()
	s.at[i.Room] = i.Position
	s.mu.Unlock()
	if s.onItem != nil {
		s.onItem(s, i)
	}
}

// positions returns where it is in its rooms.
func (s *socket) positions() map[string]Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.at)
}

// fields are those of a client's message.
type fields map[string]any

// request sends a message and waits for its reply. The error is errUnanswered or a refusal.
func (s *socket) request(ctx context.Context, kind string, f fields, limit time.Duration) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	reply := make(chan message, 1)
	s.mu.Lock()
	s.next++
	id := strconv.Itoa(s.next)
	s.waiting[id] = reply
	if kind == "join" {
		j := join{sent: s.rec.now()}
		if since, ok := f["since"].(fields); ok {
			j.since = Position{since["epoch"].(string), since["offset"].(int64)}
		}
		s.joins[id] = j
	}
	s.mu.Unlock()
	s.send(kind, id, f)
	select {
	case m := <-reply:
		if m.Type == "error" {
			return m, refusal(m.Code)
		}
		return m, nil
	case <-s.done:
	case <-ctx.Done():
	}
	select {
	case m := <-reply: // it came just before the end
		if m.Type == "error" {
			return m, refusal(m.Code)
		}
		return m, nil
	default:
	}
	s.mu.Lock()
	delete(s.waiting, id)
	s.mu.Unlock()
	return message{}, errUnanswered
}

// send writes a message. If that fails the reader notices.
func (s *socket) send(kind, id string, f fields) {
	all := fields{"type": kind}
	maps.Copy(all, f)
	if id != "" {
		all["id"] = id
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err) // of our own making
	}
	ctx, cancel := context.WithTimeout(context.Background(), beatAnswer)
	defer cancel()
	s.rec.spoke(s.note, s.rec.now())
	_ = s.ws.Write(ctx, websocket.MessageText, data)
}

// end drops the connection without a word, and waits until that is noted.
func (s *socket) end(why End) {
	s.ours.CompareAndSwap(nil, &why)
	s.halted.Store(0)
	_ = s.ws.CloseNow()
	<-s.done
}
