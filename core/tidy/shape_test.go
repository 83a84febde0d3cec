package tidy

import (
	"go/ast"
	"strings"
)

// The limits. What a reader cannot hold in the head is cut in two.
const (
	fileLinesMax     = 500
	testFileLinesMax = 700
	functionLinesMax = 70
)

// longFunctions are justified exceptions, with their reasons. The list may only
// shrink.
func longFunctions() map[string]string {
	return map[string]string{}
}

func fileLengthRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		limit := fileLinesMax
		if s.test {
			limit = testFileLinesMax
		}
		if n := strings.Count(s.text, "\n"); n > limit {
			found = append(found, s.at(s.file.Name, "%d lines, at most %d: cut the file where its subject changes", n, limit))
		}
	}
	return found
}

func functionLengthRule(sources []*source) []finding {
	var found []finding
	long := map[string]bool{}
	for _, s := range sources {
		for _, declaration := range s.file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := s.fset.Position(function.End()).Line - s.fset.Position(function.Pos()).Line + 1
			if n <= functionLinesMax {
				continue
			}
			key := s.path + " " + function.Name.Name
			if long[key] = true; longFunctions()[key] == "" {
				found = append(found, s.at(function, "function %s has %d lines, at most %d: give a part of it a name",
					function.Name.Name, n, functionLinesMax))
			}
		}
	}
	for key := range longFunctions() {
		if len(sources) > 1 && !long[key] {
			found = append(found, finding{strings.Fields(key)[0], 1, "is short enough: take it from the exceptions"})
		}
	}
	return found
}
