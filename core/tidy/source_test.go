package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// root is the top of the repository as seen from this package.
const root = "../.."

// source is one parsed Go file.
type source struct {
	path string // slash-separated, from the top of the repository
	dir  string
	test bool
	text string
	fset *token.FileSet
	file *ast.File
}

// finding is a broken rule, at a place.
type finding struct {
	path string
	line int
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text) }

func (s *source) at(node ast.Node, format string, args ...any) finding {
	return finding{s.path, s.fset.Position(node.Pos()).Line, fmt.Sprintf(format, args...)}
}

// line returns the text of the line on which a node begins.
func (s *source) line(node ast.Node) string {
	lines := strings.Split(s.text, "\n")
	return lines[s.fset.Position(node.Pos()).Line-1]
}

func parse(name, text string) (*source, error) { return parseInto(token.NewFileSet(), name, text) }

func parseInto(fset *token.FileSet, name, text string) (*source, error) {
	s := &source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), text: text, fset: fset}
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	s.file = file
	return s, err
}

// planted parses a source that exists only in a test.
func planted(t *testing.T, name, text string) []*source {
	t.Helper()
	s, err := parse(name, text)
	if err != nil {
		t.Fatalf("the planted source does not parse: %v", err)
	}
	return []*source{s}
}

// tree parses all Go files of the repository.
func tree(t *testing.T) []*source {
	t.Helper()
	var all []*source
	for _, top := range []string{"core", "protocol", "daemon", "console"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			s, err := parse(filepath.ToSlash(relative), string(text))
			if err != nil {
				return err
			}
			all = append(all, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// readTop reads a file by its path from the top of the repository.
func readTop(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// imports returns the paths that a file imports, with their nodes.
func (s *source) imports() map[string]ast.Node {
	found := map[string]ast.Node{}
	for _, spec := range s.file.Imports {
		found[strings.Trim(spec.Path.Value, `"`)] = spec
	}
	return found
}

// mustExist fails unless a file or a folder of the repository exists.
func mustExist(t *testing.T, document, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, name)); err != nil {
		t.Errorf("%s points to %s, which is not there", document, name)
	}
}
