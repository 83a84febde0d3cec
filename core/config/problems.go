package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Source string // the file's name, "environment SYNOD_…" or "flag …"
	Line   int    // from 1; 0 if the problem has no place in a file
	Column int    // from 1, in characters; 0 if unknown
	Text   string // what is wrong and what to do
}

// String gives one line: file:line:column: text.
func (p Problem) String() string {
	switch {
	case p.Line == 0:
		return p.Source + ": " + p.Text
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: %s", p.Source, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.Source, p.Line, p.Column, p.Text)
}

// Problems is the error of [Parse]: all that is wrong, in the order of the file, then environment and flags.
type Problems []Problem

// Error gives one line per problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// sort puts problems in the order in which a person meets them: down the file, then environment and flags by name.
func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		inFile := func(p Problem) int {
			if p.Line > 0 {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(inFile(a), inFile(b)), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Text, b.Text))
	})
}

// Nearest gives the candidate that a person who typed word most likely meant: the first one with the fewest changed,
// missing, surplus or swapped characters: one in a short word, two in one of five characters or more. Otherwise it
// gives "".
func Nearest(word string, candidates []string) string {
	best, fewest := "", 2
	if len(word) >= 5 {
		fewest = 3
	}
	for _, candidate := range candidates {
		if steps := distance(word, candidate); steps < fewest {
			best, fewest = candidate, steps
		}
	}
	return best
}

// distance counts the single-character changes between two words; two swapped neighbours count as one change.
func distance(a, b string) int {
	const lettersMax = 64 // nobody mistypes more; keeps hostile input cheap
	if len(a) > lettersMax || len(b) > lettersMax {
		return lettersMax
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
