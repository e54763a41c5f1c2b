package rooms

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
)

// carry sends a signal from one node to the other and returns what became of it.
func (p pair) carry(t *testing.T, sig Signal) error {
	t.Helper()
	answers := make(chan error, 2)
	p.a.relay.Signal(t.Context(), "n2", sig, func(err error) { answers <- err })
	select {
	case err := <-answers:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("nobody says what became of the signal")
		return nil
	}
}

func TestRedisSignals(t *testing.T) {
	p := openPair(t)
	var sent []Signal
	for i := range 50 {
		sig := Signal{
			Room: studio, Session: "s1", Kind: SignalCandidate, Data: json.RawMessage(fmt.Sprintf(`{"candidate":"%d"}`, i)),
			To: "n2-a", From: "n1-b", User: bob, Role: auth.RoleViewer,
		}
		sent = append(sent, sig)
		if err := p.carry(t, sig); err != nil {
			t.Fatal(err)
		}
	}
	p.sinkB.mu.Lock()
	defer p.sinkB.mu.Unlock()
	if !reflect.DeepEqual(p.sinkB.signals, sent) {
		t.Errorf("the other node was told %+v, want %+v", p.sinkB.signals, sent)
	}
}

// What a node says of a signal is what its sender is told, and silence is told as well.
func TestRedisSignalOutcomes(t *testing.T) {
	p := openPair(t)
	for _, want := range []error{nil, ErrPeerGone, ErrPeerLimit, ErrPeerBusy, ErrNotPeers, errNoSuchSession, presence.ErrUnavailable} {
		p.sinkB.mu.Lock()
		p.sinkB.answer = func(_ Signal, answered func(error)) { answered(want) }
		p.sinkB.mu.Unlock()
		if err := p.carry(t, Signal{Room: studio}); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	late := make(chan func(error), 1)
	p.sinkB.mu.Lock()
	p.sinkB.answer = func(_ Signal, answered func(error)) { late <- answered }
	p.sinkB.mu.Unlock()
	began := time.Now()
	if err := p.carry(t, Signal{Room: studio}); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("got %v of a node that says nothing", err)
	}
	if took := time.Since(began); took < SignalWithin {
		t.Errorf("it was given up after %s already", took)
	}
	(<-late)(nil) // for nobody, and no panic
	p.a.relay.courier.mu.Lock()
	defer p.a.relay.courier.mu.Unlock()
	if n := len(p.a.relay.courier.out); n > 0 {
		t.Errorf("%d signals are still waited for", n)
	}
}
