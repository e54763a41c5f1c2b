package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// reader reads a stream.
type reader struct {
	w     *world
	resp  *http.Response
	lines chan string // closed at the end of the stream
	last  string      // id of the last event
}

func (w *world) stream(token string, header ...string) *reader {
	w.t.Helper()
	resp := w.open(http.MethodGet, "/v1/live/stream", token, "", header...)
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" || resp.Header.Get("X-Accel-Buffering") != "no" {
		w.t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	if !resp.Close {
		w.t.Error("the connection is kept, and with it the deadline of the last write")
	}
	r := &reader{w: w, resp: resp, lines: make(chan string)}
	go func() {
		defer close(r.lines)
		scanner := bufio.NewScanner(resp.Body)
		for scanner.Scan() {
			select {
			case r.lines <- scanner.Text():
			case <-w.t.Context().Done():
				return
			}
		}
	}()
	w.t.Cleanup(func() { resp.Body.Close(); synctest.Wait() })
	r.wantComment("who is live")
	return r
}

// next returns the lines of the next event or comment, none at the end.
func (r *reader) next() []string {
	var event []string
	for line := range r.lines {
		if line == "" {
			return event
		}
		event = append(event, line)
	}
	return nil
}

func (r *reader) wantComment(text string) {
	r.w.t.Helper()
	if got := r.next(); len(got) != 1 || got[0] != ": "+text {
		r.w.t.Fatalf("got %q, want a comment: %s", got, text)
	}
}

// read returns the data of the next event, which must be of a name. Pings are
// passed over.
func read[T any](r *reader, name string) T {
	r.w.t.Helper()
	lines := r.next()
	for len(lines) == 1 && lines[0] == ": ping" {
		lines = r.next()
	}
	if len(lines) != 3 || lines[1] != "event: "+name || !strings.HasPrefix(lines[0], "id: ") || !strings.HasPrefix(lines[2], "data: ") {
		r.w.t.Fatalf("got %q, want event %s", lines, name)
	}
	r.last = strings.TrimPrefix(lines[0], "id: ")
	data := strings.TrimPrefix(lines[2], "data: ")
	r.w.contract.checkNamed(r.w.t, map[string]string{"snapshot": "LivePage", "change": "LiveChange", "viewers": "LiveViewers"}[name], []byte(data))
	var v T
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		r.w.t.Fatal(err)
	}
	return v
}

func (r *reader) wantSnapshot(want string) {
	r.w.t.Helper()
	page := read[LivePage](r, StreamSnapshot)
	if got := streamers(page.Data); got != want || page.Total != len(page.Data) || page.Stale {
		r.w.t.Errorf("got a snapshot of %q, total %d, want %q", got, page.Total, want)
	}
}

func (r *reader) wantChange(event presence.Kind, s *streamer, version int64) LiveChange {
	r.w.t.Helper()
	c := read[LiveChange](r, StreamChange)
	if c.Event != event || c.Version != version || c.Row.Broadcast != s.broadcast.ID || c.Row.Room != s.hold.Room {
		r.w.t.Errorf("got %+v, want %s of %s, version %d", c, event, s.hold.Room, version)
	}
	return c
}

// wantEnd waits for the end of the stream and says how long that took.
func (r *reader) wantEnd() time.Duration {
	r.w.t.Helper()
	start := time.Now()
	for {
		lines := r.next()
		if lines == nil {
			return time.Since(start)
		}
		if !strings.HasPrefix(lines[0], ":") {
			r.w.t.Errorf("got %q, want the end", lines)
		}
	}
}

func TestStream(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		alice := w.live("alice", presence.Details{Title: "Chess"})
		admin := w.stream(w.scoped(auth.ScopeAdmin))
		admin.wantSnapshot("alice")

		w.online("carol", "carol") // no broadcast: nothing to tell
		bob := w.live("bob", presence.Details{})
		c := admin.wantChange(presence.LiveStarted, bob, 1)
		if c.Row.State != presence.StateLive || c.Row.Streamer.ID != "bob" {
			t.Errorf("started: got %+v", c)
		}
		alice.update("Go")
		if c := admin.wantChange(presence.LiveUpdated, alice, 2); c.Row.Title != "Go" {
			t.Errorf("updated: got %+v", c)
		}
		bob.watched(3).watched(2)
		alice.watched(1)
		counts := read[LiveViewers](admin, StreamViewers)
		if got := fmt.Sprint(counts.Data); len(counts.Data) != 2 || !strings.Contains(got, bob.broadcast.ID+" 2 3") || !strings.Contains(got, alice.broadcast.ID+" 1 1") {
			t.Errorf("got %s, want bob 2 of 3 and alice 1 of 1", got)
		}
		bob.drop()
		until := presence.MillisOf(time.Now().Add(presence.DefaultWindow))
		c = admin.wantChange(presence.LiveReconnecting, bob, 2)
		if c.Row.State != presence.StateReconnecting || c.Reason != presence.ReasonConnectionLost || c.Until != until || c.Row.Viewers != 2 {
			t.Errorf("reconnecting: got %+v", c)
		}
		bob.hold = w.online("bob", "bob").hold
		if c := admin.wantChange(presence.LiveResumed, bob, 3); c.Row.State != presence.StateLive || c.Until != 0 || c.Reason != "" {
			t.Errorf("resumed: got %+v", c)
		}
		bob.end()
		c = admin.wantChange(presence.LiveEnded, bob, 4)
		if c.Row.State != presence.StateOffline || c.Reason != presence.ReasonEndedByStreamer || c.Row.PeakViewers != 3 {
			t.Errorf("ended: got %+v", c)
		}
		alice.drop()
		admin.wantChange(presence.LiveReconnecting, alice, 3)
		c = admin.wantChange(presence.LiveEnded, alice, 4)
		if c.Row.State != presence.StateOffline || c.Reason != presence.ReasonConnectionLost {
			t.Errorf("lost: got %+v", c)
		}
	})
}

