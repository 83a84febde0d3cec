package tidy

import (
	"go/ast"
	"go/token"
	"strings"
)

// variableExceptions are package-level variables that are neither errors nor
// read-only tables, with the reason why they must exist.
func variableExceptions() map[string]string {
	return map[string]string{
		"console built":          "the test builds the programs once for all its cases",
		"console programs":       "the test builds the programs once for all its cases",
		"console/earlyterm had":  "the terminal has to be hidden before other packages' initialisation runs",
		"console/earlyterm term": "the terminal has to be hidden before other packages' initialisation runs",
	}
}

// variableRule allows as package-level variables: errors, tables that nobody
// changes, embedded files, and checks of interfaces.
func variableRule(sources []*source) []finding {
	changed := map[string]bool{}
	for _, s := range sources {
		for _, name := range changedIn(s.file) {
			changed[s.dir+" "+name] = true
		}
	}
	var found []finding
	for _, s := range sources {
		for _, declaration := range s.file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				embedded := embeds(general.Doc) || embeds(spec.(*ast.ValueSpec).Doc)
				found = append(found, judgeVariables(s, spec.(*ast.ValueSpec), embedded, changed)...)
			}
		}
	}
	return found
}

func judgeVariables(s *source, spec *ast.ValueSpec, embedded bool, changed map[string]bool) []finding {
	var found []finding
	for i, name := range spec.Names {
		key := s.dir + " " + name.Name
		constant := len(spec.Values) > i && isConstant(spec.Values[i])
		switch {
		case name.Name == "_" || embedded || variableExceptions()[key] != "":
		case s.test && len(spec.Values) > i && isFlag(spec.Values[i]): // how Go's tests take arguments
		case changed[key]:
			found = append(found, s.at(name, "package-level variable %s is changed: state belongs to somebody, "+
				"who is created, passed on and ended", name.Name))
		case !constant:
			found = append(found, s.at(name, "package-level variable %s: only errors and tables that nobody changes",
				name.Name))
		}
	}
	return found
}

func embeds(comment *ast.CommentGroup) bool {
	if comment == nil {
		return false
	}
	for _, c := range comment.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// isConstant reports whether an expression makes an error or a table.
func isConstant(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		return true
	case *ast.BasicLit:
		return true
	case *ast.CallExpr:
		switch called(v) {
		case "errors.New", "fmt.Errorf", "crc32.MakeTable", "regexp.MustCompile", "strings.NewReplacer":
			return true
		}
	}
	return false
}

func isFlag(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	return ok && strings.HasPrefix(called(call), "flag.")
}

func called(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + selector.Sel.Name
}

// changedIn returns the names that are assigned to, by themselves or by an element,
// and are not declared in the function that does so.
func changedIn(file *ast.File) []string {
	var names []string
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil {
			continue
		}
		local := declaredIn(function)
		ast.Inspect(function, func(node ast.Node) bool {
			var targets []ast.Expr
			switch n := node.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					targets = n.Lhs
				}
			case *ast.IncDecStmt:
				targets = []ast.Expr{n.X}
			}
			for _, target := range targets {
				if name := base(target); name != "" && !local[name] {
					names = append(names, name)
				}
			}
			return true
		})
	}
	return names
}

// declaredIn returns every name that a function declares anywhere.
func declaredIn(function *ast.FuncDecl) map[string]bool {
	local := map[string]bool{}
	ast.Inspect(function, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, target := range n.Lhs {
					local[base(target)] = true
				}
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				local[name.Name] = true
			}
		case *ast.Field:
			for _, name := range n.Names {
				local[name.Name] = true
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				local[base(n.Key)], local[base(n.Value)] = true, true
			}
		}
		return true
	})
	return local
}

// base returns the variable that an expression reaches into.
func base(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

func initRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		for _, declaration := range s.file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				found = append(found, s.at(f, "func init: what happens at start stands in main, in order"))
			}
		}
	}
	return found
}
