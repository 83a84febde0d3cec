//go:build mutants

package mutant

// Set is the mutants that are on: one, or none for the zero value.
type Set struct{ ID ID }

// Of makes the Set with one mutant on. It exists only under the build tag, so no product can call it.
func Of(id ID) Set { return Set{ID: id} }

// Has reports whether a mutant is on.
func (s Set) Has(id ID) bool { return id != "" && s.ID == id }
