package command

import (
	"strings"
	"testing"
	"time"
)

// inverted is the marker of a scenario: the line behind it must make the run fail when it takes the place of the line
// in front of it.
const inverted = "# inverted: "

// TestScenariosAreComplete: each parses, says what it shows, expects something that can be inverted, judges its own
// history and leaves nothing broken. That they hold on real replicas, and fail inverted, is tested with processes.
func TestScenariosAreComplete(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	if len(ScenarioNames()) < 7 {
		t.Errorf("only %v", ScenarioNames())
	}
	for _, name := range ScenarioNames() {
		text, ok := Scenario(name)
		if !ok {
			t.Fatal(name)
		}
		if _, err := NewParser(grammar, nil).Script(name, text); err != nil {
			t.Error(err)
		}
		if title := scenarioTitle(name); len(title) < 20 || !strings.HasSuffix(title, ".") {
			t.Errorf("%s: the first line is no title: %q", name, title)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		marked := 0
		for i, line := range lines {
			if other, ok := strings.CutPrefix(line, inverted); ok {
				marked++
				if strings.Fields(other)[0] != strings.Fields(lines[i-1])[0] {
					t.Errorf("%s:%d: %q is not the inverse of %q", name, i+1, other, lines[i-1])
				}
			}
		}
		if marked != 1 {
			t.Errorf("%s has %d lines that begin with %q, want one", name, marked, inverted)
		}
		for _, want := range []string{"assert linearizable", "onerror=stop"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if last := lines[len(lines)-1]; last != "assert faults = 0" {
			t.Errorf("%s ends with %q", name, last)
		}
	}
	if _, ok := Scenario("../demo/main"); ok {
		t.Error("a name reaches out of the folder")
	}
}

// TestAScenarioThatFailsLeavesNothingBroken: the run goes on behind it, and what it broke is taken back.
func TestAScenarioThatFailsLeavesNothingBroken(t *testing.T) {
	// In this fake r2 leads for ever, also when it is down, so the wait fails.
	out, summary := play(t, newFake(), Settings{ClusterName: "demo", Yes: true}, "scenario leader-crash\nput b 2 @r3\nassert faults = 0\n")
	if summary.ExitCode() != ExitFailed || !strings.Contains(out, "NOT as expected") || !strings.Contains(out, "undo crash r2") ||
		!strings.Contains(out, "put b 2") || summary.Unmet > 0 {
		t.Errorf("exit %d\n%s", summary.ExitCode(), out)
	}
	if summary.Elapsed > time.Minute {
		t.Error(summary.Elapsed)
	}
}

func TestAScenarioAsksOnce(t *testing.T) {
	out, summary := play(t, newFake(), Settings{ClusterName: "demo"}, "scenario one-way-link\n")
	if summary.ExitCode() != ExitFailed || !strings.Contains(out, "give --yes") || strings.Contains(out, "put ") {
		t.Errorf("exit %d\n%s", summary.ExitCode(), out)
	}
	out, summary = play(t, newFake(), Settings{ClusterName: "demo", ReadOnly: true, Yes: true}, "scenario one-way-link\n")
	if summary.ExitCode() != ExitFailed || !strings.Contains(out, "read-only") {
		t.Errorf("exit %d\n%s", summary.ExitCode(), out)
	}
}
