package panel

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/theme"
)

// HelpLine is a row of the help: a title, a key with its meaning, or a text.
type HelpLine struct {
	Title, Keys, Text string
}

// HelpView is which part of the help is seen.
type HelpView struct {
	Text   string // what is searched for
	Typing bool
	Scroll int
}

// SearchHelp leaves the rows that hold a text, under their titles.
func SearchHelp(all []HelpLine, text string) []HelpLine {
	if text == "" {
		return all
	}
	var left []HelpLine
	var title *HelpLine
	for i := range all {
		switch line := &all[i]; {
		case line.Title != "":
			title = line
		case hasAny(text, line.Keys, line.Text):
			if title != nil {
				left, title = append(left, *title), nil
			}
			left = append(left, *line)
		}
	}
	return left
}

// HelpWords explains the signs of the screen.
func HelpWords(t *theme.Theme) []HelpLine {
	g := t.Glyphs
	return []HelpLine{
		{Title: "Signs"},
		{Keys: "P A L", Text: "proposer, acceptor, learner"},
		{Keys: g.Running + " " + g.Paused + " " + g.Down, Text: "works, paused, crashed"},
		{Keys: g.Recovering + " " + g.Unknown, Text: "refusing or recovering, unknown"},
		{Keys: g.Leader, Text: "leads: a majority of those that answer say so"},
		{Keys: t.Spark.None, Text: "no data in that second"},
		{Keys: "mouse", Text: "tabs, rows, wheel; shift or option while dragging selects text, or m"},
	}
}

const helpKeyCells = 12

// Help is the whole screen of keys and commands.
func Help(lines []HelpLine, t *theme.Theme, size Size, v HelpView) string {
	inner := max(size.Width-frameCells, 1)
	columns := min(max(inner/helpCells, 1), helpColumnsMax)
	rows := helpRows(lines, t, inner/columns)
	seen := max(size.Height-frameCells, 1) * columns
	from := min(max(v.Scroll, 0), max(len(rows)-seen, 0))
	note := "/ searches " + t.Glyphs.Dot + " Esc closes"
	if v.Typing || v.Text != "" {
		note = fmt.Sprintf("/%s %s %d rows", command.Visible(v.Text), t.Glyphs.Dot, len(lines))
	}
	if below := len(rows) - from - seen; below > 0 {
		note = fmt.Sprintf("PgDn %d more %s %s", below, t.Glyphs.Dot, note)
	}
	frame := pane{title: "Help", note: note, width: size.Width, height: size.Height, focused: true}
	return frame.draw(t, columned(rows[from:min(from+seen, len(rows))], inner/columns, max(size.Height-frameCells, 1)))
}

// helpRows are the rows as they are drawn, no longer than a column.
func helpRows(lines []HelpLine, t *theme.Theme, width int) []string {
	var rows []string
	for _, line := range lines {
		switch {
		case line.Title != "":
			if len(rows) > 0 {
				rows = append(rows, "")
			}
			rows = append(rows, " "+styled(t.Title, line.Title))
		case line.Keys != "":
			lead := "  " + styled(t.Info, fit(spelled(line.Keys, t), helpKeyCells)) + " "
			text := ansi.Wrap(line.Text, max(width-helpKeyCells-4, 8), "")
			for row := range strings.SplitSeq(text, "\n") {
				rows = append(rows, lead+row)
				lead = strings.Repeat(" ", helpKeyCells+3)
			}
		default:
			rows = append(rows, "  "+line.Text)
		}
	}
	return rows
}

const (
	helpCells      = 58 // the least width of a column where there are several
	helpColumnsMax = 3
)

// columned puts what does not fit below into further columns.
func columned(lines []string, width, rows int) []string {
	out := make([]string, min(rows, len(lines)))
	for i := range out {
		for at := i; at < len(lines); at += rows {
			out[i] += fit(lines[at], width)
		}
	}
	return out
}
