//go:build mutants

package sim

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"synod/core/mutant"
	"synod/core/sim/check"
)

// killing says how a mutant is to die.
type killing struct {
	id mutant.ID
	// checkers are those that may find it; the first to fire is as good as any.
	checkers string
	// seedsMax is the budget: the mutant must be dead before it is used up.
	seedsMax int
	// direct makes the runs visit what the mutant breaks, and why says it.
	direct func(*Options)
	why    string
}

// killings is the table of mutants that die in simulation.
func killings() []killing {
	return []killing{
		{id: mutant.M1},
		{id: mutant.M2},
		{id: mutant.M3},
		{id: mutant.M4},
		{id: mutant.M5},
		{id: mutant.M6},
		{id: mutant.M7},
		{id: mutant.M8},
		{id: mutant.M9},
		{id: mutant.M10},
		{id: mutant.M11},
		{id: mutant.M12},
		{id: mutant.M13},
		{id: mutant.M14},
		{id: mutant.M26},
		{id: mutant.M27},
		{id: mutant.M28},
		{id: mutant.M29},
		{id: mutant.M31},
		{id: mutant.M32},
		{id: mutant.M33},
		{id: mutant.M34},
		{id: mutant.M36},
		{id: mutant.M37},
		{id: mutant.M39},
		{id: mutant.M41},
		{id: mutant.M42},
		{id: mutant.M43},
		{id: mutant.M44},
		{id: mutant.M45},
		{id: mutant.M46},
		{id: mutant.M47},
		{id: mutant.M48},
		{id: mutant.M49},
	}
}

// TestMutants plants each bug and runs seeds until a checker finds it.
func TestMutants(t *testing.T) {
	for _, k := range killings() {
		t.Run(string(k.id), func(t *testing.T) {
			t.Parallel()
			k.run(t)
		})
	}
}

const killSeedsMax = 150

func (k *killing) run(t *testing.T) {
	budget := max(k.seedsMax, killSeedsMax)
	var found atomic.Pointer[check.Violation]
	for n := 1; n <= budget; n++ {
		options := Draw(uint64(n))
		options.Mutant = mutant.Of(k.id)
		if k.direct != nil {
			k.direct(&options)
		}
		report := Run(options, nil)
		if v := report.Violation; v != nil {
			found.Store(v)
			text := v.Error()
			if i := strings.IndexByte(text, '\n'); i >= 0 {
				text = text[:i]
			}
			fmt.Printf("MUTANT %-4s dies of %-12s in %3d seeds: %s\n", k.id, v.Checker, n, text)
			return
		}
	}
	t.Errorf("mutant %s survives %d seeds", k.id, budget)
}
