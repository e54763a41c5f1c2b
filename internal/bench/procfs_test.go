package bench

import (
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const stat = " S 1 4711 4711 0 -1 4194560 9000 0 12 0 321 45 7 8 20 0 9 0 11270 1300000000 3100 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"

func TestParseStat(t *testing.T) {
	for _, name := range []string{"tallylight", "a (strange) name", ") R 1 2 3", ""} {
		got, cpu, err := parseStat([]byte("4711 (" + name + ")" + stat))
		if err != nil || got != name || cpu != 3660*time.Millisecond {
			t.Errorf("%q: got %q, %s, %v, want 3.66s", name, got, cpu, err)
		}
	}
	for _, text := range []string{"", "4711", "4711 (a) S 1 2", "4711 )a( S", "4711 (a)" + strings.Replace(stat, "321", "x", 1)} {
		if name, cpu, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q: got %q, %s", text, name, cpu)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got, err := parseStatus([]byte("Name:\ttallylight\nVmPeak:\t 1270000 kB\nVmRSS:\t   12345 kB\nRssAnon:\t 99 kB\n"))
	if err != nil || got != 12345<<10 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, text := range []string{"", "Name:\tkthreadd\nThreads:\t1\n", "VmRSS:\t x kB\n"} {
		if got, err := parseStatus([]byte(text)); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

func TestSamples(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := readProcess(os.Getpid()); err == nil || !strings.Contains(err.Error(), "Linux only") {
			t.Errorf("without /proc: %v", err)
		}
		return
	}
	const nobody = math.MaxInt32 // above pid_max
	if _, err := readProcess(nobody); err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("a process that is not there: %v", err)
	}
	before := takeSample([]int{nobody})
	self := os.Getpid()
	for begin := time.Now(); takeSample(nil)[self].cpu == before[self].cpu; { // until a tick is counted
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
	if used, ok := after.cpuSince(before, self); !ok || used < clockTick || used > time.Minute {
		t.Errorf("this process used %s, %t", used, ok)
	}
	if u := after[self]; u.resident < 1<<20 || u.files != before[self].files+1 || u.name == "" {
		t.Errorf("this process is %+v, before %+v", u, before[self])
	}
	if _, ok := after.cpuSince(before, nobody); ok {
		t.Error("a process that is not there used something")
	}
}
