package mutant

import "testing"

func TestAllAreDistinct(t *testing.T) {
	seen := map[ID]bool{}
	for _, id := range All() {
		if id == "" || seen[id] {
			t.Errorf("mutant %q is empty or listed twice", id)
		}
		seen[id] = true
	}
	if len(seen) != 57 {
		t.Errorf("%d mutants are listed, the table has 57", len(seen))
	}
}

func TestZeroSetIsClean(t *testing.T) {
	for _, id := range append(All(), "") {
		if (Set{}).Has(id) {
			t.Errorf("the zero Set has %q on", id)
		}
	}
}
