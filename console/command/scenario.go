package command

import (
	"context"
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed scenarios/*.synod
var scenarios embed.FS

// ScenarioNames lists the shipped scenarios.
func ScenarioNames() []string {
	files, err := scenarios.ReadDir("scenarios")
	if err != nil {
		panic("command: the shipped scenarios cannot be listed: " + err.Error())
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(file.Name(), ".synod")
	}
	return names
}

// Scenario gives the text of a shipped scenario; false if there is none of that name.
func Scenario(name string) ([]byte, bool) {
	text, err := scenarios.ReadFile(scenarioFile(name))
	return text, err == nil
}

func scenarioFile(name string) string { return path.Join("scenarios", name+".synod") }

// scenarioTitle is the first line of a scenario, a comment that says what it shows.
func scenarioTitle(name string) string {
	text, _ := Scenario(name)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimLeft(line, "# "))
}

// scenarioList shows what there is.
func (e *Executor) scenarioList(_ context.Context, _ *frame, c *call) bool {
	var rows [][]string
	for _, name := range ScenarioNames() {
		rows = append(rows, []string{name, scenarioTitle(name)})
	}
	e.report(c, []string{"scenario", "shows"}, rows)
	return true
}

// scenario runs the lines of a scenario in a frame of their own, and takes back what they leave broken. The end of the
// lines is not that of the run.
func (e *Executor) scenario(ctx context.Context, f *frame, s *Statement) bool {
	name, _ := s.Args[0].Literal()
	c := &call{verb: s.Verb, at: s.At, args: []value{{text: name, known: true}}}
	err := e.writable()
	if err == nil {
		err = e.moderate(ctx, f, Danger{Command: shown(c), Effect: "means that faults are injected into this cluster, one after the other"})
	}
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	e.report(c, nil, [][]string{{fmt.Sprintf("scenario %s: %s", name, scenarioTitle(name))}})
	own := f.clone(f.random)
	own.yes, own.failed = true, false
	mark := e.Broken()
	met := e.Summary().Unmet
	e.run(ctx, own, s.Body)
	if e.Broken() > mark {
		// Also after ctrl-C: whoever ends a story early does not want to keep its faults.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), waitTimeoutDefault)
		e.undoBehind(clean, own, c, mark, true)
		cancel()
	}
	word := "as expected"
	if own.failed || e.Summary().Unmet > met {
		word, f.failed = "NOT as expected", true
	}
	if e.interrupted(ctx) {
		return false
	}
	e.report(c, nil, [][]string{{fmt.Sprintf("scenario %s: %s", name, word)}})
	return true
}
