package main

import "testing"

func TestGarbagePercent(t *testing.T) {
	const MiB = 1 << 20
	for held, want := range map[uint64]int{0: 400, MiB: 400, 4 * MiB: 400, 8 * MiB: 200, 31 * MiB: 51, 32 * MiB: 50, 1000 * MiB: 50} {
		if got := garbagePercentOf(held); got != want {
			t.Errorf("%d MiB held: got %d %%, want %d", held/MiB, got, want)
		}
	}
}
