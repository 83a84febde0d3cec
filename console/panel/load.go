package panel

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
	"synod/console/verdict"
	"synod/console/workload"
)

// LoadField is one line of the form of a load.
type LoadField struct{ Name, Value string }

// LoadView is what a person has chosen on the screen of the load.
type LoadView struct {
	Fields []LoadField
	Field  int  // the chosen one
	Used   bool // the form was touched since the start
	Back   int  // seconds that the charts are behind the newest
	Pane   int  // that has the keys: workload, charts, operations, verdict
	Alone  bool // it alone is seen
}

// Panes of the load's screen.
const (
	LoadPaneForm = iota
	LoadPaneCharts
	LoadPaneOperations
	LoadPaneVerdict
)

// Sizes of the load's screen.
const (
	loadFormWidth     = 34
	loadTwoColumns    = 100 // width from which the form stands beside the charts
	loadOperationRows = 9
	loadVerdictRows   = 2 // on a narrow screen, without a frame
)

// Load is the built-in workload and the verdict on its history.
func Load(c *state.Console, t *theme.Theme, size Size, v LoadView) string {
	if v.Alone || size.Height < 16 {
		return loadPane(c, t, size, v, v.Pane)
	}
	if size.Width < loadTwoColumns {
		operations, verdicts := 6, loadVerdictRows
		charts := size.Height - operations - verdicts
		first := LoadPaneCharts
		if v.Pane == LoadPaneForm && (v.Used || !c.Load.Progress.Running) {
			first = LoadPaneForm
		}
		return strings.Join([]string{
			loadPane(c, t, Size{size.Width, charts}, v, first),
			loadPane(c, t, Size{size.Width, operations}, v, LoadPaneOperations),
			loadPane(c, t, Size{size.Width, verdicts}, v, LoadPaneVerdict),
		}, "\n")
	}
	lower := loadOperationRows
	upper := size.Height - lower
	half := size.Width / 2
	return strings.Join([]string{
		beside(
			loadPane(c, t, Size{loadFormWidth, upper}, v, LoadPaneForm),
			loadPane(c, t, Size{size.Width - loadFormWidth, upper}, v, LoadPaneCharts),
		),
		beside(
			loadPane(c, t, Size{half, lower}, v, LoadPaneOperations),
			loadPane(c, t, Size{size.Width - half, lower}, v, LoadPaneVerdict),
		),
	}, "\n")
}

func loadPane(c *state.Console, t *theme.Theme, size Size, v LoadView, which int) string {
	p := &c.Load.Progress
	frame := pane{width: size.Width, height: size.Height, focused: v.Pane == which}
	inner := size
	if framed(size.Width, size.Height) {
		inner = Size{size.Width - frameCells, size.Height - frameCells}
	}
	var lines []string
	switch which {
	case LoadPaneForm:
		frame.title, frame.note = "Workload", loadPhase(c, t)
		lines = loadForm(t, inner, v)
	case LoadPaneCharts:
		frame.title = "Operations a second, and p99"
		if c.Load.Known {
			frame.note = fmt.Sprintf("%s · since %s", loadPhase(c, t), p.Started.Format(time.TimeOnly))
		}
		lines = loadCharts(c, t, inner, v)
	case LoadPaneOperations:
		frame.title = "By operation"
		lines = loadOperations(c, t, inner)
	default:
		frame.title = "Linearizability"
		lines = loadVerdict(c, t, inner)
	}
	return frame.draw(t, lines)
}

// loadPhase says what the load does.
func loadPhase(c *state.Console, t *theme.Theme) string {
	p := &c.Load.Progress
	switch {
	case !c.Load.Known:
		return "not started"
	case !p.Running:
		return p.Phase
	case p.Profile.Time > 0:
		return t.Good.Render("running") + ", " + span(p.Profile.Time-p.Elapsed) + " left"
	default:
		return t.Good.Render("running") + " " + span(p.Elapsed)
	}
}

func loadForm(t *theme.Theme, inner Size, v LoadView) []string {
	var lines []string
	for i, field := range v.Fields {
		text := fit(fmt.Sprintf("  %-10s%s", field.Name, field.Value), inner.Width)
		if i == v.Field && v.Pane == LoadPaneForm {
			text = t.Select.Render(fit(fmt.Sprintf("%s %-10s%s", t.Glyphs.Select, field.Name, field.Value), inner.Width))
		}
		lines = append(lines, text)
	}
	return lines
}

// loadSparkTail are the cells of the number behind a row of sparks.
const loadSparkTail = 12

func loadCharts(c *state.Console, t *theme.Theme, inner Size, v LoadView) []string {
	p := &c.Load.Progress
	if !c.Load.Known {
		return []string{"", "  No load was started. Enter starts the one on the form;", "  `load start PROFILE` does the same."}
	}
	seconds := p.Seconds[:max(0, len(p.Seconds)-v.Back)]
	var rates, slow, failed []float64
	last := workload.Second{At: c.Now}
	for i := range seconds {
		s := &seconds[i]
		rates = append(rates, float64(s.OK))
		slow = append(slow, float64(s.P99))
		failed = append(failed, float64(s.Failed+s.Unknown))
		last = *s
	}
	const sparks = 2
	above := chart{theme: t, values: rates, format: short, style: t.Graph}
	above.marks = loadMarks(c, last.At, above.columns(inner.Width))
	lines := above.draw(inner.Width, max(inner.Height-sparks, 1))
	columns := max(inner.Width-chartAxisCells-loadSparkTail, 0)
	return append(lines,
		fit("p99", chartAxisCells)+styled(t.Graph, spark(t, slow, columns, 0))+
			right(shortMillis(last.P99)+" ms", loadSparkTail),
		fit("fail", chartAxisCells)+styled(t.Bad, spark(t, failed, columns, 0))+
			right(fmt.Sprintf("%d a second", last.Failed+last.Unknown), loadSparkTail))
}

