package rooms

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// samples is where each message of the protocol has one, for clients in all
// languages to be tested by.
const samples = "../signalling/testdata/messages"

func sample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantSameJSON compares two documents, whatever their spaces and order.
func wantSameJSON(t *testing.T, got, want []byte) {
	t.Helper()
	if g, w := decode[any](t, got), decode[any](t, want); !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSampleEvents(t *testing.T) {
	files, err := filepath.Glob(samples + "/server.event.*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			want := sample(t, name)
			m := decode[EventMessage](t, want)
			e := Event{Position: m.Position, Room: m.Room, Name: m.Event, From: m.From, At: m.At, Data: m.Data}
			e.encode()
			wantSameJSON(t, e.Message(), want)

			switch kind := m.Event; {
			case strings.HasPrefix(kind, "live."):
				wantSameJSON(t, wire.JSON(decode[BroadcastData](t, m.Data)), m.Data)
			case strings.HasPrefix(kind, "streamer."):
				wantSameJSON(t, wire.JSON(decode[UserData](t, m.Data)), m.Data)
			case kind == EventChatDeleted:
				wantSameJSON(t, wire.JSON(decode[DeletedData](t, m.Data)), m.Data)
			case strings.HasPrefix(kind, "member."):
				wantSameJSON(t, wire.JSON(decode[MemberData](t, m.Data)), m.Data)
			case kind == EventRoomUpdated:
				wantSameJSON(t, wire.JSON(decode[UpdatedData](t, m.Data)), m.Data)
			case strings.HasSuffix(name, ".blank.json"):
				wantSameJSON(t, e.blank().Message(), want)
			default:
				checked, err := Check(kind, m.Data)
				if err != nil {
					t.Fatalf("a client could not publish the sample: %v", err)
				}
				wantSameJSON(t, checked, m.Data)
			}
		})
	}
}

// What a transition becomes is what the sample says.
func TestSampleTransitions(t *testing.T) {
	for _, kind := range []presence.Kind{
		presence.StreamerOnline, presence.StreamerOffline, presence.LiveStarted, presence.LiveReconnecting,
		presence.LiveResumed, presence.LiveUpdated, presence.LiveEnded,
	} {
		t.Run(string(kind), func(t *testing.T) {
			want := sample(t, "server.event."+string(kind)+".json")
			m := decode[EventMessage](t, want)
			tr := presence.Transition{Room: m.Room, Kind: kind, At: m.At, User: alice}
			if strings.HasPrefix(string(kind), "live.") {
				data := decode[BroadcastData](t, m.Data)
				tr.Broadcast, tr.Reason, tr.Until = data.Broadcast, data.Reason, data.Until
			}
			e := eventOf(tr)
			e.Position = m.Position
			e.encode()
			wantSameJSON(t, e.Message(), want)
		})
	}
}

func TestSampleViewers(t *testing.T) {
	want := sample(t, "server.viewers.json")
	wantSameJSON(t, wire.JSON(decode[ViewersMessage](t, want)), want)
}

// A value of ours that cannot be encoded is a bug, and must not go unnoticed.
func TestMustMarshal(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("encoded what is not JSON")
		}
	}()
	wire.JSON(EventMessage{Data: json.RawMessage("{")})
}