func TestStreamResumes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		token := w.scoped(auth.ScopeDirectory)
		first := w.stream(token)
		first.wantSnapshot("")
		alice := w.live("alice", presence.Details{})
		first.wantChange(presence.LiveStarted, alice, 1)
		first.resp.Body.Close()

		bob := w.live("bob", presence.Details{})
		alice.update("Go")
		second := w.stream(token, "Last-Event-ID", first.last)
		second.wantChange(presence.LiveStarted, bob, 1)
		second.wantChange(presence.LiveUpdated, alice, 2)

		third := w.stream(token, "Last-Event-ID", second.last) // nothing missed
		bob.end()
		third.wantChange(presence.LiveEnded, bob, 2)

		for _, unknown := range []string{"0f0f0f0f-1", third.last + "0", "nonsense", "-", strings.Repeat("9", 500)} {
			w.stream(token, "Last-Event-ID", unknown).wantSnapshot("alice")
		}
	})
}

func TestStreamPings(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.stream("")
		r.wantSnapshot("")
		for range 3 {
			start := time.Now()
			r.wantComment("ping")
			if took := time.Since(start); took != streamPing {
				t.Errorf("got a ping after %s, want %s", took, streamPing)
			}
		}
	}, public)
}

func TestStreamEndsWithItsToken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.stream(w.token(auth.Claims{User: "a", Scopes: []auth.Scope{auth.ScopeAdmin}, Expires: time.Now().Add(time.Minute)}))
		r.wantSnapshot("")
		if took := r.wantEnd(); took != time.Minute+auth.Leeway {
			t.Errorf("ended after %s, want %s", took, time.Minute+auth.Leeway)
		}
	})
}

func TestStreamEndsWhenTheNodeStops(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.stream("")
		r.wantSnapshot("")
		close(w.done)
		if took := r.wantEnd(); took != 0 {
			t.Errorf("ended after %s, want at once", took)
		}
		w.get("/v1/live/stream", "").wantProblem(t, "another", http.StatusServiceUnavailable, "unavailable", "stopping")
	}, public)
}

// A reader that stops reading is let go: what it holds up is a goroutine, and
// it can resume.
func TestStreamEndsForSlowReaders(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conn, err := w.listener.dial() // a pipe: nothing is buffered
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /v1/live/stream HTTP/1.1\r\nHost: node.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(streamWrite - time.Millisecond)
		if strings.Contains(w.log.String(), "too slow") {
			t.Error("let go early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if !strings.Contains(w.log.String(), "too slow") {
			t.Errorf("still there after %s:\n%s", streamWrite, w.log)
		}
	}, public)
}

// A slow reader that does read gets the whole of a large snapshot, however long
// it takes.
func TestStreamWaitsForProgress(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const everyone = 200
		for i := range everyone {
			w.live(fmt.Sprintf("s%03d", i), presence.Details{Title: strings.Repeat("x", 500)})
		}
		conn, err := w.listener.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /v1/live/stream HTTP/1.1\r\nHost: node.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var got strings.Builder
		for buf := make([]byte, 4<<10); !strings.Contains(got.String(), `"stale":false}`); time.Sleep(time.Second) {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("after %s and %d bytes: %v", time.Since(start), got.Len(), err)
			}
			got.Write(buf[:n])
		}
		if n := strings.Count(got.String(), `"streamer"`); n != everyone || time.Since(start) < 2*streamWrite {
			t.Errorf("got %d rows in %s, want %d in more than %s", n, time.Since(start), everyone, 2*streamWrite)
		}
	}, public)
}
