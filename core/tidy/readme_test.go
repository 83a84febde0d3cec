package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// blocks returns the fenced blocks of one kind in a document.
func blocks(document, kind string) []string {
	var found []string
	for _, part := range strings.Split(document, "\n```"+kind+"\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		found = append(found, block)
	}
	return found
}

// commandTests says for every command of README.md which test runs it, or one that
// differs only in ports and folders; or that .ci/run does.
func commandTests() map[string]string {
	const ci = ".ci/run"
	return map[string]string{
		"make run":                             ci,
		"make build":                           ci,
		"make test":                            ci,
		"bin/synodd init --config config.toml": "TestOneServerAtATimeByHand",
		"bin/synodd --config config.toml --replica r1":                         "TestOneServerAtATimeByHand",
		"bin/synod put color red":                                              "TestUpRunsABatchOnRealReplicas",
		"bin/synod --host 127.0.0.1 --port 7103 --protocol tcp get color":      "TestOneServerAtATimeByHand",
		"bin/synod status":                                                     "TestOneServerAtATimeByHand",
		"bin/synodd config --config config.toml":                               "TestReadableRefusalsAtStart",
		"bin/synodd --config config.toml --check-config":                       "TestReadableRefusalsAtStart",
		"bin/synod --check -f console/command/demo/main.synod":                 "TestExitCodesWithoutACluster",
		"bin/synod up --random-ports --yes -f console/command/demo/main.synod": "TestUpRunsTheShippedFileAsTheREADMESays",
		"bin/synod up --random-ports --scenario leader-crash":                  "TestScenarios",
		"bin/synod bench --local --clients 64 --mix put":                       "TestBenchPrintsOneLineForPrograms",
	}
}

// TestREADMECommands: a newcomer's first commands are not the ones that nobody ran.
func TestREADMECommands(t *testing.T) {
	tests := map[string]bool{}
	for _, s := range tree(t) {
		for _, declaration := range s.file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && s.test {
				tests[f.Name.Name] = true
			}
		}
	}
	known := commandTests()
	seen := map[string]bool{}
	for _, block := range blocks(readTop(t, "README.md"), "sh") {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			seen[line] = true
			test := known[line]
			if test == ".ci/run" && strings.Contains(readTop(t, test), line) {
				continue
			}
			if !tests[test] {
				t.Errorf("README.md says %q, which no test runs (%q): add one and name it in commandTests", line, test)
			}
		}
	}
	for line := range known {
		if !seen[line] {
			t.Errorf("README.md does not say %q any more: take it from commandTests", line)
		}
	}
}

// TestREADMEPackages: the package map is the tree.
func TestREADMEPackages(t *testing.T) {
	inTree := map[string]bool{}
	for _, s := range tree(t) {
		if !s.test {
			inTree[s.dir] = true
		}
	}
	section, _, _ := strings.Cut(after(t, readTop(t, "README.md"), "\n### Packages\n"), "\n## ")
	inMap := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		inMap[row[1]] = true
		if !inTree[row[1]] {
			t.Errorf("the package map of README.md has %s, and the tree has not", row[1])
		}
	}
	for dir := range inTree {
		if !inMap[dir] {
			t.Errorf("%s is missing in the package map of README.md", dir)
		}
	}
}

func after(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("there is no %q", mark)
	}
	return rest
}

// TestREADMEQuotes: what README.md shows is what the program printed.
func TestREADMEQuotes(t *testing.T) {
	quoted := blocks(readTop(t, "README.md"), "text")
	life := after(t, readTop(t, "core/sim/testdata/life_of_a_put.txt"), "put client=1 key=a value=1 at=r1\n----\n")
	life, _, _ = strings.Cut(life, "\n\n")
	for what, want := range map[string]string{
		"the life of a PUT (core/sim/testdata/life_of_a_put.txt)": life,
		"the screen (console/app/testdata/overview-80x24.golden)": readTop(t, "console/app/testdata/overview-80x24.golden"),
	} {
		if !slices.Contains(quoted, strings.TrimSuffix(want, "\n")) {
			t.Errorf("README.md does not quote %s as it is now: copy it anew", what)
		}
	}
}

// TestREADMELinks: every file that a document points to is there.
func TestREADMELinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, name := range documents(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, found := range link.FindAllStringSubmatch(readTop(t, name), -1) {
			mustExist(t, name, path.Join(path.Dir(name), found[1]))
		}
	}
}

// putStation is where one step of a PUT is marked.
type putStation struct{ file, function string }

// lifeOfAPut are the stations, in order.
func lifeOfAPut() []putStation {
	return []putStation{
		{"protocol/client/", "Put"},
		{"daemon/gateway/", "update"},
		{"core/paxos/", "onPropose"},
		{"core/paxos/acceptor.go", "onAccept"},
		{"core/agent/agent.go", "Deliver"},
		{"core/paxos/learner.go", "onAccepted"},
		{"core/kv/", "ApplyBatch"},
		{"daemon/gateway/", "answer"},
	}
}

// putChain checks the marks of a PUT's life: each number once, in its function, and
// with the name of the next station.
func putChain(sources []*source) []finding {
	mark := regexp.MustCompile(`(?s)// PUT ([1-8])/8 .*?Next: ([^\n]+)`)
	seen := map[int]bool{}
	var found []finding
	for _, s := range sources {
		for _, declaration := range s.file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || s.test {
				continue
			}
			begin := f.Pos()
			if f.Doc != nil {
				begin = f.Doc.Pos()
			}
			text := s.text[s.fset.Position(begin).Offset:s.fset.Position(f.End()).Offset]
			for _, m := range mark.FindAllStringSubmatch(text, -1) {
				n := int(m[1][0] - '0')
				station := lifeOfAPut()[n-1]
				if seen[n] || !strings.HasPrefix(s.path, station.file) || f.Name.Name != station.function {
					found = append(found, s.at(f, "PUT %d/8 belongs to %s %s, once", n, station.file, station.function))
				}
				seen[n] = true
			}
		}
	}
	for n := range lifeOfAPut() {
		if !seen[n+1] {
			found = append(found, finding{lifeOfAPut()[n].file, 0, fmt.Sprintf("the mark PUT %d/8 is missing", n+1)})
		}
	}
	return found
}

func TestPutChain(t *testing.T) {
	for _, f := range putChain(tree(t)) {
		t.Error(f)
	}
	misplaced := planted(t, "core/kv/x.go", "package kv\n\n// PUT 3/8 wrong. Next: nothing.\nfunc f() {}\n")
	if found := putChain(misplaced); len(found) != 8 || !strings.Contains(found[0].text, "belongs to core/paxos") {
		t.Errorf("a misplaced mark and seven missing ones give %v", found)
	}
}
