//go:build !mutants

package kv_test

import "testing"

func TestPlantedBugsAreAbsent(t *testing.T) {
	for name, check := range planted() {
		if err := check(small); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
