//go:build !mutants

package session_test

import (
	"testing"

	"synod/core/mutant"
)

func TestPlantedBugsAreAbsent(t *testing.T) {
	for name, check := range planted() {
		if wrong := check(mutant.Set{}); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}
