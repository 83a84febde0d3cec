package paxos

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestMergeRunAgainstModel compares the merged list with a map from slots to
// ballots, in which the first proof of a slot stays.
func TestMergeRunAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var runs []ChosenRun
		model := map[Slot]Ballot{}
		for range rapid.IntRange(1, 30).Draw(t, "runs") {
			first := Slot(rapid.IntRange(1, 40).Draw(t, "first"))
			run := ChosenRun{
				Ballot{uint64(rapid.IntRange(1, 3).Draw(t, "round")), 1, 1},
				first, first + Slot(rapid.IntRange(0, 8).Draw(t, "more")),
			}
			runs = mergeRun(runs, run)
			for s := run.First; s <= run.Last; s++ {
				if _, ok := model[s]; !ok {
					model[s] = run.Ballot
				}
			}
			if err := compareRuns(runs, model); err != nil {
				t.Fatalf("after %+v: %v in %+v", run, err, runs)
			}
		}
	})
}

// compareRuns checks that the runs say exactly what the model says, are in slot
// order and disjoint, and that no two neighbours could be one.
func compareRuns(runs []ChosenRun, model map[Slot]Ballot) error {
	count := 0
	for i, r := range runs {
		if r.First == 0 || r.Last < r.First {
			return fmt.Errorf("run %+v is none", r)
		}
		if i > 0 {
			before := runs[i-1]
			if before.Last >= r.First {
				return fmt.Errorf("%+v and %+v overlap", before, r)
			}
			if before.Ballot == r.Ballot && before.Last+1 == r.First {
				return fmt.Errorf("%+v and %+v are one run", before, r)
			}
		}
		for s := r.First; s <= r.Last; s++ {
			count++
			if model[s] != r.Ballot {
				return fmt.Errorf("slot %d is proven by %s, want %s", s, r.Ballot, model[s])
			}
		}
	}
	if count != len(model) {
		return fmt.Errorf("%d slots are proven, want %d", count, len(model))
	}
	return nil
}

// TestChosenPrefix: an acceptor's mark is the end of the unbroken prefix, in
// whatever order the runs come.
func TestChosenPrefix(t *testing.T) {
	ballot := Ballot{1, 1, 1}
	a := newTestAcceptor(1, 3)
	for _, c := range []struct {
		run  ChosenRun
		want Slot
	}{
		{ChosenRun{ballot, 4, 6}, 0},
		{ChosenRun{ballot, 1, 2}, 2},
		{ChosenRun{ballot, 9, 9}, 2},
		{ChosenRun{ballot, 2, 3}, 6},
		{ChosenRun{ballot, 7, 8}, 9},
		{ChosenRun{Ballot{2, 2, 2}, 1, 10}, 10},
	} {
		a.learn(c.run)
		if got := a.ChosenThrough(); got != c.want {
			t.Errorf("after run %d to %d the prefix ends at %d, want %d", c.run.First, c.run.Last, got, c.want)
		}
	}
}
