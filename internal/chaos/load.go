package chaos

import (
	"fmt"
	"os"
	"strings"
)

// load is how busy the machine was in a part of the run. Where it is saturated, delays say nothing of the service.
type load struct {
	part       string
	busy, idle float64 // of /proc/stat, since the machine has started
	share      float64 // busy of all, in this part; below 0: not known
}

func (l load) String() string {
	if l.share < 0 {
		return fmt.Sprintf("%s: not known", l.part)
	}
	return fmt.Sprintf("%s: %.0f %%", l.part, 100*l.share)
}

// measureLoad ends a part of the run.
func (r *run) measureLoad(part string) {
	l := load{part: part, share: -1}
	l.busy, l.idle = processors()
	if n := len(r.load); n > 0 {
		if all := l.busy + l.idle - r.load[n-1].busy - r.load[n-1].idle; all > 0 {
			l.share = (l.busy - r.load[n-1].busy) / all
		}
	}
	r.load = append(r.load, l)
}

// processors returns the time that all processors were busy and idle; zeros where /proc is none.
func processors() (busy, idle float64) {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	var user, nice, system, wait, irq, soft float64
	_, _ = fmt.Sscanf(line, "cpu %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &wait, &irq, &soft)
	return user + nice + system + irq + soft, idle + wait
}
