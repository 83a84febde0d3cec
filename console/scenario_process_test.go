package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synod/console/command"
)

// TestScenarios: each shipped scenario holds on five real replicas, and a copy whose main expectation is inverted fails
// with the exit code for that. A scenario that cannot fail proves nothing.
func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short")
	}
	for _, name := range command.ScenarioNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := synod(t, invocation{args: []string{"up", "--random-ports", "--scenario", name}})
			if got.code != command.ExitOK {
				t.Errorf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
			}
		})
		t.Run(name+"/inverted", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "inverted.synod")
			if err := os.WriteFile(file, invertedScenario(t, name), 0o600); err != nil {
				t.Fatal(err)
			}
			got := synod(t, invocation{dir: dir, args: []string{"up", "--random-ports", "--yes", "-f", file}})
			if got.code != command.ExitUnmet || !strings.Contains(got.stderr, "NOT met") {
				t.Errorf("exit code %d, want %d:\n%s%s", got.code, command.ExitUnmet, got.stdout, got.stderr)
			}
		})
	}
}

// invertedScenario puts the line behind the marker in the place of the one in front of it.
func invertedScenario(t *testing.T, name string) []byte {
	t.Helper()
	text, ok := command.Scenario(name)
	if !ok {
		t.Fatalf("no scenario %s", name)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if other, ok := strings.CutPrefix(line, "# inverted: "); ok {
			lines[i-1] = other
			return []byte(strings.Join(lines, "\n"))
		}
	}
	t.Fatalf("scenario %s marks no line to be inverted", name)
	return nil
}
