package main

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	now := time.Now()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m00s", 61*time.Minute + 5*time.Second: "1h01m", 49 * time.Hour: "49h00m",
	} {
		if got := since(now, now.Add(-d)); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
