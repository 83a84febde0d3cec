package panel

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

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
	rows, width := size.Height, size.Width
	if framed(size.Width, size.Height) {
		rows, width = rows-frameCells, width-frameCells
	}
	if v.Footer {
		rows--
	}
	lines, to := sessionLines(s, t, Size{width, rows}, v.Scroll)
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

// sessionLines are the lines that are seen, and the number of entries up to the last of them. Long entries are broken.
func sessionLines(s *state.Session, t *theme.Theme, room Size, scroll int) (lines []string, to int) {
	rows := max(room.Height, 0)
	_, to = Visible(len(s.Entries), rows, scroll)
	for at := to - 1; at >= 0 && len(lines) < rows; at-- {
		lines = append(broken(&s.Entries[at], t, room.Width), lines...)
	}
	return lines[max(0, len(lines)-rows):], to
}

// broken is an entry on as many lines as it needs, up to a limit, behind its time.
func broken(entry *state.Entry, t *theme.Theme, width int) []string {
	cells := width - len(clockFormat) - 2
	if cellsOf(entry.Text) <= cells || cells < brokenCellsMin {
		return []string{sessionLine(entry, t)}
	}
	const indent = "    "
	rest := ansi.Wrap(entry.Text, cells-len(indent), "")
	var lines []string
	for text := range strings.SplitSeq(rest, "\n") {
		if len(lines) == brokenLinesMax {
			break
		}
		part := *entry
		part.Text = text
		line := sessionLine(&part, t)
		if len(lines) > 0 {
			line = strings.Repeat(" ", len(clockFormat)+2) + styled(tone(entry.Tone, t), indent+strings.TrimLeft(text, " "))
		}
		lines = append(lines, line)
	}
	return lines
}

const (
	brokenCellsMin = 24
	brokenLinesMax = 6
)

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
