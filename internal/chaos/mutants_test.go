//go:build chaos

package chaos

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var flagSeeds = flag.Int("chaos.seeds", 0, "how many seeds each mutant is checked with; 0: mutants are not checked")

// mutants are the service with one promise taken out. The checker must find out, or it is blind.
var mutants = []struct {
	name      string
	file      string
	old, with string
}{
	{
		"no fence check: whoever held a lease once may write to it", "presence/lua/lease.lua",
		"local function holds(l, fence) return is_held(l) and l.fence == fence end",
		"local function holds(l, fence) return is_held(l) end",
	},
	{
		"no single winner in the sweep: each one ends the lapsed broadcast anew", "presence/lua/sweep.lua",
		"      go_offline(l, 'connection_lost')\n      write_lease(l)\n",
		"      go_offline(l, 'connection_lost')\n",
	},
	{
		"no cursor in the apply script: each call tells the rooms everything", "rooms/lua/follow.lua",
		"  if #entries > 0 then redis.call('HSET', followers_key, follower, cursor) end\n",
		"",
	},
}

// proofs are the kinds of violations that more notes can't take back.
var proofs = []string{
	badOrder, badVersion, badMachine, badAfterEnd, badBackwards, badFork, badEnded, badFalse, badDrain,
}

// TestMutants has each mutant caught by nine of ten seeds, within two minutes.
func TestMutants(t *testing.T) {
	if *flagSeeds == 0 {
		t.Skip("it takes up to two minutes for each seed; -chaos.seeds=10 runs it")
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "mutant")
			if err := Build(t.Context(), "../..", overlay(t, m.file, m.old, m.with), binary); err != nil {
				t.Fatal(err)
			}
			caught := 0
			for seed := range *flagSeeds {
				if isCaught(t, binary, uint64(seed+1)) {
					caught++
				}
			}
			t.Logf("caught with %d of %d seeds", caught, *flagSeeds)
			if caught*10 < *flagSeeds*9 {
				t.Errorf("caught with %d of %d seeds only", caught, *flagSeeds)
			}
		})
	}
}

func isCaught(t *testing.T, binary string, seed uint64) bool {
	begun := time.Now()
	var last []Violation
	result := Run(t, Config{
		Root: "../..", Binary: binary, For: 100 * time.Second, Seed: seed, Logs: t.TempDir(),
		Kinds: Kinds, Streamers: *flagStreamers, Viewers: *flagViewers, Out: os.Stdout,
		Enough: func(all []Violation) bool {
			last = slices.DeleteFunc(all, func(v Violation) bool { return !slices.Contains(proofs, v.Kind) })
			return len(last) > 0 || time.Since(begun) > 2*time.Minute
		},
	})
	if len(last) == 0 {
		t.Logf("seed %d: not caught within %s, of %d violations of other kinds", seed, time.Since(begun).Round(time.Second), len(result.Violations))
		return false
	}
	t.Logf("seed %d: caught after %s: %s", seed, time.Since(begun).Round(time.Second), last[0])
	return true
}

// overlay returns a file for go build -overlay that changes one place of another.
func overlay(t *testing.T, file, old, with string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), old) != 1 {
		t.Fatalf("%s does not have %q once", file, old)
	}
	mutated := filepath.Join(t.TempDir(), filepath.Base(file))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{mutated: strings.Replace(string(source), old, with, 1), mutated + ".json": string(replace)} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return mutated + ".json"
}
