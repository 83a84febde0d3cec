package panel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// PromptView says what the bottom line shows.
type PromptView struct {
	Line      *state.Line
	Lead      string // sign before the text; "" for the prompt's own
	Focused   bool   // the letters go there
	Ghost     string // the rest of the best completion
	Searching bool   // the history is being searched
	Search    string // for this
	Found     string // and that is the hit
}

// Prompt is the line on which a person types. If the text is longer than the line, the part around the cursor is seen.
func Prompt(v PromptView, t *theme.Theme, width int) string {
	if v.Searching {
		text := " search of the history " + command.Quote(v.Search) + ": "
		return fit(styled(t.Title, text)+command.Visible(v.Found), width)
	}
	sign := v.Lead
	if sign == "" {
		sign = t.Glyphs.Prompt
	}
	lead := " " + sign + " "
	if !v.Focused {
		return fit(styled(t.Quiet, lead)+styled(t.Old, v.Line.Text()), width)
	}
	room := width - ansi.StringWidth(lead) - 1
	if room < 2 {
		return fit(v.Line.Before()+v.Line.After(), width)
	}
	under, rest := " ", ""
	if after := []rune(v.Line.After()); len(after) > 0 {
		under, rest = string(after[:1]), string(after[1:])
	} else if ghost := []rune(v.Ghost); len(ghost) > 0 {
		under, rest = string(ghost[:1]), styled(t.Ghost, string(ghost[1:]))
	}
	cursor := t.Cursor.Render(under)
	if t.Glyphs.Cursor != "" {
		cursor = t.Glyphs.Cursor + strings.TrimRight(under, " ")
	}
	before := v.Line.Before()
	// A wide letter may be cut in half at either end: two cells are kept free for the signs that something is cut.
	if surplus := ansi.StringWidth(before) - (room - ansi.StringWidth(cursor) - 2); surplus > 0 {
		before = t.Glyphs.Ellipsis + ansi.TruncateLeft(before, surplus+2, "")
	}
	return fit(styled(t.Title, lead)+before+cursor+rest, width)
}

// Hint is the line above the prompt when there is nothing to say.
func Hint(t *theme.Theme, width int) string {
	text := " : types a command    help VERB explains it"
	tail := "Tab completes " + t.Glyphs.Dot + " ^R history " + t.Glyphs.Dot + " Esc leaves "
	return fit(styled(t.Quiet, spread(text, tail, width)), width)
}

// spread puts two texts at both ends of so many cells; the second goes where there is no room for both.
func spread(left, right string, width int) string {
	room := width - ansi.StringWidth(left) - ansi.StringWidth(right)
	if room < 1 {
		return left
	}
	return left + strings.Repeat(" ", room) + right
}

// Syntax is the line above the prompt while a command is typed: what is wrong with it, or what its verb takes.
func Syntax(hint command.Hint, t *theme.Theme, width int) string {
	switch {
	case hint.Problem != "":
		return fit(styled(t.Bad, " "+command.Visible(hint.Problem))+styled(t.Quiet, "   "+hint.Usage), width)
	case hint.Usage != "":
		return fit(" "+hint.Usage+styled(t.Quiet, "   "+hint.Help), width)
	}
	return Hint(t, width)
}

// FilterHint is the line above a filter: what it has found.
func FilterHint(found string, t *theme.Theme, width int) string {
	return fit(spread(" "+command.Visible(found), styled(t.Quiet, "n N next "+t.Glyphs.Dot+" Esc clears "), width), width)
}

// Latest is the newest line of the session, for screens that do not show it.
func Latest(c *state.Console, t *theme.Theme, width int) string {
	s := &c.Session
	text := ""
	if len(s.Entries) > 0 {
		text = sessionLine(&s.Entries[len(s.Entries)-1], t)
	}
	if s.Running != "" {
		text = " " + spinner(c, t) + " " + span(c.Now.Sub(s.Since)) + text
	}
	return fit(text, width)
}

// spinner is one sign that changes five times a second.
func spinner(c *state.Console, t *theme.Theme) string {
	steps := t.Glyphs.Spinner
	return steps[int(c.Now.UnixMilli()/200)%len(steps)]
}

// Keys is the line at the bottom: as many keys with their meaning as fit.
func Keys(keys []HelpLine, t *theme.Theme, width int) string {
	var b strings.Builder
	used := 0
	for _, key := range keys {
		key.Keys = spelled(key.Keys, t)
		text := " " + key.Keys + " " + key.Text + " "
		if cells := ansi.StringWidth(text); used+cells <= width {
			b.WriteString(" " + styled(t.Title, key.Keys) + styled(t.Quiet, " "+key.Text+" "))
			used += cells
		}
	}
	return fit(b.String(), width)
}

// spelled names keys in letters where the screen has no other signs.
func spelled(keys string, t *theme.Theme) string {
	if t.Border.Horizontal != "-" {
		return keys
	}
	return strings.NewReplacer("↑ ↓ ← →", "arrows", "↑ ↓", "Up Down", "← →", "Left Right", "→ ←", "Right Left",
		"→", "Right", "←", "Left", "1 … 6", "1-6").Replace(keys)
}

// CompletionsView is the list of what could be typed.
type CompletionsView struct {
	Rows []HelpLine
	At   int // the chosen one
}

// Completions draws the list of completions over the last rows of a view.
func Completions(view string, v CompletionsView, t *theme.Theme, size Size) string {
	rows := min(len(v.Rows), max(size.Height-frameCells, 1), completionRowsMax)
	from := min(max(v.At-rows+1, 0), len(v.Rows)-rows)
	cells := 0
	for _, row := range v.Rows[from : from+rows] {
		cells = max(cells, ansi.StringWidth(row.Keys))
	}
	var list []string
	for i, row := range v.Rows[from : from+rows] {
		text := " " + t.Glyphs.Select + " " + styled(t.Select, fit(row.Keys, cells))
		if from+i != v.At {
			text = "   " + fit(row.Keys, cells)
		}
		if row.Text != "" {
			text += styled(t.Quiet, "  "+row.Text)
		}
		list = append(list, text)
	}
	width, height := min(completionCells, size.Width), len(list)
	if width > frameCells && height+frameCells <= size.Height {
		height += frameCells
	}
	note := fmt.Sprintf("%d of %d", v.At+1, len(v.Rows))
	frame := pane{title: "Tab", note: note, width: width, height: height, focused: true, boxed: true}
	box := strings.Split(frame.draw(t, list), "\n")
	lines := strings.Split(view, "\n")
	for i, row := range box {
		if at := len(lines) - len(box) + i; at >= 0 {
			lines[at] = place(lines[at], row, 0, size.Width)
		}
	}
	return strings.Join(lines, "\n")
}

const (
	completionRowsMax = 12
	completionCells   = 76
)

// Notice is the line above the prompt when there is something to say.
func Notice(text string, t *theme.Theme, width int) string {
	return fit(styled(t.Warning, " "+command.Visible(text)), width)
}

// contains tells whether a text holds another, whatever the case of the letters.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// hasAny tells whether one of the texts holds another.
func hasAny(part string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return contains(text, part) })
}
