package tidy

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the diagram of the packages into README.md anew")

// Marks around the diagram in README.md.
const (
	diagramBegin = "<!-- who imports whom: drawn from the sources -->\n"
	diagramEnd   = "<!-- end of the diagram -->\n"
)

// undrawn are packages that would only be noise: names for planted bugs, help for
// tests, and what nothing of the products needs.
func undrawn(dir string) bool {
	return dir == "core/mutant" || dir == "console/earlyterm" || strings.HasSuffix(dir, "test") ||
		strings.HasSuffix(dir, "tidy") || dir == "core/kv/memstore" || strings.HasPrefix(dir, "core/sim")
}

// imported gives for each package those of ours that it imports, tests left out.
func imported(sources []*source) map[string]map[string]bool {
	edges := map[string]map[string]bool{}
	for _, s := range sources {
		dir := filepath.ToSlash(filepath.Dir(s.path))
		if s.test || undrawn(dir) {
			continue
		}
		if edges[dir] == nil {
			edges[dir] = map[string]bool{}
		}
		for path := range s.imports() {
			if to, ours := strings.CutPrefix(path, "synod/"); ours && !undrawn(to) {
				edges[dir][to] = true
			}
		}
	}
	return edges
}

// reaches reports whether one package imports another over at least one other.
func reaches(edges map[string]map[string]bool, from, to string) bool {
	for next := range edges[from] {
		if next != to && (edges[next][to] || reaches(edges, next, to)) {
			return true
		}
	}
	return false
}

// diagram draws the packages. An arrow that follows from others is left out.
func diagram(edges map[string]map[string]bool) string {
	node := func(dir string) string { return strings.ReplaceAll(dir, "/", "_") }
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart LR\n")
	for _, group := range []string{"console", "daemon", "protocol", "core"} {
		b.WriteString("  subgraph " + group + "s [" + group + "]\n")
		for _, dir := range slices.Sorted(maps.Keys(edges)) {
			if dir == group || strings.HasPrefix(dir, group+"/") {
				b.WriteString("    " + node(dir) + "[" + strings.TrimPrefix(dir, group+"/") + "]\n")
			}
		}
		b.WriteString("  end\n")
	}
	for _, from := range slices.Sorted(maps.Keys(edges)) {
		var direct []string
		for _, to := range slices.Sorted(maps.Keys(edges[from])) {
			if !reaches(edges, from, to) {
				direct = append(direct, node(to))
			}
		}
		if len(direct) > 0 {
			b.WriteString("  " + node(from) + " --> " + strings.Join(direct, " & ") + "\n")
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// TestREADMEDiagram: the picture of the packages is what the sources import.
func TestREADMEDiagram(t *testing.T) {
	text := readTop(t, "README.md")
	before, rest, begins := strings.Cut(text, diagramBegin)
	have, after, ends := strings.Cut(rest, diagramEnd)
	if !begins || !ends {
		t.Fatalf("README.md has no diagram between %q and %q", diagramBegin, diagramEnd)
	}
	want := diagram(imported(tree(t)))
	if *rewrite {
		text := before + diagramBegin + want + diagramEnd + after
		if err := os.WriteFile("../../README.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want {
		t.Errorf("the diagram of README.md is not that of the sources (make golden writes it anew):\n%s\nwant\n%s", have, want)
	}
}
