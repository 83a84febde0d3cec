//go:build mutants

package paxos

import (
	"testing"

	"synod/core/mutant"
)

// TestMutantsDieInTheWorld plants one bug after the other. A bug that breaks
// agreement, or a read, must break a promise in one of the random worlds, or
// the worlds are worth nothing.
func TestMutantsDieInTheWorld(t *testing.T) {
	mutants := []mutant.ID{
		mutant.M1, mutant.M2, mutant.M3, mutant.M4, mutant.M5, mutant.M6, mutant.M7, mutant.M8, mutant.M9,
		mutant.M11, mutant.M12, mutant.M13, mutant.M14, mutant.M27, mutant.M27b, mutant.M28, mutant.M29, mutant.M32,
		mutant.M36, mutant.M37, mutant.M41,
		mutant.M15, mutant.M16, mutant.M17, mutant.M18, mutant.M19, mutant.M24, mutant.M25, mutant.M25b,
		mutant.M29b, mutant.M29c, mutant.M29d, mutant.M35, mutant.M38, mutant.M40,
	}
	for _, id := range mutants {
		t.Run(string(id), func(t *testing.T) {
			last := worlds(t, 60_000)
			for seed := uint64(1); seed <= last; seed++ {
				if err := newWorld(seed, mutant.Of(id)).run(stepsPerWorld); err != nil {
					t.Logf("dies in world %d: %v", seed, err)
					return
				}
			}
			t.Errorf("survives %d worlds", last)
		})
	}
}

// TestMutantsDieInEveryOrder: the walk through all states finds those bugs that
// one slot, three acceptors and one loss of memory are enough for.
func TestMutantsDieInEveryOrder(t *testing.T) {
	walk := func(within scope, ids ...mutant.ID) {
		for _, id := range ids {
			x := newExplorer(mutant.Of(id))
			states := x.explore(within, 500_000)
			if x.broken == nil {
				t.Errorf("%s survives %d states", id, states)
				continue
			}
			t.Logf("%s dies after %d states: %v", id, states, x.broken)
		}
	}
	walk(scope{3, [2]uint8{2, 1}, 1, 0}, mutant.M3, mutant.M7, mutant.M9, mutant.M12, mutant.M13, mutant.M41)
	walk(scope{3, [2]uint8{1, 1}, 0, 1},
		mutant.M15, mutant.M17, mutant.M18, mutant.M19, mutant.M20, mutant.M21, mutant.M38)
}

// TestMutantsDieInStories: each counterexample breaks a promise if the rule that it
// is about is left out.
func TestMutantsDieInStories(t *testing.T) {
	for _, c := range counterexamples() {
		for _, id := range c.kills {
			t.Run(string(id), func(t *testing.T) {
				s := newStage(c.replicas, mutant.Of(id))
				c.play(s)
				if s.ghost.broken == nil {
					t.Errorf("%s survives %q", id, c.name)
					return
				}
				t.Logf("dies of %q: %v", c.name, s.ghost.broken)
			})
		}
	}
}
