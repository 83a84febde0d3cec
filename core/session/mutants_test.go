//go:build mutants

package session_test

import (
	"testing"

	"synod/core/mutant"
)

// TestMutantsDie plants each bug in turn: its check must find it, and must find
// nothing without it.
func TestMutantsDie(t *testing.T) {
	for name, check := range planted() {
		if wrong := check(mutant.Set{}); wrong != "" {
			t.Errorf("%s is not planted, and yet: %s", name, wrong)
		}
		wrong := check(mutant.Of(mutant.ID(name)))
		if wrong == "" {
			t.Errorf("%s lives", name)
		}
		t.Logf("%s dies of: %s", name, wrong)
	}
}
