package bench

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestSamples(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	const nobody = math.MaxInt32 // above pid_max
	before := takeSample([]int{nobody})
	self := os.Getpid()
	for begin := time.Now(); takeSample(nil)[self].CPU == before[self].CPU; { // until a tick is counted
		if time.Since(begin) > 20*time.Second {
			t.Fatal("20 s of this process's work are not counted")
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	after := takeSample([]int{nobody})
	if used, ok := after.cpuSince(before, self); !ok || used < 10*time.Millisecond || used > time.Minute {
		t.Errorf("this process used %s, %t", used, ok)
	}
	if u := after[self]; u.Resident < 1<<20 || u.Files != before[self].Files+1 || u.Name == "" {
		t.Errorf("this process is %+v, before %+v", u, before[self])
	}
	if _, ok := after.cpuSince(before, nobody); ok {
		t.Error("a process that is not there used something")
	}
}
