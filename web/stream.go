package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

const (
	// streamPing keeps a quiet stream open: proxies cut what says nothing for
	// 60 s, and one ping may be lost to a slow network and still the next is in
	// time.
	streamPing = 15 * time.Second
	// streamWrite is how long a reader may take none of what we write before
	// the stream ends. It resumes where it was by Last-Event-ID.
	streamWrite = 10 * time.Second
	// lookAtTokens is how often it is looked at whether the token of a stream was revoked.
	lookAtTokens = 250 * time.Millisecond
)

// Names of the events of the stream.
const (
	StreamSnapshot = "snapshot" // data is a LivePage with everyone on air
	StreamChange   = "change"   // data is a LiveChange
	StreamViewers  = "viewers"  // data is LiveViewers
)

// LiveChange is something that happened to a broadcast. An ended one is offline,
// whether or not its streamer is still connected.
type LiveChange struct {
	Event   presence.Kind   `json:"event"`
	Row     Row             `json:"row"`
	Version int64           `json:"version"` // of the broadcast; it grows by one with each change
	Reason  presence.Reason `json:"reason,omitempty"`
	Until   presence.Millis `json:"until,omitempty"`
}

// LiveViewers are new viewer counts.
type LiveViewers struct {
	Data []BroadcastViewers `json:"data"`
}

// BroadcastViewers is how many watch a broadcast.
type BroadcastViewers struct {
	Broadcast   string `json:"broadcast"`
	Viewers     int    `json:"viewers"`
	PeakViewers int    `json:"peak_viewers"`
}

// stream tells who is live, and then what changes, as server-sent events.
func (s *server) stream(w http.ResponseWriter, r *http.Request) error {
	id, err := s.reader(r, nil)
	if err != nil {
		return err
	}
	directory, err := s.loaded()
	if err != nil {
		return err
	}
	if s.draining() {
		return retryLater(nil, "this node is stopping; another one has the stream")
	}
	out := openEventStream(w, r)
	if r.Method == http.MethodHead {
		return nil
	}
	ctx, release := s.streamLife(r.Context(), id)
	defer release()
	err = follow(ctx, directory, out, r.Header.Get("Last-Event-ID"))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.cfg.Logger.Info("web: a stream's reader was too slow", "remote", r.RemoteAddr)
	}
	return nil // the answer has begun: whatever happened, all there is to do is to end it
}

// streamLife is the context of a stream: until the client goes, its token
// ends or is revoked, or the node stops. Release must be called.
func (s *server) streamLife(ctx context.Context, id *auth.Identity) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	if id != nil {
		ctx, cancel = withDeadline(ctx, cancel, id.Expires.Add(auth.Leeway))
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		look := time.NewTicker(lookAtTokens)
		defer look.Stop()
		for id == nil || s.cfg.Hub.Recognizes(id) == nil {
			select {
			case <-s.cfg.Done:
				return
			case <-ctx.Done():
				return
			case <-look.C:
			}
		}
	})
	return ctx, func() { cancel(); watching.Wait() }
}

func withDeadline(ctx context.Context, parent context.CancelFunc, at time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithDeadline(ctx, at)
	return ctx, func() { cancel(); parent() }
}

// follow writes what happens after the position, until the context ends or the
// reader is gone. Without a position that is still known it begins with a
// snapshot, and so it does whenever changes were lost.
func follow(ctx context.Context, d *presence.Directory, out *eventStream, position string) error {
	out.comment("who is live") // the client sees that it is connected before anything happens
	if err := out.flush(); err != nil {
		return err
	}
	for {
		quiet, cancel := context.WithTimeout(ctx, streamPing)
		changes, known, err := d.Changes(quiet, position)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			out.comment("ping")
		case !known:
			position = out.snapshot(d)
		}
		for _, c := range changes {
			out.change(c)
			position = c.Position
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
}

// eventStream writes server-sent events. Its methods keep the first error,
// which flush returns.
type eventStream struct {
	control *http.ResponseController
	w       http.ResponseWriter
	buf     *bufio.Writer // onto deadlined
}

func openEventStream(w http.ResponseWriter, r *http.Request) *eventStream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back until a buffer is full
	if r.ProtoMajor == 1 {
		// Our write deadlines would outlive the stream and hit the next request.
		h.Set("Connection", "close")
	}
	e := &eventStream{control: http.NewResponseController(w), w: w}
	e.buf = bufio.NewWriterSize(deadlined{e}, 16<<10)
	return e
}

// deadlined bounds each write: a snapshot may take a slow reader minutes, but
// never without progress.
type deadlined struct{ e *eventStream }

func (d deadlined) Write(p []byte) (int, error) {
	if err := d.e.extend(); err != nil {
		return 0, err
	}
	return d.e.w.Write(p)
}

func (e *eventStream) extend() error {
	err := e.control.SetWriteDeadline(time.Now().Add(streamWrite))
	if errors.Is(err, http.ErrNotSupported) {
		return nil // not a network connection: a test
	}
	return err
}

func (e *eventStream) flush() error {
	if err := e.buf.Flush(); err != nil {
		return err
	}
	return e.control.Flush()
}

func (e *eventStream) comment(text string) { fmt.Fprintf(e.buf, ": %s\n\n", text) }

func (e *eventStream) event(name, position string, data any) {
	body, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("web: encoding %T: %v", data, err)) // our own types
	}
	fmt.Fprintf(e.buf, "id: %s\nevent: %s\ndata: %s\n\n", position, name, body)
}

// snapshot writes everyone on air, a row at a time as there may be many, and
// returns the position after which changes follow.
func (e *eventStream) snapshot(d *presence.Directory) string {
	entries, position := d.Snapshot()
	fmt.Fprintf(e.buf, "id: %s\nevent: %s\ndata: {\"data\":[", position, StreamSnapshot)
	for i, entry := range entries {
		row, err := json.Marshal(rowOf(entry))
		if err != nil {
			panic(fmt.Sprintf("web: encoding a row: %v", err)) // our own types
		}
		if i > 0 {
			row = append([]byte{','}, row...)
		}
		if _, err := e.buf.Write(row); err != nil {
			break
		}
	}
	fmt.Fprintf(e.buf, "],\"total\":%d,\"stale\":%t}\n\n", len(entries), d.Stale())
	return position
}

func (e *eventStream) change(c presence.Numbered) {
	if c.Viewers != nil {
		e.event(StreamViewers, c.Position, viewersOf(c.Viewers))
		return
	}
	e.event(StreamChange, c.Position, changeOf(c.Change))
}

func viewersOf(entries []presence.Entry) LiveViewers {
	v := LiveViewers{Data: make([]BroadcastViewers, len(entries))}
	for i, e := range entries {
		v.Data[i] = BroadcastViewers{Broadcast: e.View.Broadcast.ID, Viewers: e.Viewers, PeakViewers: e.Peak}
	}
	return v
}

// changeOf takes what changed from the transition and the counts from the
// entry: after an end, the entry is the broadcast as it was before.
func changeOf(c presence.Change) LiveChange {
	t := c.Transition
	shown := c.Entry
	shown.View = presence.View{State: t.After.State, User: &t.User, Broadcast: t.Broadcast}
	if t.Kind == presence.LiveEnded {
		shown.View.State = presence.StateOffline
	}
	return LiveChange{Event: t.Kind, Row: rowOf(shown), Version: t.Broadcast.Version, Reason: t.Reason, Until: t.Until}
}
