package paxos

import "slices"

// mergeRun adds a run to runs, which are disjoint and in slot order. Where the
// new run overlaps what is known, the known part stays: both are true, and a
// slot needs only one proof.
func mergeRun(runs []ChosenRun, run ChosenRun) []ChosenRun {
	if n := len(runs); n > 0 && runs[n-1].Last < run.First {
		if runs[n-1].Ballot == run.Ballot && runs[n-1].Last+1 == run.First {
			runs[n-1].Last = run.Last
			return runs
		}
		return append(runs, run)
	}
	merged := make([]ChosenRun, 0, len(runs)+2)
	next := run.First // the first slot of run that is not yet placed
	for _, known := range runs {
		if next <= run.Last && next < known.First {
			last := min(run.Last, known.First-1)
			merged = append(merged, ChosenRun{run.Ballot, next, last})
			next = last + 1
		}
		merged = append(merged, known)
		if known.First <= next {
			next = max(next, known.Last+1)
		}
	}
	if next <= run.Last {
		merged = append(merged, ChosenRun{run.Ballot, next, run.Last})
	}
	return joinRuns(merged)
}

// joinRuns joins neighbours of one ballot.
func joinRuns(runs []ChosenRun) []ChosenRun {
	return slices.Clip(slices.Collect(func(yield func(ChosenRun) bool) {
		for i := 0; i < len(runs); {
			r := runs[i]
			for i++; i < len(runs) && runs[i].Ballot == r.Ballot && runs[i].First == r.Last+1; i++ {
				r.Last = runs[i].Last
			}
			if !yield(r) {
				return
			}
		}
	}))
}