// loadMarks are the faults and changes of leader on the columns of the chart.
func loadMarks(c *state.Console, newest time.Time, columns int) (marks []chartMark) {
	for i := range c.History.Marks {
		mark := &c.History.Marks[i]
		back := int(newest.Sub(mark.At) / time.Second)
		if mark.Kind == state.FaultOver || back < 0 || back >= columns {
			continue
		}
		letter := "F"
		if mark.Kind == state.LeaderChange {
			letter = "L"
		}
		marks = append(marks, chartMark{back, letter, mark.Text})
	}
	return apart(marks, columns)
}

// shortMillis writes a duration in milliseconds with as many digits as say something.
func shortMillis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d <= 0:
		return "—"
	case ms < 10:
		return fmt.Sprintf("%.2f", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f", ms)
	default:
		return fmt.Sprintf("%.0f", ms)
	}
}

func loadOperations(c *state.Console, t *theme.Theme, inner Size) []string {
	p := &c.Load.Progress
	head := fmt.Sprintf("%-4s%9s%9s%7s%8s", "op", "sent", "ok", "failed", "unknown")
	wide := inner.Width >= 58
	latency := func(o *workload.Operation) string {
		text := fmt.Sprintf("%7s%7s", shortMillis(o.P50), shortMillis(o.P99))
		if wide {
			text += fmt.Sprintf("%7s", shortMillis(o.P999))
		}
		return text
	}
	if wide {
		head += fmt.Sprintf("%7s%7s%7s", "p50", "p99", "p99.9")
	} else {
		head += fmt.Sprintf("%7s%7s", "p50", "p99")
	}
	lines := []string{t.Quiet.Render(fit(head, inner.Width))}
	for i := range p.Operations {
		o := &p.Operations[i]
		if o.Kind == "" {
			o.Kind = [...]verdict.Kind{verdict.Put, verdict.Get, verdict.Delete}[i]
		}
		text := fmt.Sprintf("%-4s%9s%9s%7s%8s", o.Kind, grouped(uint64(o.Sent)), grouped(uint64(o.OK)), grouped(uint64(o.Failed)),
			grouped(uint64(o.Unknown)))
		lines = append(lines, text+latency(o))
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(p.Failures)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", p.Failures[kind], kind))
	}
	if len(kinds) > 0 {
		lines = append(lines, t.Warning.Render("failures: "+strings.Join(kinds, ", ")))
	}
	if p.Problem != "" {
		lines = append(lines, t.Warning.Render(command.Visible(p.Problem)))
	}
	return lines
}

func loadVerdict(c *state.Console, t *theme.Theme, inner Size) []string {
	p := &c.Load.Progress
	v := &p.Verdict
	switch {
	case !c.Load.Known:
		return []string{"what clients see is judged while a load runs"}
	case !p.Recorded:
		return []string{"not judged (verify=off)"}
	}
	word := t.Good.Render("✓ " + string(v.Word))
	switch v.Word {
	case verdict.Violation:
		word = t.Bad.Render(t.Glyphs.Failed + " " + string(v.Word))
	case verdict.Undecided:
		word = t.Warning.Render("? " + string(v.Word))
	}
	if inner.Height <= 2 {
		return []string{fmt.Sprintf("%s: %s operations, %s keys, %s behind", word, grouped(uint64(v.Checked)),
			grouped(uint64(v.Keys)), span(v.Behind)), loadFailing(v)}
	}
	lines := []string{
		"verdict   " + word,
		fmt.Sprintf("judged    %s operations, %s keys", grouped(uint64(v.Checked)), grouped(uint64(v.Keys))),
		fmt.Sprintf("behind    %s   %s wait (at most %s)", span(v.Behind), grouped(uint64(v.Waiting)),
			grouped(verdict.WaitingMax)),
	}
	if v.Failing != nil {
		lines = append(lines, t.Bad.Render("no order explains "+command.Visible(v.Failing.Key)+" (before: "+
			command.Visible(v.Failing.From)+")"))
		for i := range v.Failing.Shortest {
			lines = append(lines, t.Bad.Render("  "+loadStep(&v.Failing.Shortest[i])))
		}
		return lines
	}
	lines = append(lines, fmt.Sprintf("unknown   %d updates may have taken effect or not", v.Unknown))
	if v.Slowed > 0 {
		lines = append(lines, t.Warning.Render(fmt.Sprintf("slowed    the load waited %d times for the judge", v.Slowed)))
	}
	lines = append(lines, fmt.Sprintf("time      %.2f s of the judge", v.Spent.Seconds()))
	if p.History != "" {
		lines = append(lines, "history   "+command.Visible(p.History))
	}
	return lines
}

// loadStep is one operation of a failing history, as short as it can be said.
func loadStep(o *verdict.Operation) string {
	what := string(o.Kind)
	switch {
	case o.Kind == verdict.Put:
		what += " " + o.Value
	case o.Kind == verdict.Get && o.Found:
		what += " = " + o.Value
	case o.Kind == verdict.Get:
		what += " = none"
	}
	if o.Revision > 0 {
		what += fmt.Sprintf(" rev %d", o.Revision)
	}
	return fmt.Sprintf("%.3f–%.3f s  %s  %s c%d", o.Call.Seconds(), o.Return.Seconds(), command.Visible(what), o.Replica, o.Client)
}

// loadFailing is a violation on one line.
func loadFailing(v *verdict.Verdict) string {
	if v.Failing == nil {
		return ""
	}
	return fmt.Sprintf("key %s: %d operations have no order", command.Visible(v.Failing.Key), len(v.Failing.Shortest))
}
