package rooms

import (
	"context"
	"fmt"
	"net/netip"
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
func (m *mute) Signal(b []byte) error                  { m.sent += len(b); return nil }
func (m *mute) Joined(Joined)                          {}
func (m *mute) Cut(Cut)                                {}
func (m *mute) Expel(Expulsion)                        {}
func (m *mute) Addr() netip.Addr                       { return netip.Addr{} }
func (m *mute) Identity() *auth.Identity               { return nil }
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

// sizes are those of rooms whose costs are compared.
var sizes = []int{1000, 5000, 10_000, 18_000}

// perMember says what something cost for each of the members.
func perMember(b *testing.B, members int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/member")
}

// BenchmarkBroadcast is publishing a line of chat to a room, up to the queues of
// its members.
func BenchmarkBroadcast(b *testing.B) {
	for _, members := range sizes {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			h, _ := crowd(b, members)
			p := chat("hello")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.hub.Publish(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
			perMember(b, members)
		})
	}
}

// BenchmarkCountTick is telling a room, of which somebody has left, how many are
// there. A big room is told every five seconds only.
func BenchmarkCountTick(b *testing.B) {
	for _, members := range sizes {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			h, all := crowd(b, members)
			now := time.Now()
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				if err := h.hub.Leave(b.Context(), all[n%2], studio, presence.ReasonLeft); n%2 == 0 && err != nil {
					b.Fatal(err)
				}
				if n%2 == 1 {
					for _, m := range all[:2] {
						if err := h.hub.Join(b.Context(), m, Join{Room: studio, Role: auth.RoleViewer}); err != nil {
							b.Fatal(err)
						}
					}
				}
				now = now.Add(viewersEveryBig)
				b.StartTimer()
				h.hub.tellAllViewers(b.Context(), now)
			}
			perMember(b, members)
		})
	}
}

// BenchmarkCountTickOfRooms is a tick after somebody has joined or left each of
// so many rooms, with ten members each.
func BenchmarkCountTickOfRooms(b *testing.B) {
	for _, rooms := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint(rooms), func(b *testing.B) {
			h := open(b)
			each := func(n int, do func(m *mute, room string) error) {
				for k := range rooms {
					if err := do(&mute{id: fmt.Sprintf("n1-%d-%d", n, k)}, fmt.Sprint("room", k)); err != nil {
						b.Fatal(err)
					}
				}
			}
			join := func(m *mute, room string) error {
				return h.hub.Join(b.Context(), m, Join{Room: room, Role: auth.RoleViewer})
			}
			leave := func(m *mute, room string) error {
				return h.hub.Leave(b.Context(), m, room, presence.ReasonLeft)
			}
			for n := range 10 {
				each(n, join)
			}
			now := time.Now()
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				each(10, []func(*mute, string) error{join, leave}[n%2])
				now = now.Add(viewersEvery)
				b.StartTimer()
				h.hub.tellAllViewers(b.Context(), now)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rooms), "ns/room")
		})
	}
}

// BenchmarkEncode is what an event costs once, before it is sent to anybody.
func BenchmarkEncode(b *testing.B) {
	e := &Event{Position: Position{"4f2a9c1b", 1234}, Room: studio, Name: EventChat, From: chatFromBob, At: presence.MillisOf(time.Now()), Data: chat("hello").Data}
	b.ReportAllocs()
	for b.Loop() {
		e.encode()
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
