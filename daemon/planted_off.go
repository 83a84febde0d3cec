//go:build !mutants

package main

import (
	"fmt"
	"os"

	"synod/core/mutant"
)

// plantedVariable names, in builds for it, the bug that a process is to have.
const plantedVariable = "SYNOD_MUTANT"

// planted refuses to run with a bug: whoever asks for one would take this program's
// good behaviour for the blindness of his checks.
func planted() (mutant.Set, error) {
	if id := os.Getenv(plantedVariable); id != "" {
		return mutant.Set{}, fmt.Errorf("%s=%s asks for a planted bug, and this build has none: "+
			"build it with -tags mutants, or unset the variable", plantedVariable, id)
	}
	return mutant.Set{}, nil
}

// plantedMark is empty: nothing can be planted here.
func plantedMark() string { return "" }
