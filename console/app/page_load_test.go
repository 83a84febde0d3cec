package app

import (
	"strings"
	"testing"
	"time"

	"synod/console/command"
	"synod/console/state"
	"synod/console/verdict"
	"synod/console/workload"
)

// loadScene is a load of 43 seconds over the faults of the scene.
func loadScene() *fake {
	f := scene()
	p := workload.Progress{
		Profile: workload.Profiles()[0], Running: true, Phase: workload.PhaseRunning, Prefix: "load/20261122-123924.000/",
		Started: noon().Add(-43 * time.Second), Elapsed: 43 * time.Second, Recorded: true,
		History:  "logs/load-20261122-123924.000.jsonl",
		Failures: map[string]int{"no_quorum": 212, "timeout": 4},
	}
	for i := range 43 {
		s := workload.Second{
			At: p.Started.Add(time.Duration(i) * time.Second), OK: 12_000 + 300*min(i, 20), P50: 900 * time.Microsecond,
			P99: time.Duration(4000+100*(i%7)) * time.Microsecond,
		}
		if i == 13 {
			s.OK, s.Failed, s.Unknown, s.P99 = 900, 212, 2, 41*time.Millisecond
		}
		p.Seconds = append(p.Seconds, s)
	}
	op := func(kind verdict.Kind, sent, failed, unknown int) workload.Operation {
		return workload.Operation{
			Kind: kind, Sent: sent, OK: sent - failed - unknown, Failed: failed, Unknown: unknown, P50: 900 * time.Microsecond,
			P90: 1800 * time.Microsecond, P99: 4600 * time.Microsecond, P999: 18_200 * time.Microsecond, Max: 41 * time.Millisecond,
		}
	}
	p.Operations = [3]workload.Operation{
		op(verdict.Put, 291_207, 110, 2), op(verdict.Get, 292_119, 104, 0), op(verdict.Delete, 5877, 0, 0),
	}
	p.Verdict = verdict.Verdict{
		Word: verdict.OKSoFar, Checked: 585_203, Keys: 9871, Waiting: 1412, Behind: 180 * time.Millisecond, Unknown: 2,
		Spent: 3100 * time.Millisecond,
	}
	f.load = state.Load{Known: true, Progress: p}
	return f
}

// violated is the same with a proof.
func violated() *fake {
	f := loadScene()
	v := &f.load.Progress.Verdict
	v.Word, v.Violations = verdict.Violation, 1
	operation := func(kind verdict.Kind, value string, revision uint64, call, ret time.Duration, replica string) verdict.Operation {
		return verdict.Operation{
			Client: 3, Kind: kind, Key: "load/x/000007", Value: value, Found: kind == verdict.Get, Revision: revision, Call: call,
			Return: ret, Replica: replica, Outcome: verdict.Done,
		}
	}
	v.Failing = &verdict.Failing{
		Key: "load/x/000007", From: "c1.8, revision 811",
		Shortest: []verdict.Operation{
			operation(verdict.Put, "c2.14", 902, 31*time.Second, 31*time.Second+time.Millisecond, "r1"),
			operation(verdict.Get, "c1.8", 811, 31*time.Second+4*time.Millisecond, 31*time.Second+5*time.Millisecond, "r3"),
		},
	}
	return f
}

func TestLoadScreens(t *testing.T) {
	goldenPage(t, "load", loadScene, "6")
	goldenPage(t, "load-start", scene, "6")
	goldenPage(t, "load-violation", violated, "6")
}

func TestLoadFormMakesCommands(t *testing.T) {
	f := scene()
	m := screen(t, f, 120, 36)
	keys(m, "6<enter>")
	keys(m, "<right><down><right><right>") // another profile, more puts
	keys(m, "<enter>")
	want := "load start mixed,load start read-heavy put=7"
	if got := strings.Join(f.submitted, ","); got != want {
		t.Errorf("submitted %q, want %q", got, want)
	}
}

func TestLoadFormTakesOnlyWhatTheCommandTakes(t *testing.T) {
	for field := range loadFields {
		f := scene()
		m := screen(t, f, 120, 36)
		keys(m, "6"+strings.Repeat("<down>", field))
		for _, direction := range []string{"<right>", "<left>"} {
			for range 14 {
				keys(m, direction+"<enter>")
			}
		}
		for _, line := range f.submitted {
			if _, err := command.NewParser(m.options.Grammar, nil).Line(line, command.Position{}); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestRunningLoadIsStoppedAndChanged(t *testing.T) {
	f := loadScene()
	m := screen(t, f, 120, 36)
	keys(m, "6av<enter>")
	if len(f.submitted) != 3 || !strings.HasPrefix(f.submitted[0], "load apply put=48 del=1 size=128 clients=64") ||
		f.submitted[1] != "load save" || f.submitted[2] != "load stop" {
		t.Errorf("submitted %q", f.submitted)
	}
	idle := scene()
	m = screen(t, idle, 120, 36)
	keys(m, "6a")
	if len(idle.submitted) != 0 || !strings.Contains(m.View(), "no load runs") {
		t.Errorf("without a load a submitted %q", idle.submitted)
	}
}

func TestLoadIsWalkedBack(t *testing.T) {
	f := loadScene()
	m := screen(t, f, 120, 36)
	keys(m, "6")
	before := m.View()
	keys(m, "<<>")
	if m.View() == before {
		t.Error("< shows nothing older")
	}
	keys(m, ">")
	if m.View() != before {
		t.Error("> does not come back")
	}
}

func TestLoadExports(t *testing.T) {
	f := loadScene()
	p := newLoadPage()
	c := state.Console{}.Observe(state.Snapshot{At: noon(), Replicas: f.replicas, Load: f.load})
	for _, format := range p.formats() {
		lines := strings.Split(strings.TrimSpace(string(p.export(&c, format))), "\n")
		want := 43
		if format == "csv" {
			want++
		}
		if len(lines) != want {
			t.Errorf("%s: %d lines, want %d", format, len(lines), want)
		}
	}
	if text := p.selection(&c); !strings.Contains(text, "OK so far") {
		t.Errorf("copied %q", text)
	}
	if p.unsaved(&c) == "" {
		t.Error("quitting does not ask while a load runs")
	}
}
