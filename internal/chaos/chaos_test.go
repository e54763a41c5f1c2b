//go:build chaos

package chaos

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
)

var (
	flagFor       = flag.Duration("chaos.for", 0, "how long to inflict faults; the run takes a minute and a half more")
	flagSeed      = flag.Uint64("chaos.seed", 0, "what the faults are drawn from; 0: the clock")
	flagFaults    = flag.String("chaos.faults", "", "the kinds of faults, with commas; default: all")
	flagStreamers = flag.Int("chaos.streamers", 200, "how many streamers")
	flagViewers   = flag.Int("chaos.viewers", 1000, "how many viewers")
	flagBinary    = flag.String("chaos.binary", "", "the program to check; default: it is built from the source tree")
	flagOverlay   = flag.String("chaos.overlay", "", "passed on to go build -overlay")
	flagNotes     = flag.String("chaos.notes", "", "a file to write the notes to; the nodes' logs go beside it")
)

// TestChaos is behind a build tag: it takes minutes, and "make chaos" alone runs it.
func TestChaos(t *testing.T) {
	during := *flagFor
	if during == 0 {
		if os.Getenv("TALLYLIGHT_TEST_ALL") != "1" {
			testserver.Skip(t, "it takes minutes; -chaos.for=2m runs it")
		}
		during = 2 * time.Minute
	}
	cfg := Config{
		Root: "../..", Binary: *flagBinary, Overlay: *flagOverlay, For: during, Seed: *flagSeed, Logs: t.TempDir(),
		Kinds: kinds(t), Streamers: *flagStreamers, Viewers: *flagViewers, Out: os.Stdout,
	}
	if cfg.Seed == 0 {
		cfg.Seed = uint64(time.Now().UnixMilli() % 1_000_000)
	}
	if cfg.Overlay != "" {
		abs, err := filepath.Abs(cfg.Overlay)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Overlay = abs
	}
	if *flagNotes != "" {
		cfg.Logs = *flagNotes + ".logs"
		if err := os.MkdirAll(cfg.Logs, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	result := Run(t, cfg)
	replay := fmt.Sprintf("make chaos FOR=%s SEED=%d", during, cfg.Seed)
	if *flagFaults != "" {
		replay += " FAULTS=" + *flagFaults
	}
	Report(os.Stdout, result, replay)
	writeNotes(t, result)
	if n := len(result.Violations); n > 0 {
		t.Errorf("%d violations; %s does it again", n, replay)
	}
}

func kinds(t *testing.T) []Kind {
	if *flagFaults == "" {
		return Kinds
	}
	var chosen []Kind
	for name := range strings.SplitSeq(*flagFaults, ",") {
		if !slices.Contains(Kinds, Kind(name)) {
			t.Fatalf("-chaos.faults: %q is none of %q", name, Kinds)
		}
		chosen = append(chosen, Kind(name))
	}
	return chosen
}

func writeNotes(t *testing.T, r Result) {
	if *flagNotes == "" {
		return
	}
	f, err := os.Create(*flagNotes)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteNotes(f, r); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
