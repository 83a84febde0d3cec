package main

import (
	"encoding/json"
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

// TestLooksOnRealReplicas: what the commands that only look find on five real replicas, as objects for programs.
func TestLooksOnRealReplicas(t *testing.T) {
	t.Parallel()
	batch := strings.Join([]string{
		"wait leader", "set old=${leader} peer=${follower}", "repeat 5 put look/${i} ${i}", "wait converged",
		"status", "replicas", "leader", "metrics", "metrics r2", "stat count=2 every=100ms", "latency", "latency over=100ms",
		"slots last 3", "slots 1..2", "slot 2", "ballots", "digest @all", "logs limit=20", "logs r1 level=warn match=nothing",
		"cut ${old} ${peer} for=30s", "delay r1 r2 5ms", "faults", "undo", "heal ${old} ${peer}", "assert faults = 0",
		"assert linearizable", "",
	}, "\n")
	got := synod(t, invocation{stdin: batch, args: []string{"up", "--random-ports", "--yes", "--output", "json", "-f", "-"}})
	if got.code != command.ExitOK {
		t.Fatalf("exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	seen := map[string]int{}
	for line := range strings.Lines(got.stdout) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil || object["v"] != 1.0 {
			t.Fatalf("%v: %s", err, line)
		}
		if report, ok := object["report"].(string); ok {
			seen[report]++
		}
		if object["report"] == "digest" && object["verdict"] != "same" {
			t.Error(line)
		}
	}
	for report, least := range map[string]int{
		"status": 5, "replicas": 5, "leader": 1, "metrics": 40, "stat": 2, "latency": 1, "slots": 4, "slot": 4, "ballots": 1,
		"digest": 5, "logs": 10, "faults": 2,
	} {
		if seen[report] < least {
			t.Errorf("%d rows of %s, want at least %d:\n%s", seen[report], report, least, got.stdout)
		}
	}
}
