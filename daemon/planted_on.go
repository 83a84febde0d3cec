//go:build mutants

package main

import (
	"fmt"
	"os"
	"slices"

	"synod/core/mutant"
)

// plantedVariable names the bug that this process is to have: SYNOD_MUTANT=M27b.
const plantedVariable = "SYNOD_MUTANT"

// planted is the bug that the environment asks for; none if it asks for nothing.
func planted() (mutant.Set, error) {
	id := mutant.ID(os.Getenv(plantedVariable))
	if id == "" {
		return mutant.Set{}, nil
	}
	if !slices.Contains(mutant.All(), id) {
		return mutant.Set{}, fmt.Errorf("%s=%s: no such mutant, use one of %v", plantedVariable, id, mutant.All())
	}
	return mutant.Of(id), nil
}

// plantedMark makes this build and its bug known wherever its version is shown.
func plantedMark() string {
	if id := os.Getenv(plantedVariable); id != "" {
		return "+mutant-" + id
	}
	return "+mutants"
}
