//go:build mutants

package kv_test

import (
	"testing"

	"synod/core/mutant"
)

// TestMutantsDie plants each bug in turn: its check must find it, and must find
// nothing without it.
func TestMutantsDie(t *testing.T) {
	for name, check := range planted() {
		if err := check(small); err != nil {
			t.Errorf("%s is not planted, and yet: %v", name, err)
		}
		options := small
		options.Mutant = mutant.Of(mutant.ID(name))
		err := check(options)
		if err == nil {
			t.Errorf("%s lives", name)
		}
		t.Logf("%s dies of: %v", name, err)
	}
}
