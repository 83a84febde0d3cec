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
	used := cellsOf(text)
	if used > width {
		text = ansi.Truncate(text, width, "…")
		used = ansi.StringWidth(text)
	}
	return text + strings.Repeat(" ", max(0, width-used))
}

// cellsOf counts the cells of a text. Most are plain letters, for which there is a fast way.
func cellsOf(text string) int {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return ansi.StringWidth(text)
		}
	}
	return len(text)
}

// right puts a text at the right end of so many cells.
func right(text string, width int) string {
	used := cellsOf(text)
	return strings.Repeat(" ", max(0, width-used)) + fit(text, min(width, used))
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
	focused       bool // it has the keys
	boxed         bool // it lies over others: it has a frame wherever one fits
}

const frameCells = 2 // of a pane, in both directions

// framed tells whether there is room for a frame; without one there are only the lines.
func framed(width, height int) bool {
	return width > frameCells && height > frameCells && height >= frameRowsMin
}

// frameRowsMin is the least height of a pane with a frame: below that the rows are worth more than their frame.
const frameRowsMin = 6

// draw puts lines into the frame; without room for one there are only the lines.
func (p pane) draw(t *theme.Theme, lines []string) string {
	if !framed(p.width, p.height) && !(p.boxed && p.width > frameCells && p.height > frameCells) {
		return block(lines, p.width, p.height)
	}
	inner, look := p.width-frameCells, p.look(t)
	out := make([]string, 0, p.height)
	out = append(out, p.top(t, inner))
	side := look.Render(t.Border.Vertical)
	for i := range p.height - frameCells {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		out = append(out, side+fit(line, inner)+side)
	}
	bottom := t.Border.BottomLeft + strings.Repeat(t.Border.Horizontal, inner) + t.Border.BottomRight
	return strings.Join(append(out, look.Render(bottom)), "\n")
}

func (p pane) look(t *theme.Theme) lipgloss.Style {
	if p.focused {
		return t.Focus
	}
	return t.Quiet
}

func (p pane) top(t *theme.Theme, inner int) string {
	look, b := p.look(t), t.Border
	title, note := " "+p.title+" ", ""
	if p.note != "" {
		note = " " + p.note + " "
	}
	room := inner - 2 - ansi.StringWidth(title)
	if room < 0 {
		return look.Render(b.TopLeft + strings.Repeat(b.Horizontal, inner) + b.TopRight)
	}
	if ansi.StringWidth(note) > room {
		note = ansi.Truncate(note, max(room, 0), t.Glyphs.Ellipsis)
	}
	dashes := strings.Repeat(b.Horizontal, max(0, room-ansi.StringWidth(note)))
	return look.Render(b.TopLeft+b.Horizontal) + t.Title.Render(title) + look.Render(dashes) + note +
		look.Render(b.Horizontal+b.TopRight)
}

// styled is a text with a look.
func styled(style lipgloss.Style, text string) string {
	if text == "" {
		return ""
	}
	return style.Render(text)
}
