package tidy

import (
	"go/ast"
	"slices"
)

// screenPackages are the ones that draw and take keys. A screen that waits for a file or a socket stands still, so what
// they need comes in as a snapshot, and what they want done goes out as a command.
func screenPackages() []string {
	return []string{"console/app", "console/panel", "console/state", "console/theme"}
}

// screenBanned are imports of packages that read, write or wait.
func screenBanned() []string {
	return []string{
		"os", "os/exec", "os/signal", "io/fs", "net", "net/http", "syscall", "bufio", "database/sql", "log",
		"crypto/rand", "math/rand", "math/rand/v2", "synod/console/feed", "synod/protocol/client",
	}
}

// screenDoors are the files between the screen and the rest: they have locks, goroutines and a clock, and Update calls
// of them only what returns at once.
func screenDoors() map[string]string {
	return map[string]string{
		"console/app/desk.go":  "takes commands to the executor and keeps what they show",
		"console/app/guard.go": "starts goroutines",
	}
}

// screenRule finds what would make the screen wait, or differ from one run to the next.
func screenRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		if s.test || !slices.Contains(screenPackages(), s.dir) || screenDoors()[s.path] != "" {
			continue
		}
		for imported, node := range s.imports() {
			if slices.Contains(screenBanned(), imported) {
				found = append(found, s.at(node, "imports %q: a screen does no input or output, it asks its source", imported))
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.GoStmt:
				found = append(found, s.at(n, "go statement: goroutines of the screen start through the guard"))
			case *ast.SelectStmt:
				found = append(found, s.at(n, "select: a screen waits for nothing"))
			case *ast.SelectorExpr:
				waits := []string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(waits, n.Sel.Name) {
					found = append(found, s.at(n, "time.%s: the time of a screen is that of its snapshot", n.Sel.Name))
				}
			}
			return true
		})
	}
	return found
}
