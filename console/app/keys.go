package app

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
)

// binding is what a key does, and how the help describes it.
type binding struct {
	keys string // as the help shows them
	help string
	on   []string // names of the keys in Bubble Tea
	do   func(*Model) tea.Cmd
}

// edit makes the action of a key that changes the line.
func edit(change func(state.Line) state.Line) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		m.line = change(m.line)
		return nil
	}
}

// bindings is the one table of keys: routing and help follow from it.
func bindings() []binding {
	return []binding{
		{"Enter", "run the command", []string{"enter"}, (*Model).submit},
		{"↑ ↓", "older and newer commands", []string{"up", "ctrl+p"}, edit(state.Line.Older)},
		{"", "", []string{"down", "ctrl+n"}, edit(state.Line.Newer)},
		{"PgUp PgDn", "scroll the session", []string{"pgup"}, func(m *Model) tea.Cmd { return m.scrollBy(1) }},
		{"", "", []string{"pgdown"}, func(m *Model) tea.Cmd { return m.scrollBy(-1) }},
		{"Tab", "complete a verb; on an empty line the other pane, where only one fits", []string{"tab"}, (*Model).complete},
		{"?", "this help, on an empty line", nil, nil},
		{"← → Home End", "move in the line (also ctrl-A, ctrl-E)", []string{"left", "ctrl+b"}, edit(state.Line.Left)},
		{"", "", []string{"right", "ctrl+f"}, edit(state.Line.Right)},
		{"", "", []string{"home", "ctrl+a"}, edit(state.Line.Home)},
		{"", "", []string{"end", "ctrl+e"}, edit(state.Line.End)},
		{"", "", []string{"backspace", "ctrl+h"}, edit(state.Line.Backspace)},
		{"", "", []string{"delete"}, edit(state.Line.Delete)},
		{"ctrl-W U K", "delete the word, all before, all behind", []string{"ctrl+w"}, edit(state.Line.DeleteWord)},
		{"", "", []string{"ctrl+u"}, edit(state.Line.DeleteBefore)},
		{"", "", []string{"ctrl+k"}, edit(state.Line.DeleteAfter)},
		{"Esc", "clear the line, leave the scrolled place", []string{"esc"}, (*Model).clear},
		{"ctrl-C", "clear the line; else end the running command; else, twice, quit", []string{"ctrl+c"}, (*Model).interrupt},
		{"ctrl-D", "quit, on an empty line (also the command quit)", []string{"ctrl+d"}, (*Model).end},
		{"ctrl-L", "draw anew", []string{"ctrl+l"}, func(*Model) tea.Cmd { return tea.ClearScreen }},
	}
}

// helpKeys are the rows of the help.
func helpKeys() [][2]string {
	var rows [][2]string
	for _, b := range bindings() {
		if b.keys != "" {
			rows = append(rows, [2]string{b.keys, b.help})
		}
	}
	return rows
}

// press takes a key.
func (m *Model) press(key tea.KeyMsg) tea.Cmd {
	leaving := m.leaving
	m.notice, m.leaving = "", false
	if m.help {
		m.help = false
		return nil
	}
	if key.Type == tea.KeyRunes || key.Type == tea.KeySpace {
		return m.typed(key)
	}
	name := key.String()
	for _, b := range bindings() {
		for _, on := range b.on {
			if on == name {
				m.leaving = leaving && name == "ctrl+c"
				return b.do(m)
			}
		}
	}
	return nil
}

// typed adds letters to the line. Several pasted lines wait for Enter.
func (m *Model) typed(key tea.KeyMsg) tea.Cmd {
	text := string(key.Runes)
	if text == "?" && m.line.Empty() && !key.Paste {
		m.help = true
		return nil
	}
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	if key.Paste && len(lines) > 1 && m.console.Session.Question == nil {
		m.pasted = lines
		return nil
	}
	m.line = m.line.Insert([]rune(strings.TrimRight(text, "\r\n")))
	return nil
}

func (m *Model) scrollBy(pages int) tea.Cmd {
	rows := max(m.layout().session-2, 1)
	most := max(len(m.console.Session.Entries)-rows, 0)
	m.scroll = min(max(m.scroll+pages*rows, 0), most)
	return nil
}

func (m *Model) clear() tea.Cmd {
	m.line, m.scroll, m.pasted = m.line.Set(""), 0, nil
	return nil
}

func (m *Model) end() tea.Cmd {
	if m.line.Empty() {
		return tea.Quit
	}
	m.line = m.line.Delete()
	return nil
}

// complete finishes the verb being typed as far as it is certain.
func (m *Model) complete() tea.Cmd {
	text := m.line.Text()
	if text == "" {
		m.focus = replicasPane - m.focus
		return nil
	}
	if strings.Contains(text, " ") {
		return nil
	}
	common, count := "", 0
	for _, name := range m.options.Grammar.Names() {
		if !strings.HasPrefix(name, text) {
			continue
		}
		if count++; count == 1 {
			common = name
		}
		for !strings.HasPrefix(name, common) {
			common = common[:len(common)-1]
		}
	}
	switch {
	case count == 1:
		m.line = m.line.Set(common + " ")
	case count > 1:
		m.line = m.line.Set(common)
	}
	return nil
}

// hint is the line above the prompt.
func (m *Model) hint(width int) string {
	t := m.options.Theme
	switch {
	case m.console.Session.Question != nil:
		return panel.Ask(m.console.Session.Question, t, width)
	case m.pasted != nil:
		text := fmt.Sprintf("%d lines were pasted: Enter runs them, Esc drops them", len(m.pasted))
		return panel.Notice(text, t, width)
	case m.notice != "":
		return panel.Notice(m.notice, t, width)
	}
	other := ""
	switch l := m.layout(); {
	case l.replicas == 0:
		other = "replicas"
	case l.session == 0:
		other = "session"
	}
	return panel.Hint(&m.line, m.options.Grammar, t, panel.HintOptions{Width: width, Other: other})
}
