package chaos

import (
	"reflect"
	"testing"
	"time"
)

func TestPlanIsTheSeeds(t *testing.T) {
	one, two := Plan(7, 10*time.Minute, Kinds, nodeNames), Plan(7, 10*time.Minute, Kinds, nodeNames)
	if !reflect.DeepEqual(one, two) {
		t.Error("two plans of one seed differ")
	}
	if reflect.DeepEqual(one, Plan(8, 10*time.Minute, Kinds, nodeNames)) {
		t.Error("the plans of two seeds do not")
	}
}

// Whatever the seed: all kinds come, nothing is broken twice at a time, one node is always whole, and Redis is given what
// it had at a time that it was whole.
func TestPlans(t *testing.T) {
	seen := make(map[Kind]int)
	for seed := range uint64(300) {
		plan := Plan(seed, 5*time.Minute, Kinds, nodeNames)
		for k, f := range plan {
			seen[f.Kind]++
			if f.From < warmUp || f.To > warmUp+5*time.Minute || f.To < f.From {
				t.Fatalf("seed %d: %s from %s to %s", seed, f, f.From, f.To)
			}
			if f.Kind == RedisOld && f.Saved >= f.From {
				t.Fatalf("seed %d: %s at %s", seed, f, f.From)
			}
			down := map[string]bool{}
			for _, g := range plan[:k] {
				from := f.From
				if f.Kind == RedisOld {
					from = f.Saved
				}
				if g.Kind.ofClients() || f.Kind.ofClients() || !g.overlaps(from, from) {
					continue
				}
				if g.Node == f.Node {
					t.Fatalf("seed %d: %s at %s, during %s", seed, f, f.From, g)
				}
				down[g.Node] = g.Kind.ofNode()
			}
			if f.Kind.ofNode() && len(down) >= len(nodeNames)-1 && down["n1"] && down["n2"] && down["n3"] {
				t.Fatalf("seed %d: no node is whole at %s", seed, f.From)
			}
		}
	}
	for _, k := range Kinds {
		if seen[k] < 100 {
			t.Errorf("%s came %d times in 300 plans", k, seen[k])
		}
	}
}

func TestPlanOfFewKinds(t *testing.T) {
	plan := Plan(1, time.Minute, []Kind{Kill}, nodeNames)
	if len(plan) == 0 {
		t.Fatal("no fault")
	}
	for _, f := range plan {
		if f.Kind != Kill || f.Node == "" {
			t.Errorf("%s", f)
		}
	}
	if plan := Plan(1, time.Second, Kinds, nodeNames); len(plan) != 1 {
		t.Errorf("a second has %d faults, want one however short the time", len(plan))
	}
}
