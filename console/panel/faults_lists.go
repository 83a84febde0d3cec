package panel

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// quorumPane says what the cluster can do now, and what the chosen act would change.
func quorumPane(c *state.Console, t *theme.Theme, size Size, v *FaultsView) string {
	inner := size.Width - frameCells
	lines := quorumLines(c, t)
	if rest := risks(c); rest != "" {
		lines = append(lines, row("at risk", styled(t.Warning, rest)))
	}
	if act := actLines(c, t, v, inner); len(act) > 0 {
		lines = append(lines, "")
		lines = append(lines, act...)
	}
	return pane{
		title: "What the quorum can do now", width: size.Width, height: size.Height, focused: v.Pane == FaultsQuorum,
	}.draw(t, lines)
}

const labelCells = 21

func row(label, text string) string { return " " + fit(label, labelCells) + " " + text }

func quorumLines(c *state.Console, t *theme.Theme) []string {
	now := c.Quorum().Verdict()
	count := fmt.Sprintf("%d of %d, need %d", len(now.Answering), now.Replicas, now.Majority)
	writes := styled(t.Good, now.WritesText())
	switch {
	case !now.Writable():
		writes = styled(t.Bad, now.WritesText())
	case now.Spare == 0:
		writes = styled(t.Warning, now.WritesText())
	}
	return []string{
		row("acceptors answering", fit(named(now.Answering), 15)+" "+count),
		row("writes", strings.Replace(writes, "writes ", "", 1)),
		row("updates taken at", named(now.Writes)),
		row("linearizable reads at", named(now.Reads)),
		row("can be elected", named(now.Electable)),
	}
}

func named(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return command.Visible(strings.Join(names, " "))
}

// risks names the replicas that lack chosen slots.
func risks(c *state.Console) string {
	var words []string
	for i := range c.Replicas {
		o := &c.Replicas[i]
		switch behind := c.Behind(o); {
		case !o.Known || behind == 0:
		case !o.Fresh(c.Now):
			words = append(words, fmt.Sprintf("%s lacks %s", name(o), grouped(behind)))
		case behind > behindMax:
			words = append(words, fmt.Sprintf("%s %s behind", name(o), grouped(behind)))
		}
	}
	return strings.Join(words, ", ")
}

// actLines tell what the chosen act would do, or why there are none.
func actLines(c *state.Console, t *theme.Theme, v *FaultsView, inner int) []string {
	if v.Locked != "" {
		return wrapped(" locked: "+v.Locked, inner, t.Warning.Render)
	}
	effect, known := c.Foresee(v.Act)
	if !known {
		return nil
	}
	look := t.Plain.Render
	switch {
	case !effect.After.Writable():
		look = t.Bad.Render
	case effect.After.Spare == 0:
		look = t.Warning.Render
	}
	text := fmt.Sprintf(" before you act: %s %s %s", command.Visible(v.Act), t.Glyphs.Arrow, effect.Sentence)
	return wrapped(text, inner, look)
}

// wrapped breaks a text between words; what follows is indented.
func wrapped(text string, width int, look func(...string) string) []string {
	var lines []string
	for i, line := range strings.Split(ansi.Wordwrap(text, max(width-2, 8), ""), "\n") {
		if i > 0 {
			line = " " + strings.TrimLeft(line, " ")
		}
		lines = append(lines, look(line))
	}
	return lines
}

// activePane lists the faults in force.
func activePane(c *state.Console, t *theme.Theme, size Size, v *FaultsView) string {
	inner := size.Width - frameCells
	faults := c.Injected()
	lines := activeLines(c, t, faults, inner, v)
	note := ""
	if len(faults) > 0 {
		note = fmt.Sprint(len(faults))
	}
	if room := size.Height - frameCells; room >= len(lines)+3 {
		for len(lines) < room-2 {
			lines = append(lines, "")
		}
		lines = append(lines, styled(t.Quiet, " u undo the newest of ours     Enter ends the chosen one"),
			styled(t.Quiet, " H heal everything"))
	}
	return pane{
		title: "Active faults", note: note, width: size.Width, height: size.Height, focused: v.Pane == FaultsActive,
	}.draw(t, lines)
}

func activeLines(c *state.Console, t *theme.Theme, faults []state.Injected, inner int, v *FaultsView) []string {
	if len(faults) == 0 {
		text := " none"
		if chaosAt := chaotic(c); chaosAt != "" {
			text = " none at this moment; random faults are on at " + chaosAt
		}
		return []string{styled(t.Quiet, text)}
	}
	what := max(inner-30, 12)
	lines := []string{styled(t.Quiet, "   "+fit("WHAT", what)+" "+fit("AGE", 6)+fit("LEFT", 6)+"BY")}
	for i := range faults {
		f := &faults[i]
		left := "-"
		if !f.Until.IsZero() {
			left = span(f.Until.Sub(c.Now))
		}
		mark := "   "
		chosen := v.Pane == FaultsActive && v.Fault == i
		if chosen {
			mark = " " + t.Glyphs.Select + " "
		}
		age := "-"
		if !f.Since.IsZero() {
			age = span(c.Now.Sub(f.Since))
		}
		text := fit(command.Visible(f.What), what) + " " + fit(age, 6) + fit(left, 6) +
			command.Visible(state.Person(f.Owner))
		look := t.Warning
		if f.Old {
			look = t.Old
		}
		if chosen {
			look = t.Select
		}
		lines = append(lines, mark+styled(look, fit(text, inner-3)))
	}
	if chaosAt := chaotic(c); chaosAt != "" {
		lines = append(lines, styled(t.Warning, "    random faults are on at "+chaosAt))
	}
	return lines
}

