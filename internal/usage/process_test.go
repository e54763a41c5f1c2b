package usage

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

func TestOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := Of(os.Getpid()); err == nil || !strings.Contains(err.Error(), "Linux only") {
			t.Errorf("without /proc: %v", err)
		}
		return
	}
	const nobody = math.MaxInt32 // above pid_max
	if _, err := Of(nobody); err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("a process that is not there: %v", err)
	}
}
