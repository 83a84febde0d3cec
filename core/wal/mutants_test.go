//go:build mutants

package wal

import (
	"testing"

	"synod/core/mutant"
)

// The unmutated log passes what the mutants die of.
func TestNoMutantSurvives(t *testing.T) {
	for _, m := range []struct {
		id   mutant.ID
		kill func(*testing.T, Options) error
	}{
		{mutant.M31, damageInTheMiddle},
		{mutant.M33, crashEverywhere},
		{mutant.M33, rolledThenPowerLost},
		{mutant.M39, killedThenPowerLost},
	} {
		if err := m.kill(t, testOptions(nil)); err != nil {
			t.Errorf("without a mutant, the test for %s fails: %v", m.id, err)
		}
		options := testOptions(nil)
		options.Mutant = mutant.Of(m.id)
		err := m.kill(t, options)
		if err == nil {
			t.Errorf("%s survives", m.id)
			continue
		}
		t.Logf("%s dies: %v", m.id, err)
	}
}
