package panel

import (
	"fmt"

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
	var rows []string
	for _, line := range lines {
		switch {
		case line.Title != "":
			if len(rows) > 0 {
				rows = append(rows, "")
			}
			rows = append(rows, " "+styled(t.Title, line.Title))
		case line.Keys != "":
			rows = append(rows, "  "+fit(line.Keys, helpKeyCells)+" "+line.Text)
		default:
			rows = append(rows, "  "+line.Text)
		}
	}
	note := "/ searches " + t.Glyphs.Dot + " Esc closes"
	if v.Typing || v.Text != "" {
		note = fmt.Sprintf("/%s %s %d rows", command.Visible(v.Text), t.Glyphs.Dot, len(lines))
	}
	from := min(max(v.Scroll, 0), max(len(rows)-1, 0))
	frame := pane{title: "Help", note: note, width: size.Width, height: size.Height, focused: true}
	return frame.draw(t, columned(rows[from:], size))
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
