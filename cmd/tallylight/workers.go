package main

import (
	"context"
	"sync"
)

// workers are goroutines that run until they are told to end together.
type workers struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// begin starts one goroutine for each function. It may be called once.
func (w *workers) begin(work ...func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for _, do := range work {
		w.running.Go(func() { do(ctx) })
	}
}

// end tells them to end and waits until they have. Without begin it does
// nothing.
func (w *workers) end() {
	if w.cancel != nil {
		w.cancel()
	}
	w.running.Wait()
}
