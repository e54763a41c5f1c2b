package rooms

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// mute is a Session that costs nothing.
type mute struct {
	id   string
	sent int
}

func (m *mute) Connection() string                     { return m.id }
func (m *mute) User() presence.User                    { return bob }
func (m *mute) Send(b []byte)                          { m.sent += len(b) }
func (m *mute) Joined(Joined)                          {}
func (m *mute) Cut(Cut)                                {}
func (*mute) Reconnect(time.Duration, presence.Reason) {}

func crowd(t testing.TB, n int) (*house, []*mute) {
	h := open(t)
	all := make([]*mute, n)
	for i := range all {
		all[i] = &mute{id: fmt.Sprint("n1-", i)}
		if err := h.hub.Join(context.Background(), all[i], Join{Room: studio, Role: auth.RoleViewer}); err != nil {
			t.Fatal(err)
		}
	}
	return h, all
}

// An event is encoded once, whatever the number of members: delivering it to
// one more must not allocate.
func TestDeliverAllocatesNothingPerMember(t *testing.T) {
	allocs := func(members int) float64 {
		h, _ := crowd(t, members)
		r := h.hub.find(studio)
		e := &Event{Position: Position{"e", 1}, Room: studio, Name: EventChat, At: presence.MillisOf(time.Now()), Data: []byte(`{"text":"hello"}`)}
		e.encode()
		return testing.AllocsPerRun(100, func() { r.Deliver(e) })
	}
	if one, many := allocs(1), allocs(1000); many > one+1 {
		t.Errorf("delivering to 1 member allocates %.1f times, to 1,000 %.1f times", one, many)
	}
}

// BenchmarkPublishTo10k is publishing a line of chat to 10,000 members.
func BenchmarkPublishTo10k(b *testing.B) {
	h, _ := crowd(b, 10_000)
	p := chat("hello")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.hub.Publish(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJoin is joining and leaving a room with members and a log.
func BenchmarkJoin(b *testing.B) {
	h, _ := crowd(b, 1000)
	for range 2 * LogEvents {
		h.say("hello")
	}
	m := &mute{id: "n1-m"}
	b.ReportAllocs()
	for b.Loop() {
		if err := h.hub.Join(b.Context(), m, Join{Room: studio, Role: auth.RoleViewer}); err != nil {
			b.Fatal(err)
		}
		if err := h.hub.Leave(b.Context(), m, studio, presence.ReasonLeft); err != nil {
			b.Fatal(err)
		}
	}
}
