package panel

import (
	"fmt"

	"github.com/charmbracelet/lipgloss"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// SessionView is which part of the session is seen.
type SessionView struct {
	Scroll  int // lines, from the newest
	Focused bool
	Footer  bool // the last line tells rate and latency, for screens that have no charts
}

// Session is the pane with commands and their results, the newest at the bottom. Scrolled up it shows older ones.
func Session(c *state.Console, t *theme.Theme, size Size, v SessionView) string {
	s := &c.Session
	rows := size.Height
	if framed(size.Width, size.Height) {
		rows -= frameCells
	}
	if v.Footer {
		rows--
	}
	lines, to := sessionLines(s, t, rows, v.Scroll)
	frame := pane{title: "Session", width: size.Width, height: size.Height, focused: v.Focused}
	frame.note = fmt.Sprintf("%d sent %s %d failed", s.Sent, t.Glyphs.Dot, s.Failed)
	if s.Running != "" {
		frame.note = fmt.Sprintf("%s %s %s", spinner(c, t), command.Visible(s.Running), span(c.Now.Sub(s.Since)))
		if s.Waiting > 0 {
			frame.note += fmt.Sprintf(" %s %d waiting", t.Glyphs.Dot, s.Waiting)
		}
	}
	if to < len(s.Entries) {
		frame.note = fmt.Sprintf("%d newer lines below", len(s.Entries)-to)
	}
	if v.Footer {
		for len(lines) < rows {
			lines = append(lines, "")
		}
		lines = append(lines, footer(c, t))
	}
	return frame.draw(t, lines)
}

// footer is rate and latency on one line.
func footer(c *state.Console, t *theme.Theme) string {
	values := series(c.History.Last(footerCells), func(s *state.Second) float64 { return float64(s.Answered) })
	text := " op/s " + right(rate(c.Rate), 5) + " " + styled(t.Graph, spark(t, values, footerCells, 0))
	if latency := c.History.Latency(); latency.Count > 0 {
		text += fmt.Sprintf("  p50 %s  p99 %s ms", millis(latency.Quantile(0.5)), millis(latency.Quantile(0.99)))
	}
	return text
}

const footerCells = 24

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
