// Package tidy keeps the rules of the house, as tests: which package may import which, how long files and functions may
// be, what the core must not call, which variables may exist, and that the README tells the truth about the tree.
//
// It holds no product code. Run it with `go test ./core/tidy`. Every rule is a function from sources to findings, every
// finding says why the rule exists, and every rule has a planted source on which it fires. To add a rule: write the
// function, list it in TestRules, and plant a source in TestRulesFire. Exceptions stand in tables beside the rules, each
// with its reason; a table may only shrink, for an entry that is not needed any more fails the test too.
package tidy
