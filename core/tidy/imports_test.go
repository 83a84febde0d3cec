package tidy

import (
	"bytes"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// layer says what the packages below a folder may import from this module.
type layer struct {
	folder  string   // the longest that fits a package decides
	allowed []string // packages, or folders with /... at the end
	std     bool     // besides, only the standard library
	reason  string
}

// layers are the directions of imports: console -> protocol <- daemon -> core.
func layers() []layer {
	return []layer{
		{"core/paxos", []string{"core/mutant"}, true, "paxos imports only core/mutant: the roles are pure values"},
		{"core/mutant", nil, true, "mutant only names things"},
		{"core/session", []string{"core/mutant"}, true, "sessions are shared by client and state machine and know neither"},
		{"core/config", nil, false, "config parses a file and does nothing else"},
		{"core/wal", []string{"core/mutant"}, false, "the log keeps records and does not know what they say"},
		{
			"core/kv",
			[]string{"core/kv/...", "core/session", "core/mutant"},
			false,
			"kv does not know paxos: it is a state machine, whoever orders its commands",
		},
		{
			"core/agent",
			[]string{"core/paxos", "core/wal", "core/mutant"},
			false,
			"an agent is one role and its log, nothing more",
		},
		{"core", []string{"core/..."}, false, "core decides and imports nothing above it"},
		{
			"protocol",
			[]string{"core/paxos", "core/session"},
			false,
			"protocol speaks: of the core it takes only the types that it carries",
		},
		{
			"protocol/client",
			[]string{"protocol/...", "core/paxos", "core/session", "core/config", "core/kv/...", "core/mutant"},
			false, "the client is protocol speaks plus what its commands and its configuration look like",
		},
		{
			"daemon",
			[]string{"daemon/...", "protocol/...", "core/..."},
			false,
			"daemon does: it joins core and protocol and knows no console",
		},
		{
			"console",
			[]string{"console/...", "protocol/...", "core/config"},
			false,
			"console shows: it reaches the cluster only through protocol",
		},
	}
}

func importRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		if s.test {
			continue // tests may look from above
		}
		l := layerOf(s.dir)
		for imported, node := range s.imports() {
			own, ours := strings.CutPrefix(imported, "synod/")
			switch {
			case ours && own != s.dir && !matches(l.allowed, own):
				found = append(found, s.at(node, "imports %q: %s", imported, l.reason))
			case !ours && l.std && strings.Contains(strings.Split(imported, "/")[0], "."):
				found = append(found, s.at(node, "imports %q: only the standard library: %s", imported, l.reason))
			}
		}
	}
	return found
}

func layerOf(dir string) layer {
	var best layer
	for _, l := range layers() {
		if (dir == l.folder || strings.HasPrefix(dir, l.folder+"/")) && len(l.folder) > len(best.folder) {
			best = l
		}
	}
	return best
}

func matches(patterns []string, pkg string) bool {
	for _, p := range patterns {
		folder, all := strings.CutSuffix(p, "/...")
		if pkg == folder || all && strings.HasPrefix(pkg, folder+"/") {
			return true
		}
	}
	return false
}

// TestLinks: what must never be linked into a program, through whatever import.
func TestLinks(t *testing.T) {
	for _, c := range []struct{ pkg, banned, reason string }{
		{"./daemon", "github.com/charmbracelet", "a server has no screen, and Charm packages ask the terminal at start"},
		{"./daemon", "github.com/muesli", "a server has no screen"},
		{"./console", "github.com/cockroachdb/pebble", "a client has no store: 20 MB and its goroutines"},
		{"./protocol/...", "github.com/cockroachdb/pebble", "whoever imports the client gets no store"},
		{"./protocol/...", "github.com/charmbracelet", "whoever imports the client gets no screen"},
	} {
		for _, dep := range strings.Fields(command(t, "go", "list", "-deps", c.pkg)) {
			if strings.HasPrefix(dep, c.banned) {
				t.Errorf("%s links %s: %s", c.pkg, dep, c.reason)
			}
		}
	}
	deps := command(t, "go", "list", "-deps", "./daemon")
	if !strings.Contains(deps, "github.com/cockroachdb/pebble") {
		t.Error("the daemon does not link Pebble, so this test looks at the wrong thing")
	}
}

// command runs a program at the top of the repository.
func command(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, stderr.String())
	}
	return string(out)
}

func packageNameRule(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		switch name := path.Base(s.dir); name {
		case "util", "utils", "common", "helpers", "types", "misc":
			found = append(found, s.at(s.file.Name, "package %s: a package is named by what it gives", name))
		}
	}
	return found
}
