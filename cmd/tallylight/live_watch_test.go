package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/web"
)

// streaming is a service whose stream a test writes.
type streaming struct {
	url   string
	asked chan string      // the Last-Event-ID of each connection
	write chan string      // what to send; "end" ends the connection
	deny  http.HandlerFunc // from the next connection on, if not nil
	mu    sync.Mutex
}

func newStreaming(t *testing.T) *streaming {
	s := &streaming{asked: make(chan string, 10), write: make(chan string)}
	s.url = answering(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		deny := s.deny
		s.mu.Unlock()
		if deny != nil {
			deny(w, r)
			return
		}
		s.asked <- r.Header.Get("Last-Event-ID")
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case text := <-s.write:
				if text == "end" {
					return
				}
				fmt.Fprint(w, text)
			case <-r.Context().Done():
				return
			}
		}
	})
	return s
}

func (s *streaming) event(t *testing.T, id, name string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	s.send(t, fmt.Sprintf(": ping\n\nid: %s\nevent: %s\ndata: %s\n\n", id, name, data))
}

func (s *streaming) send(t *testing.T, text string) {
	t.Helper()
	select {
	case s.write <- text:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is connected")
	}
}

func (s *streaming) wantAsked(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s.asked:
		if got != want {
			t.Errorf("got Last-Event-ID %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody connected")
	}
}

// watching runs "tallylight live --watch" until stop is called, or its end.
type watching struct {
	out, errOut lockedBuffer
	stop        context.CancelFunc
	ended       chan error
}

func watch(t *testing.T, args ...string) *watching {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{stop: cancel, ended: make(chan error, 1)}
	go func() { w.ended <- runLive(t, ctx, &w.out, &w.errOut, append(args, "--watch")...) }()
	t.Cleanup(cancel)
	return w
}

func (w *watching) wantEnd(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

func TestLiveWatch(t *testing.T) {
	s := newStreaming(t)
	w := watch(t, "--url", s.url)
	s.wantAsked(t, "")
	alice, bob := liveRow("alice", 2), liveRow("bob", 1)
	s.event(t, "f-1", "snapshot", web.LivePage{Data: []web.Row{alice}, Total: 1})
	w.out.waitFor(t, `live alice alice "Title of alice"`)
	s.event(t, "f-2", "change", web.LiveChange{Event: presence.LiveStarted, Row: bob, Version: 1})
	w.out.waitFor(t, "live.started bob bob")
	s.event(t, "f-3", "viewers", web.LiveViewers{Data: []web.BroadcastViewers{{Broadcast: "b-bob", Viewers: 2}}})
	s.event(t, "f-4", "something.new", 1)
	s.event(t, "f-5", "change", web.LiveChange{Event: presence.LiveEnded, Row: bob, Version: 2, Reason: presence.ReasonLeft})
	w.out.waitFor(t, "live.ended bob bob left")

	s.send(t, "end")
	w.errOut.waitFor(t, "disconnected: the service ended the stream; trying again in")
	s.wantAsked(t, "f-5")
	w.errOut.waitFor(t, "connected again")
	s.event(t, "g-1", "snapshot", web.LivePage{Data: []web.Row{bob}, Total: 1}) // another node: alice is gone, bob is back
	w.out.waitFor(t, "live bob bob")
	w.stop()
	if err := w.wantEnd(t); err != nil {
		t.Errorf("got %v, want none", err)
	}
	var got []string
	for line := range strings.Lines(w.out.String()) {
		_, what, _ := strings.Cut(line, " ")
		got = append(got, strings.Fields(what)[0])
	}
	if want := []string{"live", "live.started", "live.ended", "ended", "live"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLiveWatchJSON(t *testing.T) {
	s := newStreaming(t)
	w := watch(t, "--url", s.url, "--json")
	s.event(t, "f-1", "snapshot", web.LivePage{Data: []web.Row{}})
	s.event(t, "f-2", "change", web.LiveChange{Event: presence.LiveStarted, Row: liveRow("bob", 1), Version: 1})
	s.event(t, "f-3", "viewers", web.LiveViewers{Data: []web.BroadcastViewers{{Broadcast: "b-bob", Viewers: 2}}})
	w.out.waitFor(t, `"event":"viewers"`)
	w.stop()
	if err := w.wantEnd(t); err != nil {
		t.Error(err)
	}
	var events []string
	for line := range strings.Lines(w.out.String()) {
		var e struct{ Event string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		events = append(events, e.Event)
	}
	if want := []string{"snapshot", "live.started", "viewers"}; !slices.Equal(events, want) {
		t.Errorf("got %q, want %q", events, want)
	}
}

// A token that ended is not tried again and again.
func TestLiveWatchEndsWithItsToken(t *testing.T) {
	s := newStreaming(t)
	w := watch(t, "--url", s.url, "--token", "x")
	s.event(t, "f-1", "snapshot", web.LivePage{Data: []web.Row{}})
	w.out.waitFor(t, "nobody is live")
	s.mu.Lock()
	s.deny = refuse(401, "unauthorized", "the token ended")
	s.mu.Unlock()
	s.send(t, "end")
	if err := w.wantEnd(t); err == nil || err.Error() != "--token: the token ended" {
		t.Errorf("got %v", err)
	}
}

// A node that stops is waited for.
func TestLiveWatchOutlivesARestart(t *testing.T) {
	s := newStreaming(t)
	w := watch(t, "--url", s.url)
	s.event(t, "f-1", "snapshot", web.LivePage{Data: []web.Row{}})
	s.mu.Lock()
	s.deny = refuse(503, "unavailable", "this node is stopping")
	s.mu.Unlock()
	s.send(t, "end")
	w.errOut.waitFor(t, "disconnected: --url "+s.url+": this node is stopping")
	s.mu.Lock()
	s.deny = nil
	s.mu.Unlock()
	w.errOut.waitFor(t, "connected again")
	w.stop()
	if err := w.wantEnd(t); err != nil {
		t.Error(err)
	}
}
