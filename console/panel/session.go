package panel

import (
	"fmt"

	"github.com/charmbracelet/lipgloss"

	"synod/console/state"
	"synod/console/theme"
)

// Session is the pane with commands and their results, the newest at the bottom. Scrolled lines up it shows older ones.
func Session(c *state.Console, t *theme.Theme, size Size, scroll int) string {
	s := &c.Session
	lines, to := sessionLines(s, t, size.Height-frameCells, scroll)
	note := fmt.Sprintf("%d sent · %d failed", s.Sent, s.Failed)
	if s.Running != "" {
		note = fmt.Sprintf("%s %s", s.Running, span(c.Now.Sub(s.Since)))
		if s.Waiting > 0 {
			note += fmt.Sprintf(" · %d waiting", s.Waiting)
		}
	}
	if to < len(s.Entries) {
		note = fmt.Sprintf("%d newer lines below", len(s.Entries)-to)
	}
	return pane{title: "Session", note: note, width: size.Width, height: size.Height}.draw(t, lines)
}

// SessionLines is the session without a frame, for a screen that has no room for one.
func SessionLines(c *state.Console, t *theme.Theme, size Size, scroll int) string {
	lines, _ := sessionLines(&c.Session, t, size.Height, scroll)
	return block(lines, size.Width, size.Height)
}

// sessionLines are the lines that are seen, and the number of lines up to the last of them.
func sessionLines(s *state.Session, t *theme.Theme, rows, scroll int) (lines []string, to int) {
	from, to := Visible(len(s.Entries), max(rows, 0), scroll)
	for i := range s.Entries[from:to] {
		lines = append(lines, sessionLine(&s.Entries[from+i], t))
	}
	return lines, to
}

// Size is the room for a panel, in cells.
type Size struct {
	Width, Height int
}

// Visible gives the part of so many lines that is seen in some rows when scrolled up by some lines.
func Visible(lines, rows, scroll int) (from, to int) {
	to = max(min(lines-scroll, lines), min(rows, lines))
	return max(0, to-rows), to
}

func sessionLine(entry *state.Entry, t *theme.Theme) string {
	return " " + styled(t.Quiet, entry.At.Format(clockFormat)) + " " + styled(tone(entry.Tone, t), entry.Text)
}

func tone(tone state.Tone, t *theme.Theme) lipgloss.Style {
	switch tone {
	case state.Typed:
		return t.Typed
	case state.Absent:
		return t.Warning
	case state.Bad:
		return t.Bad
	case state.Remark:
		return t.Quiet
	}
	return t.Plain
}
