package panel

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// Prompt is the line on which a person types. If the text is longer than the line, the part around the cursor is seen.
func Prompt(line *state.Line, t *theme.Theme, width int) string {
	lead := " " + t.Glyphs.Prompt + " "
	room := width - ansi.StringWidth(lead) - 1
	if room < 2 {
		return fit(line.Before()+line.After(), width)
	}
	under, rest := " ", ""
	if after := []rune(line.After()); len(after) > 0 {
		under, rest = string(after[:1]), string(after[1:])
	}
	cursor := t.Cursor.Render(under)
	if t.Glyphs.Cursor != "" {
		cursor = t.Glyphs.Cursor + strings.TrimRight(under, " ")
	}
	before := line.Before()
	// A wide letter may be cut in half at either end: two cells are kept free for the signs that something is cut.
	if surplus := ansi.StringWidth(before) - (room - ansi.StringWidth(cursor) - 2); surplus > 0 {
		before = "…" + ansi.TruncateLeft(before, surplus+2, "")
	}
	return fit(styled(t.Title, lead)+before+cursor+rest, width)
}

// HintOptions say where the hint stands.
type HintOptions struct {
	Width int
	Other string // name of the pane that Tab shows instead of this one; "" if both are there
}

// Hint is the line above the prompt: what the command being typed takes, or what can be done.
func Hint(line *state.Line, grammar *command.Grammar, t *theme.Theme, options HintOptions) string {
	width := options.Width
	word, _, more := strings.Cut(strings.TrimLeft(line.Text(), " "), " ")
	if word == "" && options.Other != "" {
		return fit(styled(t.Quiet, " Tab "+options.Other+"   ? help   ↑↓ history   ctrl-C twice quits"), width)
	}
	if word == "" {
		return fit(styled(t.Quiet, " ? help   ↑↓ history   PgUp PgDn scroll   Tab completes   ctrl-C twice quits"), width)
	}
	if verb, ok := grammar.Verb(word); ok {
		return fit(" "+verb.Usage()+styled(t.Quiet, "   "+verb.Help), width)
	}
	var names []string
	for _, name := range grammar.Names() {
		if strings.HasPrefix(name, word) {
			names = append(names, name)
		}
	}
	switch {
	case more || len(names) == 0:
		return fit(styled(t.Bad, " unknown verb "+command.Quote(word))+styled(t.Quiet, "   ? lists all"), width)
	default:
		return fit(styled(t.Quiet, " "+strings.Join(names, "  ")), width)
	}
}

// Ask is the line above the prompt while a person must decide.
func Ask(question *state.Question, t *theme.Theme, width int) string {
	want := "y and Enter does it, anything else does not"
	if question.Type != "" {
		want = "type " + command.Quote(question.Type) + " to do it"
	}
	return fit(styled(t.Warning, " "+command.Visible(question.Text)+": "+want), width)
}

// Help is the whole screen of keys and commands.
func Help(keys [][2]string, grammar *command.Grammar, t *theme.Theme, size Size) string {
	lines := []string{styled(t.Title, " Keys")}
	for _, key := range keys {
		lines = append(lines, "  "+fit(key[0], 16)+" "+key[1])
	}
	lines = append(lines, "", styled(t.Title, " Roles"), "  "+legend(t), "", styled(t.Title, " Commands"))
	for text := range strings.Lines(grammar.Help()) {
		lines = append(lines, " "+strings.TrimRight(text, "\n"))
	}
	frame := pane{title: "Help", note: "any key closes it", width: size.Width, height: size.Height}
	return frame.draw(t, columned(lines, size))
}

func legend(t *theme.Theme) string {
	g := t.Glyphs
	return strings.Join([]string{
		g.Running + " works", g.Paused + " paused", g.Down + " crashed", g.Recovering + " refusing", g.Unknown + " unknown",
	}, "  ")
}

// helpCells is the width of a column of the help where there is room for two.
const helpCells = 58

// columned puts what does not fit below into a second column.
func columned(lines []string, size Size) []string {
	rows := size.Height - frameCells
	if len(lines) <= rows || size.Width < 2*helpCells || rows < 1 {
		return lines
	}
	out := make([]string, rows)
	for i := range out {
		out[i] = fit(lines[i], helpCells)
		if second := rows + i; second < len(lines) {
			out[i] += lines[second]
		}
	}
	return out
}

// Notice is the line above the prompt when there is something to say.
func Notice(text string, t *theme.Theme, width int) string {
	return fit(styled(t.Warning, " "+text), width)
}
