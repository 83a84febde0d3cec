package app

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// completion is the list of what could be typed, while it is gone through.
type completion struct {
	list []string
	at   int
	from string // what was typed
}

// candidates are the whole lines that could be meant.
func (m *Model) candidates() []string {
	text := m.line.Text()
	if text == "" || m.line.After() != "" || strings.Contains(text, " ") {
		return nil
	}
	var list []string
	for _, name := range m.options.Grammar.Names() {
		if strings.HasPrefix(name, text) && name != text {
			list = append(list, name+" ")
		}
	}
	return list
}

// ghost is the rest of the best completion.
func (m *Model) ghost() string {
	if m.focus != onPrompt || m.complete.list != nil {
		return ""
	}
	if list := m.candidates(); len(list) > 0 {
		return strings.TrimPrefix(list[0], m.line.Text())
	}
	return ""
}

// choose opens the list of completions, or goes on in it.
func (m *Model) choose(by int) tea.Cmd {
	if m.complete.list == nil {
		list := m.candidates()
		if len(list) == 0 {
			return nil
		}
		m.complete = completion{list: list, from: m.line.Text()}
		if len(list) == 1 {
			m.line, m.complete = m.line.Set(list[0]), completion{}
			return nil
		}
	} else {
		m.complete.at = (m.complete.at + by + len(m.complete.list)) % len(m.complete.list)
	}
	m.line = m.line.Set(m.complete.list[m.complete.at])
	return nil
}

// accept takes what is shown behind the cursor, or moves.
func (m *Model) accept() tea.Cmd {
	if ghost := m.ghost(); ghost != "" {
		m.line = m.line.Insert([]rune(ghost))
		return nil
	}
	m.line = m.line.Right()
	return nil
}
