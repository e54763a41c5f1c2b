package signalling

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// deliver pushes a frame as the reader does.
func deliver(in *inbox, frame []byte) {
	if in.push(frame) {
		go in.work()
	}
}

func TestInboxHandlesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in inbox
		var got, want []string
		in.init(func(frame []byte) { got = append(got, string(frame)) })
		for i := range 500 {
			want = append(want, fmt.Sprint(i))
			deliver(&in, fmt.Append(nil, i))
		}
		synctest.Wait()
		if !slices.Equal(got, want) {
			t.Errorf("handled %v", got)
		}
		in.close()
	})
}

// A peer that sends faster than we handle must wait, and not fill the memory.
func TestInboxMakesTheReaderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in inbox
		let, handled, pushed := make(chan struct{}), 0, 0
		in.init(func([]byte) { <-let; handled++ })
		go func() {
			for range 3 * maxInbox {
				deliver(&in, []byte("x"))
				pushed++
			}
		}()
		synctest.Wait()
		if pushed != maxInbox+1 { // one is being handled
			t.Errorf("%d frames were taken, want %d", pushed, maxInbox+1)
		}
		close(let)
		synctest.Wait()
		if handled != 3*maxInbox {
			t.Errorf("%d frames were handled", handled)
		}
		in.close()
	})
}

// What was closed handles nothing any more, and close waits for the handler
// that runs: what follows it relies on that.
func TestInboxClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in inbox
		let, handled, closed := make(chan struct{}), 0, false
		in.init(func([]byte) { <-let; handled++ })
		letGo := false
		go func() {
			for range 2 * maxInbox {
				deliver(&in, []byte("x"))
			}
			letGo = true
		}()
		synctest.Wait()
		go func() { in.close(); closed = true }()
		synctest.Wait()
		if !letGo {
			t.Error("a waiting reader was not let go")
		}
		if closed {
			t.Error("close did not wait for the handler")
		}
		close(let)
		synctest.Wait()
		if !closed || handled != 1 {
			t.Errorf("closed %t, %d frames handled, want only the one under way", closed, handled)
		}
	})
}
