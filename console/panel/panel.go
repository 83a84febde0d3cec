// Package panel draws: pure functions from what is known, a theme and a size to text of exactly that size. Cells are
// counted as a terminal counts them, so wide letters and styles are safe.
package panel

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"synod/console/theme"
)

// fit makes a text exactly so many cells wide: it cuts, with a sign that it has, or fills up with spaces.
func fit(text string, width int) string {
	if width <= 0 {
		return ""
	}
	if ansi.StringWidth(text) > width {
		text = ansi.Truncate(text, width, "…")
	}
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

// right puts a text at the right end of so many cells.
func right(text string, width int) string {
	return strings.Repeat(" ", max(0, width-ansi.StringWidth(text))) + fit(text, min(width, ansi.StringWidth(text)))
}

// block makes text of exactly height lines, each exactly width cells wide.
func block(lines []string, width, height int) string {
	out := make([]string, height)
	for i := range out {
		if i < len(lines) {
			out[i] = fit(lines[i], width)
		} else {
			out[i] = strings.Repeat(" ", max(0, width))
		}
	}
	return strings.Join(out, "\n")
}

// pane is a frame with a title and a note in its upper edge.
type pane struct {
	title, note   string
	width, height int
}

const frameCells = 2 // of a pane, in both directions

// draw puts lines into the frame; without room for one there are only the lines.
func (p pane) draw(t *theme.Theme, lines []string) string {
	inner := p.width - frameCells
	if inner < 1 || p.height <= frameCells {
		return block(lines, p.width, p.height)
	}
	out := make([]string, 0, p.height)
	out = append(out, p.top(t, inner))
	side := t.Quiet.Render("│")
	for i := range p.height - frameCells {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		out = append(out, side+fit(line, inner)+side)
	}
	out = append(out, t.Quiet.Render("╰"+strings.Repeat("─", inner)+"╯"))
	return strings.Join(out, "\n")
}

func (p pane) top(t *theme.Theme, inner int) string {
	title, note := " "+p.title+" ", ""
	if p.note != "" {
		note = " " + p.note + " "
	}
	room := inner - 2 - ansi.StringWidth(title)
	if room < 0 {
		return t.Quiet.Render("╭" + strings.Repeat("─", inner) + "╮")
	}
	if ansi.StringWidth(note) > room {
		note = ansi.Truncate(note, max(room, 0), "…")
	}
	dashes := strings.Repeat("─", max(0, room-ansi.StringWidth(note)))
	return t.Quiet.Render("╭─") + t.Title.Render(title) + t.Quiet.Render(dashes) + note + t.Quiet.Render("─╮")
}

// styled is a text with a look.
func styled(style lipgloss.Style, text string) string {
	if text == "" {
		return ""
	}
	return style.Render(text)
}