// chaotic names the replicas whose random faults are on.
func chaotic(c *state.Console) string {
	var names []string
	for i := range c.Replicas {
		if o := &c.Replicas[i]; o.Fresh(c.Now) && o.Status.Chaos {
			names = append(names, name(o))
		}
	}
	return strings.Join(names, " ")
}

// faultsAndQuorum is for screens that have no room for both.
func faultsAndQuorum(c *state.Console, t *theme.Theme, size Size, v *FaultsView) string {
	inner := size.Width - frameCells
	now := c.Quorum().Verdict()
	room := size.Height - frameCells
	act := actLines(c, t, v, inner)
	lines := activeLines(c, t, c.Injected(), inner, v)
	if v.Pane == FaultsQuorum {
		lines = quorumLines(c, t)
	}
	if v.Pane == FaultsHistory {
		lines = historyLines(c, t, inner)
	}
	lines = lines[:min(len(lines), max(room-len(act), 0))]
	for len(lines) < room-len(act) {
		lines = append(lines, "")
	}
	return pane{
		title:   fmt.Sprintf("Quorum %d of %d, need %d: %s", len(now.Answering), now.Replicas, now.Majority, now.WritesText()),
		note:    [...]string{"faults", "faults", "quorum", "faults", "history"}[v.Pane],
		width:   size.Width,
		height:  size.Height,
		focused: v.Pane >= FaultsQuorum,
	}.draw(t, append(lines, act...))
}

// historyPane lists the faults that this screen has seen, with what they did.
func historyPane(c *state.Console, t *theme.Theme, size Size, v *FaultsView) string {
	inner := size.Width - frameCells
	lines := historyLines(c, t, inner)
	scenarios := ""
	if len(v.Scenarios) > 0 {
		scenarios = " :scenario  " + strings.Join(v.Scenarios, "  ")
	}
	room := size.Height - frameCells
	if scenarios != "" && room >= 3 {
		room -= 1
	}
	from := min(v.Scroll, max(len(lines)-room, 0))
	lines = lines[from:min(len(lines), from+max(room, 0))]
	if scenarios != "" && size.Height-frameCells >= 3 {
		for len(lines) < room {
			lines = append(lines, "")
		}
		lines = append(lines, styled(t.Quiet, fit(scenarios, inner)))
	}
	return pane{
		title: "Fault history", note: "newest first", width: size.Width, height: size.Height,
		focused: v.Pane == FaultsHistory,
	}.draw(t, lines)
}

func historyLines(c *state.Console, t *theme.Theme, inner int) []string {
	episodes := c.Episodes.List
	if len(episodes) == 0 {
		return []string{styled(t.Quiet, " no fault since this screen was opened")}
	}
	lines := make([]string, 0, len(episodes))
	for i := len(episodes) - 1; i >= 0; i-- {
		e := &episodes[i]
		what, owner := command.Visible(e.What), command.Visible(state.Person(e.Owner))
		head := " " + styled(t.Quiet, e.Since.Local().Format(clockFormat)) + "  "
		if inner < historyWideMin {
			lines = append(lines, head+what+styled(t.Quiet, "  "+owner), "   "+effectText(c, e, t))
			continue
		}
		if ansi.StringWidth(what) > historyWhatCells {
			what = ansi.Truncate(what, historyWhatCells, t.Glyphs.Ellipsis)
		}
		lines = append(lines, head+fit(what, historyWhatCells)+" "+fit(owner, 14)+" "+effectText(c, e, t))
	}
	return lines
}

const (
	historyWideMin   = 90 // below that a fault takes two lines
	historyWhatCells = 32
)

// effectText says what was seen while a fault lasted.
func effectText(c *state.Console, e *state.Episode, t *theme.Theme) string {
	var words []string
	arrow := t.Glyphs.Arrow
	if e.Old() {
		words = append(words, "older than this screen")
	} else {
		if e.AnswersBefore != e.AnswersAfter {
			words = append(words, fmt.Sprintf("acceptors %d%s%d", e.AnswersBefore, arrow, e.AnswersAfter))
		}
		words = append(words, leaderText(c, e, t))
		if e.Failed > 0 {
			words = append(words, styled(t.Bad, fmt.Sprintf("%s failed", grouped(e.Failed))))
		}
		if e.P99Before > 0 && e.P99After > 0 {
			words = append(words, fmt.Sprintf("p99 %s%s%s ms", ms(e.P99Before), arrow, ms(e.P99After)))
		}
	}
	if !e.Ended.IsZero() {
		words = append(words, "lasted "+span(e.Ended.Sub(e.Since)))
	}
	return strings.Join(words, "  ")
}

func leaderText(c *state.Console, e *state.Episode, t *theme.Theme) string {
	switch {
	case e.LeaderAfter != "" && e.LeaderBefore != "":
		return styled(t.Warning, fmt.Sprintf("leader %s%s%s in %.2f s", e.LeaderBefore, t.Glyphs.Arrow, e.LeaderAfter,
			e.LeaderIn.Seconds()))
	case e.NoLeader(c):
		return styled(t.Bad, "no leader since")
	}
	return "no leader change"
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
