package tidy

import (
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// purePackages decide what replicas agree on. Given the same messages they do the
// same everywhere: in the daemon, in the simulator, and in the replay of a seed.
func purePackages() []string {
	return []string{"core/paxos", "core/kv", "core/session", "core/agent"}
}

// singlePackages run in one goroutine, without a clock of their own.
func singlePackages() []string {
	return append(purePackages(), "core/kv/memstore", "core/mutant", "core/config", "core/sim", "core/sim/check", "core/sim/disk")
}

// seeded packages may draw numbers, from a seed that they are given.
func seeded(dir string) bool { return strings.HasPrefix(dir, "core/sim") }

func bannedImports() map[string]string {
	return map[string]string{
		"time":         "no clocks in the core: ticks come in as messages do",
		"math/rand":    "the seed comes from outside",
		"math/rand/v2": "the seed comes from outside",
		"crypto/rand":  "what is random is drawn by the host and handed in",
		"sync":         "a role is used by one goroutine",
		"sync/atomic":  "a role is used by one goroutine",
		"net":          "no sockets in the core: messages come in and go out",
		"os":           "no files in the core but through the log",
		"log":          "no logs in the core: events go out as values",
		"log/slog":     "no logs in the core: events go out as values",
		"context":      "nothing in the core waits, so nothing can be cancelled",
	}
}

// importExceptions are imports that the core may have although they are banned.
func importExceptions() map[string]string {
	return map[string]string{
		"core/config time":      "durations of the file are time.Duration; no clock is read (see clock calls)",
		"core/config os":        "Load reads the file; parsing does not",
		"core/config net":       "addresses are checked, none is opened",
		"core/sim/disk os":      "the simulated disk returns the errors that a real one would",
		"core/kv/memstore sync": "a store is read by others than its writer, and this one stands in for the real one",
		"core/sim/check time":   "porcupine wants a limit for its search; what it finds does not depend on it",
	}
}

func bannedImportRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		if s.test || !slices.Contains(singlePackages(), s.dir) {
			continue
		}
		for imported, node := range s.imports() {
			reason, banned := bannedImports()[imported]
			drawn := seeded(s.dir) && strings.HasPrefix(imported, "math/rand")
			if banned && !drawn && importExceptions()[s.dir+" "+imported] == "" {
				found = append(found, s.at(node, "imports %q: %s", imported, reason))
			}
		}
	}
	return found
}

func bannedStatementRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		if s.test || !slices.Contains(singlePackages(), s.dir) {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.GoStmt:
				found = append(found, s.at(n, "go statement: a role is used by one goroutine and starts none"))
			case *ast.ChanType:
				found = append(found, s.at(n, "channel: what goes in and out of the core are values"))
			case *ast.SelectStmt:
				found = append(found, s.at(n, "select: whose case comes first is chance"))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && (n.Sel.Name == "Now" || n.Sel.Name == "Since") {
					found = append(found, s.at(n, "time.%s: no clocks in the core", n.Sel.Name))
				}
			}
			return true
		})
	}
	return found
}

// orderMark says that a range over a map is harmless; a reason follows it.
const orderMark = "// order does not matter: "

// mapRanges finds loops over maps, which Go walks in another order every time.
func mapRanges(sources []*source, fset *token.FileSet, imports types.Importer) ([]finding, error) {
	files := make([]*ast.File, len(sources))
	for i, s := range sources {
		files[i] = s.file
	}
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if _, err := (&types.Config{Importer: imports}).Check(sources[0].dir, fset, files, &info); err != nil {
		return nil, err
	}
	var found []finding
	for _, s := range sources {
		ast.Inspect(s.file, func(node ast.Node) bool {
			harmless := node != nil && strings.Contains(s.line(node), orderMark)
			switch n := node.(type) {
			case *ast.RangeStmt:
				if _, ok := info.Types[n.X].Type.Underlying().(*types.Map); ok && !harmless {
					found = append(found, s.at(n, "range over a map: its order differs between replicas and runs; "+
						"sort, or say %q and why", orderMark))
				}
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if ok && x.Name == "maps" && slices.Contains([]string{"Keys", "Values", "All"}, n.Sel.Name) &&
					!harmless && !strings.Contains(s.line(n), "slices.Sorted") {
					found = append(found, s.at(n, "maps.%s: its order differs between replicas and runs", n.Sel.Name))
				}
			}
			return true
		})
	}
	return found, nil
}

// TestMapOrder looks at the packages whose output replicas compare.
func TestMapOrder(t *testing.T) {
	exported := exportData(t)
	for _, dir := range []string{"core/paxos", "core/kv", "core/session"} {
		fset := token.NewFileSet()
		var sources []*source
		for _, name := range strings.Fields(command(t, "go", "list", "-f", "{{join .GoFiles \" \"}}", "./"+dir)) {
			sources = append(sources, reparse(t, fset, dir+"/"+name, readTop(t, dir+"/"+name)))
		}
		found, err := mapRanges(sources, fset, exported(fset))
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, f := range found {
			t.Error(f)
		}
	}
}

// TestMapOrderFires plants loops.
func TestMapOrderFires(t *testing.T) {
	for text, want := range map[string]int{
		"package p\nfunc f(m map[int]int) {\n\tfor range m {\n\t}\n}":                                              1,
		"package p\ntype t map[int]int\nfunc f(m t) int {\n\tfor k := range m {\n\t\treturn k\n\t}\n\treturn 0\n}": 1,
		"package p\nfunc f(m map[int]int) {\n\tfor range m { " + orderMark + "it only counts\n\t}\n}":              0,
		"package p\nfunc f(m []int) {\n\tfor range m {\n\t}\n}":                                                    0,
	} {
		fset := token.NewFileSet()
		found, err := mapRanges([]*source{reparse(t, fset, "p/x.go", text)}, fset, nil)
		if err != nil || len(found) != want {
			t.Errorf("%d findings, want %d, %v, in\n%s", len(found), want, err, text)
		}
	}
}

func reparse(t *testing.T, fset *token.FileSet, name, text string) *source {
	t.Helper()
	s, err := parseInto(fset, name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exportData lets the type checker read what the compiler wrote about imports.
func exportData(t *testing.T) func(*token.FileSet) types.Importer {
	t.Helper()
	files := map[string]string{}
	out := command(t, "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}",
		"./core/paxos", "./core/kv", "./core/session")
	for line := range strings.Lines(out) {
		if pkg, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			files[pkg] = file
		}
	}
	return func(fset *token.FileSet) types.Importer {
		return importer.ForCompiler(fset, "gc", func(pkg string) (io.ReadCloser, error) { return os.Open(files[pkg]) })
	}
}
