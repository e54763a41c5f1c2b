package pace

import (
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Now()
	l := Limiter(10, 3)
	if !Full(l, now) || !l.AllowN(now, 30) || l.AllowN(now, 1) || Full(l, now) || Full(l, now.Add(2*time.Second)) || !Full(l, now.Add(3*time.Second)) {
		t.Error("10 a second, 30 at once, are not that")
	}
	if l := Limiter(Any, 3); !l.AllowN(now, 1<<40) || !Full(l, now) {
		t.Error("any number is not any")
	}
}

func TestKeptForgetsTheIdle(t *testing.T) {
	var k Kept[int, bool] // true: it is idle
	looked := 0
	idle := func(is bool) bool { looked++; return is }
	for n := range MinKept {
		k.Add(n, n%2 == 0, idle)
	}
	if len(k.Of) != MinKept || looked != 0 {
		t.Errorf("%d are kept, and %d were looked at", len(k.Of), looked)
	}
	k.Add(MinKept, false, idle)
	if len(k.Of) != MinKept/2+1 || looked != MinKept {
		t.Errorf("%d are kept, and %d were looked at", len(k.Of), looked)
	}
	for n := range MinKept {
		k.Add(MinKept+1+n, false, idle)
	}
	if want := MinKept/2 + 1 + MinKept; len(k.Of) != want || looked != 2*MinKept {
		t.Errorf("%d are kept, want %d, and %d were looked at", len(k.Of), want, looked)
	}
}
